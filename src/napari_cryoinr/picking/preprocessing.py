"""Preparation of micrographs: resampled, without background, of variance 1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..support.array_types import Float32Array
from .contrast import Powers, powers_of
from .micrographs import Micrograph

SIDE = 32  # pixels of a box after resampling
_BACKGROUND = 0.75  # sigma of the background, in boxes
_LIMIT = 6.0  # in noise levels; ice and dirt must not dominate
_TO_SIGMA = 1.4826  # standard over median absolute deviation, of a normal distribution


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
