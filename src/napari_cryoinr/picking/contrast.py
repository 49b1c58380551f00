"""How clearly particles stand out from the noise of a prepared micrograph.

Most of a particle's power is at a few periods per box, where noise alone would have as much as at
the highest frequencies. What there is more of is the particles' (and the ice's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

_COARSE, _FINE = (0.03, 0.2), (0.3, 0.5)  # periods per pixel
_MIDDLE, _RANGE = -1.0, 1.5  # of the logarithm of a contrast, as they occur
_FAINTEST = (0.05, 1 / 3)  # this contrast, or this share of the own one
LEAST = 0.02  # what there is of less cannot be told from chance


@dataclass(frozen=True)
class Powers:
    """Mean power of an image, variance per pixel, at two ranges of its frequencies.

    Attributes
    ----------
    coarse : where particles have most of theirs, 1 to 6 periods per box.
    fine : where nearly everything is noise, 10 to 16 periods per box.
    """

    coarse: float
    fine: float

    @property
    def contrast(self) -> float:
        """Power of what is no noise, in units of the noise, at the coarse frequencies."""
        return max(self.coarse / self.fine - 1, LEAST)

    @property
    def faintest(self) -> float:
        """The least contrast that it makes sense to look at copies with."""
        least, share = _FAINTEST
        return min(least, share * self.contrast)

    def noise_for(self, contrast: float) -> float:
        """Standard deviation of the white noise that leaves this contrast, which is lower."""
        return math.sqrt(max(self.fine * (self.contrast / contrast - 1), 0.0))


def powers_of(image: npt.NDArray[np.floating]) -> Powers:
    """Of a prepared image, shape (rows, columns)."""
    power = np.square(np.abs(fft.fft2(image, workers=-1))) / image.size
    y, x = fft.fftfreq(image.shape[0])[:, None], fft.fftfreq(image.shape[1])[None]
    frequency = np.hypot(y, x)
    coarse, fine = (
        float(power[(frequency > low) & (frequency <= high)].mean())
        for low, high in (_COARSE, _FINE)
    )
    return Powers(coarse, max(fine, 1e-12))


def graded(contrast: float) -> float:
    """A contrast on a scale where those that occur are between about -2 and 2, even in number."""
    return (math.log(contrast) - _MIDDLE) / _RANGE
