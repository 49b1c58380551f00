"""Micrographs, coordinates and models of different pixel sizes: the same specimen, binned or not.

Sizes that differ by at most one per cent are one: calibrations differ by as much. A size that is
not known is taken for that of the micrograph.

The pixel size in a file can be wrong, or that of something else: RELION's extracted particles state
that of the original movie, which may have been binned since, while their coordinates are in the
micrograph. So `fitting` also looks where the coordinates come to lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import fft

from ..errors import MicrographError
from ..support.array_types import Float32Array, Float64Array
from . import resampling
from .examples import Example
from .micrographs import Micrograph
from .particles import Particles

_SAME = 0.01
_FITS, _LEAST = 0.9, 0.5  # shares of the places inside a micrograph: in its pixels, and at all
_HIGHEST = 0.4  # periods per pixel
_CHANCE = 1e-3  # below which it is no coincidence that all places are in one corner


def is_same(one: float | None, other: float | None) -> bool:
    """Whether two pixel sizes mean the same, or one of them is not known."""
    return one is None or other is None or abs(one / other - 1) <= _SAME


def converted(particles: Particles, pixel_size: float | None) -> Particles:
    """Return particles, and their box, in pixels of another size, Å; unchanged if not known."""
    if pixel_size is None or particles.pixel_size is None:
        return particles
    if is_same(particles.pixel_size, pixel_size):
        return particles
    scale = particles.pixel_size / pixel_size
    box = None if particles.box is None else particles.box * scale
    return replace(particles, xy=particles.xy * scale, box=box, pixel_size=pixel_size)


def fitting(particles: Particles, micrograph: Micrograph) -> Particles:
    """Return particles in pixels of their micrograph.

    Places keep their numbers where these fit the micrograph and converted ones cannot be right.
    """
    found = converted(particles, micrograph.pixel_size)
    if found is particles or not len(found):
        return found
    assert particles.pixel_size is not None and found.pixel_size is not None
    scale, shape = particles.pixel_size / found.pixel_size, micrograph.data.shape
    if _inside(particles.xy, shape) >= _FITS:
        in_corner = scale < 1 and 2 * len(found) * math.log(scale) < math.log(_CHANCE)
        if in_corner or _inside(found.xy, shape) < _FITS:
            return replace(found, xy=particles.xy)
    return found


def placed(particles: Particles, micrograph: Micrograph, source: Path) -> Particles:
    """Return particles from a file in pixels of their micrograph, see `fitting`.

    Raises
    ------
    MicrographError
        If most of the places lie outside the micrograph.
    """
    found = fitting(particles, micrograph)
    rows, columns = micrograph.data.shape
    inside = _inside(found.xy, (rows, columns))
    if inside < _LEAST:
        raise MicrographError(
            f"{source}: {round((1 - inside) * len(found))} of {len(found)} positions lie outside"
            f" {micrograph.name}, {columns} × {rows} pixels: they are of another micrograph, or of"
            " another binning; state both pixel sizes, or give the coordinates in its pixels"
        )
    return found


def same_binning(examples: Sequence[Example]) -> tuple[list[Example], float | None]:
    """Return examples of one pixel size, and that: the one of the first that states one, or None.

    Micrographs of another binning are resampled; places are in pixels of their micrograph then.
    """
    size = next((e.micrograph.pixel_size for e in examples if e.micrograph.pixel_size), None)
    made = []
    for example in examples:
        micrograph, own = example.micrograph, example.micrograph.pixel_size
        places = [fitting(one, micrograph) for one in (example.particles, example.rejected)]
        if size is not None and own is not None and not is_same(own, size):
            micrograph = resampled(micrograph, size)
            places = [replace(p, xy=p.xy * (own / size), box=None, pixel_size=size) for p in places]
        made.append(Example(micrograph, *places))
    return made, size


def resampled(micrograph: Micrograph, pixel_size: float) -> Micrograph:
    """Return a micrograph of a known pixel size with pixels of another, Å.

    Its Fourier transform is cut, or continued by noise as strong as that of its highest
    frequencies, which smaller pixels would have had. The centre of the first pixel stays where it
    is. What shows nothing in the original has one value, so that it shows nothing here either.
    """
    assert micrograph.pixel_size is not None
    data, dead = micrograph.cleaned, micrograph.dead
    scale = micrograph.pixel_size / pixel_size
    rows, columns = (max(1, round(n * scale)) for n in data.shape)
    shape = rows, columns
    image = resampling.resampled(data, shape)
    if scale > 1:
        image += _noise_beyond(data, shape)
    if dead is not None:
        at = (
            np.minimum(np.rint(np.arange(n) * (m / n)).astype(int), m - 1)
            for n, m in zip(shape, data.shape, strict=True)
        )
        image[dead[np.ix_(*at)]] = image.mean()
    return Micrograph(image, pixel_size, micrograph.name)


def _noise_beyond(image: Float32Array, shape: tuple[int, ...]) -> Float32Array:
    """Return noise at the frequencies that an image, resampled to this shape, does not have."""
    power = np.square(np.abs(fft.rfft2(image, workers=-1))) / image.size
    y, x = np.abs(fft.fftfreq(image.shape[0]))[:, None], fft.rfftfreq(image.shape[1])[None]
    strength = math.sqrt(float(power[np.maximum(y, x) > _HIGHEST].mean()) * math.prod(shape))
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    spectrum = fft.rfft2(noise, workers=-1)
    rows, columns = (n // 2 + 1 for n in image.shape)
    spectrum[:rows, :columns] = spectrum[1 - rows :, :columns] = 0
    return fft.irfft2(spectrum, shape, workers=-1) * np.float32(strength / math.sqrt(image.size))


def _inside(xy: Float64Array, shape: tuple[int, ...]) -> float:
    """Return the share of places inside an image, shape (y, x); 1 if there are none."""
    if not len(xy):
        return 1.0
    limits = np.array(shape[::-1]) - 0.5
    return float(((xy >= -0.5) & (xy <= limits)).all(1).mean())
