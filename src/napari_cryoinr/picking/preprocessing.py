"""Preparation of micrographs: resampled, without background, of unit noise; and their contrast.

The contrast of a prepared micrograph is the power of particles relative to the noise. Most of a
particle's power is at a few periods per box, and the highest frequencies are nearly pure noise. The
noise of detectors falls slowly with the frequency, so its power at low frequencies is extrapolated
from its slope at high ones. The rest is the power of particles and ice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, ndimage

from ..support.array_types import BoolArray, Float32Array, Float64Array, FloatArray, Int64Array
from .micrographs import Micrograph
from .resampling import resampled

SIDE = 32  # pixels of a box after resampling
_BACKGROUND = 0.75  # sigma of the background, in boxes
_LIMIT = 6.0  # in noise levels; ice and dirt must not dominate
_TO_SIGMA = 1.4826  # standard over median absolute deviation, of a normal distribution
_COARSE, _FINE = (0.03, 0.2), (0.2, 0.5)  # periods per pixel
_RINGS = 15  # of the fine frequencies
_BLOCK = 2 * SIDE  # pixels along the sides of the blocks whose spectra are averaged
_MOST_BLOCKS = 1000
_UNUSUAL = 4.0  # times the median power of the blocks
_MARGIN = SIDE // 10  # pixels between a dead area and the centre of a particle
_LEAST_SEEN = 1e-3  # share of the pixels around
_MIDDLE, _RANGE = -1.0, 1.5  # of the logarithms of usual contrasts
_FAINTEST = (0.03, 1 / 3)  # a contrast, or a share of the micrograph's own
LEAST = 0.02  # contrasts below this are indistinguishable from chance


@dataclass(frozen=True)
class Powers:
    """Mean power of an image, variance per pixel, at two ranges of its frequencies."""

    coarse: float  # at 1 to 6 periods per box, where most of the particles' power is
    noise: float  # of the noise there, extrapolated from 6 to 16 periods per box

    @property
    def contrast(self) -> float:
        """Power of everything but noise, in units of the noise, at the coarse frequencies."""
        return max(self.coarse / self.noise - 1, LEAST)

    @property
    def faintest(self) -> float:
        """The least useful contrast of copies with more noise."""
        least, share = _FAINTEST
        return min(least, share * self.contrast)

    def noise_for(self, contrast: float) -> float:
        """Return the standard deviation of the white noise that lowers the contrast to this."""
        return math.sqrt(max(self.noise * (self.contrast / contrast - 1), 0.0))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A resampled micrograph."""

    image: Float32Array  # shape (rows, columns), mean about 0, standard deviation about 1
    # The same shape: standard deviation in a box around each pixel before clipping, in units of the
    # noise level of the micrograph.
    spread: Float32Array
    unit: float  # value in the micrograph that is 1 in the image
    step: tuple[float, float]  # pixels of it per pixel of the image, (y, x), from the first one on
    # Where the micrograph shows something, of the same shape; the image is 0 elsewhere. None:
    # everywhere.
    seen: BoolArray | None = None
    # Powers where particles are; None: of the whole image.
    focus: Powers | None = None

    @cached_property
    def powers(self) -> Powers:
        """Powers of the image, or where particles are."""
        return self.focus or powers_of(self.image, self.seen)

    def at_least(self, contrast: float) -> Prepared:
        """Return the same with a contrast of at least this."""
        powers = self.powers
        coarse = max(powers.coarse, powers.noise * (1 + contrast))
        return replace(self, focus=replace(powers, coarse=coarse))

    def seen_at(self, places: Float64Array) -> BoolArray:
        """Return which places, pixels of the micrograph, shape (n, 2), x then y, are shown.

        A place right beside a dead area is not: most of a particle there would lie inside it.
        """
        if self.seen is None:
            return np.ones(len(places), bool)
        inside = ndimage.minimum_filter(self.seen, 2 * _MARGIN + 1, mode="nearest")
        return inside[self._pixels(places)]

    def spread_at(self, places: Float64Array) -> Float64Array:
        """Return the spread at places, see `seen_at`."""
        return self.spread[self._pixels(places)].astype(np.float64)

    def _pixels(self, places: Float64Array) -> tuple[Int64Array, Int64Array]:
        indices = np.round(places[:, ::-1] / self.step).astype(int)
        rows, columns = np.clip(indices, 0, np.array(self.image.shape) - 1).T
        return rows, columns


def prepare(micrograph: Micrograph, box: float) -> Prepared:
    """Resample a micrograph so that a box has `SIDE` pixels, and subtract its background.

    The remaining frequencies are not weighted, so that white noise stays white, like the noise that
    training adds. What shows nothing takes no part in any mean.
    """
    data, dead = micrograph.cleaned, micrograph.dead
    rows, columns = (max(SIDE, round(n * SIDE / box)) for n in data.shape)
    shape = rows, columns
    step = (data.shape[0] / shape[0], data.shape[1] / shape[1])
    data -= data.mean(dtype=np.float64).astype(np.float32)
    coarse = resampled(data, shape)
    del data
    seen = None if dead is None else _resampled_seen(dead, shape, step)
    coarse -= _mean(coarse, seen, partial(ndimage.gaussian_filter, sigma=SIDE * _BACKGROUND))
    inside = coarse if seen is None else coarse[seen]
    middle = np.median(inside)
    level = max(_TO_SIGMA * float(np.median(np.abs(inside - middle))), 1e-30)
    coarse = (coarse - middle) / np.float32(level)
    around = partial(ndimage.uniform_filter, size=SIDE)
    mean = _mean(coarse, seen, around)
    square = _mean(np.square(coarse), seen, around)
    spread = np.sqrt(np.maximum(square - np.square(mean), 0))
    image = np.clip(coarse, -_LIMIT, _LIMIT)
    if seen is not None:
        image[~seen] = 0
    return Prepared(image.astype(np.float32), spread.astype(np.float32), level, step, seen)


def _mean(
    image: FloatArray, seen: BoolArray | None, smooth: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return the local mean of the pixels that show something."""
    if seen is None:
        return smooth(image)
    known = seen.astype(np.float32)
    return smooth(image * known) / np.maximum(smooth(known), _LEAST_SEEN)


def _resampled_seen(
    dead: BoolArray, shape: tuple[int, ...], step: tuple[float, float]
) -> BoolArray:
    """Return which pixels of a resampled image show something: those without any dead pixel."""
    size = [2 * int(s / 2) + 1 for s in step]
    wide = ndimage.maximum_filter(dead, size)
    rows, columns = (
        np.minimum(np.rint(np.arange(n) * s).astype(int), m - 1)
        for n, s, m in zip(shape, step, dead.shape, strict=True)
    )
    return ~wide[np.ix_(rows, columns)]


def with_noise(
    micrograph: Micrograph, prepared: Prepared, contrast: float, seed: int
) -> Micrograph:
    """Lower the contrast by white noise, as in a shorter exposure; `prepared` is the same image."""
    # The number of pixels that resampling averages.
    merged = prepared.step[0] * prepared.step[1]
    strength = prepared.powers.noise_for(contrast) * prepared.unit * np.sqrt(merged)
    noise = np.random.default_rng(seed).standard_normal(micrograph.data.shape, np.float32)
    if micrograph.dead is not None:
        noise[micrograph.dead] = 0
    return replace(micrograph, data=micrograph.data + np.float32(strength) * noise)


def powers_of(image: FloatArray, seen: BoolArray | None = None) -> Powers:
    """Measure a prepared image, shape (rows, columns), where it shows something.

    Spectra of blocks of two boxes are averaged, without those that have far more power than most:
    ice, dirt and edges of carbon.
    """
    side = min(_BLOCK, *image.shape)
    power = _spectra(_blocks(image, seen, side))
    square = _square(side)
    inside = _is_coarse(square)
    coarse = power[:, inside].mean(1)
    power = power[coarse <= _UNUSUAL * np.median(coarse)].mean(0)
    # A straight line through the means of rings of equal area, i.e. over the square of the
    # frequency, of which the spectrum of a detector's noise is a function.
    low, high = np.square(_FINE)
    edges = np.linspace(low, high, _RINGS + 1)
    ring = np.searchsorted(edges, square.ravel())
    count = np.bincount(ring, minlength=_RINGS + 2)[1:-1]
    total = np.bincount(ring, power.ravel(), minlength=_RINGS + 2)[1:-1]
    means = total / np.maximum(count, 1)
    line = np.polynomial.Polynomial.fit((edges[1:] + edges[:-1]) / 2, means, 1)
    # The noise is at least the mean of the fine frequencies; a rising line is an artefact.
    noise = max(float(line(square[inside].mean())), float(means.mean()))
    return Powers(float(power[inside].mean()), max(noise, 1e-12))


def focused(prepared: Prepared, places: Float64Array) -> Prepared:
    """Return a micrograph with the powers at the places of particles, shape (n, 2), x then y.

    So that the contrast does not depend on how many there are. The coarse power is the median of
    those of blocks around the places.
    """
    side = min(_BLOCK, *prepared.image.shape)
    corners = np.rint(places[:, ::-1] / prepared.step).astype(int) - side // 2
    rows, columns = np.clip(corners, 0, np.array(prepared.image.shape) - side).T
    if prepared.seen is not None:
        whole = sliding_window_view(prepared.seen, (side, side))[rows, columns].all((1, 2))
        rows, columns = rows[whole], columns[whole]
    if not len(rows):
        return prepared
    some = _some_of(len(rows))
    blocks = sliding_window_view(prepared.image, (side, side))[rows[some], columns[some]]
    coarse = _spectra(blocks)[:, _is_coarse(_square(side))].mean(1)
    return replace(prepared, focus=replace(prepared.powers, coarse=float(np.median(coarse))))


def _spectra(blocks: FloatArray) -> FloatArray:
    """Return the powers of blocks, both of shape (n, side, side)."""
    side = blocks.shape[-1]
    wave = np.sin(np.pi * (np.arange(side) + 0.5) / side)
    window = np.square(np.outer(wave, wave))
    blocks = (blocks - blocks.mean((1, 2), keepdims=True)) * window
    return np.square(np.abs(fft.fft2(blocks, workers=-1))) / np.square(window).sum()


def _square(side: int) -> Float64Array:
    """Return the squares of the frequencies of a spectrum, shape (side, side)."""
    y, x = fft.fftfreq(side)[:, None], fft.fftfreq(side)[None]
    return np.asarray(y**2 + x**2)


def _is_coarse(square: Float64Array) -> BoolArray:
    low, high = np.square(_COARSE)
    return (square > low) & (square <= high)


def _blocks(image: FloatArray, seen: BoolArray | None, side: int) -> FloatArray:
    """Return blocks of an image, shape (n, side, side), all of which shows something if any do."""
    every = (slice(None, None, max(side // 2, 1)),) * 2
    views = sliding_window_view(image, (side, side))[every]
    kept: BoolArray = np.ones(views.shape[:2], bool)
    if seen is not None:
        whole = np.asarray(sliding_window_view(seen, (side, side))[every].all((2, 3)))
        kept = whole if whole.any() else kept
    rows, columns = np.nonzero(kept)
    some = _some_of(len(rows))
    return views[rows[some], columns[some]]


def _some_of(count: int) -> Int64Array:
    """Return indices of at most `_MOST_BLOCKS` of so many blocks."""
    return np.unique(np.linspace(0, count - 1, _MOST_BLOCKS).astype(int))


def graded(contrast: float) -> float:
    """Convert a contrast to a logarithmic scale on which usual ones lie between about -2 and 2."""
    return (math.log(contrast) - _MIDDLE) / _RANGE
