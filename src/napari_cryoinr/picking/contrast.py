"""How clearly particles stand out from the noise of a prepared micrograph.

Most of a particle's power is at a few periods per box; at the highest frequencies there is nearly
nothing but noise. The noise of detectors falls slowly from low frequencies to high ones, so its
power at the low ones is extrapolated from how it falls among the high ones. What there is more is
the particles' (and the ice's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..support.array_types import FloatArray

_COARSE, _FINE = (0.03, 0.2), (0.2, 0.5)  # periods per pixel
_RINGS = 15  # of the fine frequencies
_MIDDLE, _RANGE = -1.0, 1.5  # of the logarithm of a contrast, as they occur
_FAINTEST = (0.03, 1 / 3)  # this contrast, or this share of the own one
LEAST = 0.02  # what there is of less cannot be distinguished from chance


@dataclass(frozen=True)
class Powers:
    """Mean power of an image, variance per pixel, at two ranges of its frequencies.

    Attributes
    ----------
    coarse : where particles have most of theirs, 1 to 6 periods per box.
    noise : what the noise has there, extrapolated from 6 to 16 periods per box.
    """

    coarse: float
    noise: float

    @property
    def contrast(self) -> float:
        """Power of what is no noise, in units of the noise, at the coarse frequencies."""
        return max(self.coarse / self.noise - 1, LEAST)

    @property
    def faintest(self) -> float:
        """The least contrast that it makes sense to look at copies with."""
        least, share = _FAINTEST
        return min(least, share * self.contrast)

    def noise_for(self, contrast: float) -> float:
        """Standard deviation of the white noise that leaves this contrast, which is lower."""
        return math.sqrt(max(self.noise * (self.contrast / contrast - 1), 0.0))


def powers_of(image: FloatArray) -> Powers:
    """Of a prepared image, shape (rows, columns)."""
    power = np.square(np.abs(fft.fft2(image, workers=-1))) / image.size
    y, x = fft.fftfreq(image.shape[0])[:, None], fft.fftfreq(image.shape[1])[None]
    square = y**2 + x**2
    low, high = np.square(_COARSE)
    inside = (square > low) & (square <= high)
    # Rings of equal area, and a straight line through their means: in a plane, white noise and the
    # blur of a detector are even in the frequency.
    low, high = np.square(_FINE)
    edges = np.linspace(low, high, _RINGS + 1)
    ring = np.searchsorted(edges, square.ravel())
    count = np.bincount(ring, minlength=_RINGS + 2)[1:-1]
    total = np.bincount(ring, power.ravel(), minlength=_RINGS + 2)[1:-1]
    means = total / np.maximum(count, 1)
    line = np.polynomial.Polynomial.fit((edges[1:] + edges[:-1]) / 2, means, 1)
    # Less than the mean of the fine frequencies it is not: then something else falls there.
    noise = max(float(line(square[inside].mean())), float(means.mean()))
    return Powers(float(power[inside].mean()), max(noise, 1e-12))


def graded(contrast: float) -> float:
    """A contrast on a scale where those that occur are between about -2 and 2, even in number."""
    return (math.log(contrast) - _MIDDLE) / _RANGE
