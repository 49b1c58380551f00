"""Preparation of micrographs: resampled, without background, of variance 1; and their contrast.

The contrast of a prepared micrograph is the power of particles relative to the noise. Most of a
particle's power is at a few periods per box, and the highest frequencies are nearly pure noise. The
noise of detectors falls slowly with the frequency, so its power at low frequencies is extrapolated
from its slope at high ones. The rest is the power of particles and ice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import fft, ndimage

from ..support.array_types import Float32Array, FloatArray
from .micrographs import Micrograph

SIDE = 32  # pixels of a box after resampling
_BACKGROUND = 0.75  # sigma of the background, in boxes
_LIMIT = 6.0  # in noise levels; ice and dirt must not dominate
_TO_SIGMA = 1.4826  # standard over median absolute deviation, of a normal distribution
_COARSE, _FINE = (0.03, 0.2), (0.2, 0.5)  # periods per pixel
_RINGS = 15  # of the fine frequencies
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

    image: Float32Array  # shape (rows, columns), mean about 0, standard deviation 1
    # The same shape: standard deviation in a box around each pixel before clipping, in units of the
    # noise level of the micrograph.
    spread: Float32Array
    unit: float  # value in the micrograph that is 1 in the image
    step: tuple[
        float, float
    ]  # pixels of it per pixel of the image, (y, x); the first ones coincide

    @cached_property
    def powers(self) -> Powers:
        """Powers of the image."""
        return powers_of(self.image)


def prepare(micrograph: Micrograph, box: float) -> Prepared:
    """Resample a micrograph so that a box has `SIDE` pixels, and subtract its background.

    The remaining frequencies are not weighted, so that white noise stays white, like the noise that
    training adds.
    """
    data = micrograph.data
    shape = tuple(max(SIDE, round(n * SIDE / box)) for n in data.shape)
    from scipy import signal  # takes half a second

    coarse = signal.resample(data - data.mean(dtype=np.float64), shape[0])
    coarse = signal.resample(coarse, shape[1], axis=1)
    coarse -= ndimage.gaussian_filter(coarse, SIDE * _BACKGROUND, mode="reflect", truncate=3)
    middle = np.median(coarse)
    level = _TO_SIGMA * float(np.median(np.abs(coarse - middle)))
    coarse = (coarse - middle) / max(level, 1e-30)
    mean = ndimage.uniform_filter(coarse, SIDE)
    square = ndimage.uniform_filter(coarse**2, SIDE)
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    image = np.clip(coarse, -_LIMIT, _LIMIT)
    deviation = max(float(image.std()), 1e-30)
    image /= deviation
    step = (data.shape[0] / shape[0], data.shape[1] / shape[1])
    return Prepared(image.astype(np.float32), spread.astype(np.float32), level * deviation, step)


def with_noise(
    micrograph: Micrograph, prepared: Prepared, contrast: float, seed: int
) -> Micrograph:
    """Lower the contrast by white noise, as in a shorter exposure; `prepared` is the same image."""
    # The number of pixels that resampling averages.
    merged = prepared.step[0] * prepared.step[1]
    strength = prepared.powers.noise_for(contrast) * prepared.unit * np.sqrt(merged)
    noise = np.random.default_rng(seed).standard_normal(micrograph.data.shape, np.float32)
    return replace(micrograph, data=micrograph.data + np.float32(strength) * noise)


def powers_of(image: FloatArray) -> Powers:
    """Measure a prepared image, shape (rows, columns)."""
    power = np.square(np.abs(fft.fft2(image, workers=-1))) / image.size
    y, x = fft.fftfreq(image.shape[0])[:, None], fft.fftfreq(image.shape[1])[None]
    square = y**2 + x**2
    low, high = np.square(_COARSE)
    inside = (square > low) & (square <= high)
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


def graded(contrast: float) -> float:
    """Convert a contrast to a logarithmic scale on which usual ones lie between about -2 and 2."""
    return (math.log(contrast) - _MIDDLE) / _RANGE
