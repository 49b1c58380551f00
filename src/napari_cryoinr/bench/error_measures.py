"""What "the same error" means: the three regimes in which codecs are compared."""

from __future__ import annotations

import math

import numpy as np

from ..errors import SettingsError
from ..support.array_types import AnyArray, BoolArray, Float32Array

REGIMES = ("contour", "whole", "lossless")
_LEAST_RMS = 1e-300  # of a map that came back exactly: its PSNR is large, but a number


class ErrorMeasure:
    """The error of decoded voxels against one original.

    - contour: RMS error over the voxels above the threshold, over the standard deviation of the
      original there (NRMSE).
    - whole: PSNR over all voxels in dB; the range is the largest density less the smallest.
    - lossless: the largest difference, which must be 0.

    Parameters
    ----------
    original : ndarray of float32, shape (z, y, x)
    regime : str
        One of `REGIMES`.
    threshold : float or None
        A density in the regime "contour", None in the others.

    Raises
    ------
    SettingsError
        If the densities that count are all the same: no error has a scale there.
    """

    def __init__(self, original: Float32Array, regime: str, threshold: float | None):
        self.regime = regime
        inside = slice(None) if threshold is None else original > np.float32(threshold)
        self._inside: slice | BoolArray = inside
        self._values = original[self._inside]
        if regime == "lossless":
            return
        if regime == "contour":
            self._scale = float(self._values.std(dtype=np.float64)) if self._values.size else 0.0
        else:
            self._scale = float(original.max()) - float(original.min())
        if not self._scale > 0:
            raise SettingsError(
                f"{self._values.size} voxels count and all have one density: no error has a scale;"
                " choose another threshold"
            )

    def of(self, decoded: AnyArray) -> float:
        """Measure the error of decoded voxels of the shape of the original."""
        difference = self._values - decoded[self._inside].astype(np.float64)
        if self.regime == "lossless":
            return float(np.abs(difference).max())
        rms = math.sqrt(float(np.mean(np.square(difference))))
        if self.regime == "contour":
            return rms / self._scale
        return 20 * math.log10(self._scale / max(rms, _LEAST_RMS))

    def meets(self, error: float, limit: float) -> bool:
        """Return whether an error is no worse than a limit."""
        return error >= limit if self.regime == "whole" else error <= limit
