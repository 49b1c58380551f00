"""What the regimes mean on voxels: the error of a decoded map, and what a peer is given."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from ..errors import SettingsError
from ..maps.density_map import DensityMap
from ..maps.envelope import soft_mask
from ..maps.fourier_shells import FourierShells, ShellGoal
from ..maps.mrc_header import VOXEL_TYPES
from ..support.array_types import AnyArray, BoolArray, Float64Array, FloatArray
from .cases import REGIMES, Case

_LEAST_RMS = 1e-300  # of a map that came back exactly: its PSNR is large, but a number


class Measure(Protocol):
    """An error of decoded voxels, shape (z, y, x), that a codec is tuned to."""

    def of(self, decoded: AnyArray) -> float:
        """Measure the error of decoded voxels."""

    def meets(self, error: float, limit: float) -> bool:
        """Return whether an error is no worse than a limit."""


class ErrorMeasure:
    """The error of decoded voxels, shape (z, y, x), against one original.

    - fsc: the lowest Fourier shell correlation up to the resolution of original and decoded map,
      both times the soft mask of the original.
    - contour: RMS error over the voxels above the threshold, over the standard deviation of the
      original there (NRMSE).
    - whole: PSNR over all voxels in dB; the range is the largest density less the smallest.
    - lossless: the largest difference, which must be 0.

    It is a `SettingsError` if the densities that count are all the same: no error has a scale
    there.
    """

    def __init__(self, original: DensityMap, case: Case) -> None:
        self.case = case
        data = original.data
        self._inside: slice | BoolArray = slice(None)
        if case.regime == "contour":
            self._inside = data > np.float32(case.threshold)
        self._values = data[self._inside]
        if case.regime == "lossless":
            return
        if case.regime == "fsc":
            self._weight = _mask(original, case)
            masked = data * self._weight
            scale = np.abs(masked).max(initial=0)
            self._shells = FourierShells(data.shape, original.voxel_size)
            self._spectrum = self._shells.spectrum(masked)
            self._goal = ShellGoal(np.ones(self._shells.last(case.resolution or 0.0)))
        elif case.regime == "contour":
            scale = self._values.std(dtype=np.float64) if self._values.size else 0.0
        else:
            scale = float(data.max()) - float(data.min())
        self._scale = float(scale)
        if not self._scale > 0:
            raise SettingsError(
                f"{self._values.size} voxels count and all have one density: no error has a scale;"
                " choose another threshold"
            )

    def of(self, decoded: AnyArray) -> float:
        """Measure the error of decoded voxels of the shape of the original."""
        if self.case.regime == "fsc":
            found = self._shells.spectrum(decoded * self._weight)
            return 1 - float(self._goal.losses(self._shells, self._spectrum, found).max())
        difference = self._values - decoded[self._inside].astype(np.float64)
        if self.case.regime == "lossless":
            return float(np.abs(difference).max())
        rms = math.sqrt(float(np.mean(np.square(difference))))
        if self.case.regime == "contour":
            return rms / self._scale
        return 20 * math.log10(self._scale / max(rms, _LEAST_RMS))

    def meets(self, error: float, limit: float) -> bool:
        """Return whether an error is no worse than a limit."""
        return error >= limit if REGIMES[self.case.regime].rising else error <= limit


def surface_overlap(
    original: FloatArray, decoded: AnyArray, threshold: float | None
) -> float | None:
    """Return the intersection over union of the voxels above a threshold; None without one."""
    if threshold is None:
        return None
    one, other = original > np.float32(threshold), decoded > np.float32(threshold)
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / union if union else 1.0


def peer_input(original: DensityMap, case: Case, name: str) -> AnyArray:
    """Return what a peer is given; the name is one of those that the regime lists."""
    data = original.data
    if case.regime == "lossless":
        return np.ascontiguousarray(data, VOXEL_TYPES[original.mode])
    if name == "full":
        return np.ascontiguousarray(data)
    level = np.float32(case.threshold)
    if name == "clipped":
        return np.maximum(data, level)
    if case.regime == "contour":
        return np.where(data > level, data, np.float32(0))
    masked: FloatArray = data * _mask(original, case)
    if name == "low-passed":
        shells = FourierShells(data.shape, original.voxel_size)
        masked = shells.low_passed(masked, case.resolution or 0.0)
    return masked.astype(np.float32)


def _mask(original: DensityMap, case: Case) -> Float64Array:
    """Return the soft mask, in double precision: densities of any scale have Fourier shells."""
    assert case.threshold is not None
    return soft_mask(original.data, case.threshold).astype(np.float64)
