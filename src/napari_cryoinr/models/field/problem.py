"""What is asked of the latents of one map: densities, weights, and the error that is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...maps import slabs
from ...progress import Clock, Progress, Steps
from ...settings import BLOCKS, DEFAULT_NRMSE, Settings
from ...symmetry import GridSymmetry
from ...symmetry_detection import detect_symmetry_steps
from ...symmetry_folding import fold_steps
from ...voxel_codes import snap
from ..base import Target

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Region = tuple[slice, slice, slice]

# A map is taken for symmetric if storing it so uses up at most this share of the error (squared:
# half of it), for the asymmetric unit is at most half of the map.
_SYMMETRY_SHARE = 0.7
_NO_SPREAD = 1e-6  # of the mean: all voxels that count have one density, to float32
_OF_CONTRAST = 0.1  # of the distance from the background, which then stands for their spread
_REACH = 2 * max(BLOCKS)  # voxels beyond a box that the blocks which touch it reach
_SYMMETRY_OF_SPREAD = 0.02  # where no error is asked for: share of the standard deviation


@dataclass(frozen=True, eq=False)
class Problem:
    """One map to be fitted.

    Attributes
    ----------
    shape : of the map, (z, y, x).
    frame : the part of it that the arrays hold: `box` and what latents can reach around it.
    values : densities less `base`, shape of the frame.
    weights : of the squared error, 0 to 1; None stands for 1 everywhere.
    capped : voxels without weight that should not exceed `ceiling`; None where there is none.
    ceiling : above `base`.
    base : density where nothing is stored.
    symmetry : whose representatives alone have a weight; None for all voxels.
    allowed : the weighted squared error, summed over the voxels, that is asked for; None without
        such a goal.
    box : the voxels with a weight.
    """

    shape: tuple[int, int, int]
    frame: Region
    values: Floats
    weights: Floats | None
    capped: Mask | None
    ceiling: float
    base: float
    symmetry: GridSymmetry | None
    allowed: float | None
    mode: int
    box: Region

    def cut(self, array: npt.NDArray[Any], region: Region) -> npt.NDArray[Any]:
        """The part of an array of the frame that belongs to a region of the map."""
        z, y, x = (
            slice(r.start - f.start, r.stop - f.start)
            for r, f in zip(region, self.frame, strict=True)
        )
        return array[z, y, x]

    def squared_error(self, voxels: Floats, region: Region) -> float:
        """Weighted squared error of voxels less `base` that belong to a region."""
        found = snap(voxels + np.float32(self.base), self.mode) - np.float32(self.base)
        wrong = (found - self.cut(self.values, region)).astype(np.float64) ** 2
        if self.weights is not None:
            wrong *= self.cut(self.weights, region)
        return float(wrong.sum())


def problem_steps(target: Target, settings: Settings, clock: Clock) -> Steps[Problem]:
    """What the settings ask of a map."""
    density_map = target.map
    data = density_map.data
    everywhere = target.threshold is None or settings.target_psnr is not None
    count = data.size if everywhere else target.occupied
    yield Progress("preparing", 0, 1, clock.seconds)
    weights: Floats | Mask | None = None if everywhere else target.mask
    allowed, spread = _allowed(target, settings, everywhere, count)
    symmetry = None
    if settings.field.symmetry == "auto" and count:
        tolerance = (
            _SYMMETRY_OF_SPREAD * spread
            if allowed is None
            else _SYMMETRY_SHARE * math.sqrt(allowed / count)
        )
        symmetry = yield from detect_symmetry_steps(
            data, weights, density_map.voxel_size, tolerance, clock
        )
    values = data
    if symmetry is not None:
        folded = yield from fold_steps(symmetry, data, weights, clock)
        values = folded.mean
        largest = float(folded.weight.max())
        weights = folded.weight / np.float32(largest)
        if allowed is not None:
            allowed = (allowed - folded.rms**2 * count) / largest
    base = target.background
    box = _bounding_box(weights, data.shape)
    frame = _around(box, data.shape)
    values = values[frame] - np.float32(base)
    if weights is not None:
        weights = weights[frame].astype(np.float32)
    capped = None
    if weights is not None and not everywhere and not target.exact_mask:
        capped = weights == 0
        if symmetry is not None:
            capped &= symmetry.is_representative(frame, data.shape)
    return Problem(
        data.shape,
        frame,
        values,
        weights,
        capped,
        (target.threshold or 0.0) - base,
        base,
        symmetry,
        allowed,
        density_map.mode,
        box,
    )


def _allowed(
    target: Target, settings: Settings, everywhere: bool, count: int
) -> tuple[float | None, float]:
    """(sum of the squared errors that the goal allows, standard deviation)."""
    data = target.map.data
    total = square = 0.0
    low, high = math.inf, -math.inf
    for part in slabs(data.shape):
        values = data[part] if everywhere else data[part][target.mask[part]]
        if values.size:
            total += float(values.sum(dtype=np.float64))
            square += float(np.square(values, dtype=np.float64).sum())
        low, high = min(low, float(data[part].min())), max(high, float(data[part].max()))
    mean = total / max(count, 1)
    spread = math.sqrt(max(square / max(count, 1) - mean**2, 0.0))
    if spread <= _NO_SPREAD * abs(mean):
        spread = _OF_CONTRAST * abs(mean - target.background)
    if settings.target_psnr is not None:
        return count * ((high - low) * 10 ** (-settings.target_psnr / 20)) ** 2, spread
    if settings.max_error is not None:
        return count * (_MAX_ERROR_SHARE * settings.max_error) ** 2, spread
    if settings.target_ratio is not None:
        return None, spread
    share = settings.target_nrmse if settings.target_nrmse is not None else DEFAULT_NRMSE
    return count * (share * spread) ** 2, spread


_MAX_ERROR_SHARE = 0.5  # of the maximum error, as RMS error: the residual stream does the rest


def _around(box: Region, shape: tuple[int, ...]) -> Region:
    """A box and the voxels around it that its blocks reach, whatever their side."""
    z, y, x = (
        slice(max(0, s.start - _REACH), min(n, s.stop + _REACH))
        for s, n in zip(box, shape, strict=True)
    )
    return z, y, x


def _bounding_box(weights: Floats | Mask | None, shape: tuple[int, ...]) -> Region:
    """The voxels with a weight; all where there are none."""
    if weights is None or not weights.any():
        z, y, x = (slice(0, n) for n in shape)
        return z, y, x
    ranges = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        where = np.flatnonzero(weights.any(axis=others))
        ranges.append(slice(int(where[0]), int(where[-1]) + 1))
    return ranges[0], ranges[1], ranges[2]
