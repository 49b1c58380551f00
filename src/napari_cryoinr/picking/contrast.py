"""The contrast of a prepared micrograph: the power of particles relative to the noise.

Most of a particle's power is at a few periods per box, and the highest frequencies are nearly pure
noise. The noise of detectors falls slowly with the frequency, so its power at low frequencies is
extrapolated from its slope at high ones. The rest is the power of particles and ice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..support.array_types import FloatArray

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
