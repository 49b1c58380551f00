"""What is asked of the latents of one map: densities, weights, and the error that is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...maps.density_map import slabs
from ...maps.voxel_types import lowest_inside, snap
from ...progress import Clock, Progress, Steps
from ...symmetry.detection import detect_symmetry_steps
from ...symmetry.folding import fold_any, fold_steps, overlap, total_weight
from ...symmetry.point_groups import GridSymmetry
from ..base import DEFAULT_NRMSE, FitRequest, Target

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Region = tuple[slice, slice, slice]

# A map is taken for symmetric if storing it so uses up at most this share of the error (squared:
# half of it), for the asymmetric unit is at most half of the map.
_SYMMETRY_SHARE = 0.7
_NO_SPREAD = 1e-6  # of the mean: all voxels that count have one density, to float32
_OF_CONTRAST = 0.1  # of the distance from the background, which then stands for their spread
_SYMMETRY_OF_SPREAD = 0.02  # where no error is asked for: share of the standard deviation


@dataclass(frozen=True, eq=False)
class Problem:
    """One map to be fitted. Voxels are asked for region by region: nothing is held twice.

    Attributes
    ----------
    shape : of the map, (z, y, x).
    data : densities of the voxels of `frame`: those of the map itself or, where there is a
        symmetry, means over orbits.
    counts : weights of the squared error of the voxels of `frame`, 0 to 1; None stands for 1
        everywhere. Outside the frame they are 0.
    frame : the part of the map that these two hold.
    capped : whether voxels without weight should not exceed `ceiling`.
    ceiling : above `base`.
    lowest : density that voxels with a weight are raised to when they are decoded.
    base : density where nothing is stored.
    symmetry : whose representatives alone have a weight; None for all voxels.
    allowed : the weighted squared error, summed over the voxels, that is asked for; None without
        such a goal.
    box : the voxels with a weight.
    """

    shape: tuple[int, int, int]
    data: Floats
    counts: Floats | Mask | None
    frame: Region
    capped: bool
    ceiling: float
    lowest: np.float32
    base: float
    symmetry: GridSymmetry | None
    allowed: float | None
    mode: int
    box: Region

    def values(self, region: Region) -> Floats:
        """Densities of a region of the map, less `base`."""
        return self._cut(self.data, region) - np.float32(self.base)

    def weights(self, region: Region) -> Floats | Mask | None:
        """Weights of a region of the map; None stands for 1 everywhere."""
        return None if self.counts is None else self._cut(self.counts, region)

    def limits(self, region: Region) -> Floats:
        """What the voxels of a region that have no weight should not exceed, above `base`."""
        size = [s.stop - s.start for s in region]
        if not self.capped:
            return np.full(size, np.float32(np.inf))
        if self.symmetry is None:
            return np.full(size, np.float32(self.ceiling))
        own = self.symmetry.is_representative(region, self.shape)
        return np.where(own, np.float32(self.ceiling), np.float32(np.inf))

    def squared_error(self, voxels: Floats, region: Region) -> float:
        """Weighted squared error of voxels less `base` that belong to a region."""
        found = snap(voxels + np.float32(self.base), self.mode)
        np.maximum(found, self.lowest, out=found)
        found -= np.float32(self.base)
        wrong = (found - self.values(region)).astype(np.float64) ** 2
        weights = self.weights(region)
        if weights is not None:
            wrong *= weights
        return float(wrong.sum())

    @cached_property
    def total(self) -> float:
        """Sum of all weights."""
        return total_weight(self.counts, self.data.shape)

    @cached_property
    def largest(self) -> float:
        """Largest magnitude of the densities less `base` in the box."""
        return max(float(np.abs(self.values(part)).max()) for part in self._parts())

    def spread(self) -> float:
        """Standard deviation of the densities in the box."""
        size = math.prod(s.stop - s.start for s in self.box)
        total = sum(float(self.values(part).sum(dtype=np.float64)) for part in self._parts())
        middle = np.float32(total / size)
        squares = sum(
            float(np.square(self.values(part) - middle, dtype=np.float64).sum())
            for part in self._parts()
        )
        return math.sqrt(squares / size)

    def _parts(self) -> Iterator[Region]:
        """The box, slab by slab."""
        z, y, x = self.box
        for part in slabs(tuple(s.stop - s.start for s in self.box)):
            yield slice(z.start + part.start, z.start + part.stop), y, x

    def _cut(self, array: npt.NDArray[Any], region: Region) -> npt.NDArray[Any]:
        """A region of an array of the frame, with zeros beyond it."""
        inside, target = overlap(self.frame, region)
        size = [s.stop - s.start for s in region]
        if list(array[inside].shape) == size:
            return array[inside]
        out = np.zeros(size, array.dtype)
        out[target] = array[inside]
        return out


def problem_steps(target: Target, request: FitRequest, clock: Clock) -> Steps[Problem]:
    """What is asked of a map."""
    density_map = target.map
    data = density_map.data
    everywhere = target.threshold is None or request.goal == "target_psnr"
    count = data.size if everywhere else target.occupied
    yield Progress("preparing", 0, 1, clock.seconds)
    counts: Floats | Mask | None = None if everywhere else target.mask
    allowed, spread = _allowed(target, request, everywhere, count)
    symmetry = None
    if request.own.symmetry == "auto" and count:
        tolerance = (
            _SYMMETRY_OF_SPREAD * spread
            if allowed is None
            else _SYMMETRY_SHARE * math.sqrt(allowed / count)
        )
        symmetry = yield from detect_symmetry_steps(
            data, counts, density_map.voxel_size, tolerance, clock
        )
    z, y, x = (slice(0, n) for n in data.shape)
    frame: Region = (z, y, x)
    if symmetry is None:
        box = _bounding_box(counts, data.shape)
    else:
        stored = (
            symmetry.asymmetric_unit(data.shape) if everywhere else fold_any(symmetry, target.mask)
        )
        frame = box = _bounding_box(stored, data.shape)
        del stored
        folded = yield from fold_steps(symmetry, data, counts, clock, frame)
        largest = float(folded.weight.max())
        counts = np.divide(folded.weight, np.float32(largest), out=folded.weight)
        if allowed is not None:
            allowed = (allowed - folded.rms**2 * count) / largest
        data = folded.mean
    return Problem(
        density_map.data.shape,
        data,
        counts,
        frame,
        not everywhere and not target.exact_mask,
        (target.threshold or 0.0) - target.background,
        lowest_inside(target.threshold if target.exact_mask else None, density_map.mode),
        target.background,
        symmetry,
        allowed,
        density_map.mode,
        box,
    )


def _allowed(
    target: Target, request: FitRequest, everywhere: bool, count: int
) -> tuple[float | None, float]:
    """(sum of the squared errors that the goal allows, standard deviation)."""
    data = target.map.data
    total = square = 0.0
    low, high = math.inf, -math.inf
    for part in target.map.slabs():
        values = data[part] if everywhere else data[part][target.mask[part]]
        if values.size:
            total += float(values.sum(dtype=np.float64))
            square += float(np.square(values, dtype=np.float64).sum())
        low, high = min(low, float(data[part].min())), max(high, float(data[part].max()))
    mean = total / max(count, 1)
    spread = math.sqrt(max(square / max(count, 1) - mean**2, 0.0))
    if spread <= _NO_SPREAD * abs(mean):
        spread = _OF_CONTRAST * abs(mean - target.background)
    if request.goal == "target_psnr":
        return count * ((high - low) * 10 ** (-request.amount / 20)) ** 2, spread
    if request.goal == "max_error":
        return count * (_MAX_ERROR_SHARE * request.amount) ** 2, spread
    if request.goal == "target_ratio":
        return None, spread
    share = request.amount if request.goal == "target_nrmse" else DEFAULT_NRMSE
    return count * (share * spread) ** 2, spread


_MAX_ERROR_SHARE = 0.5  # of the maximum error, as RMS error: the residual stream does the rest


def _bounding_box(counts: Floats | Mask | None, shape: tuple[int, ...]) -> Region:
    """The voxels that count; all where none does."""
    if counts is None or not counts.any():
        z, y, x = (slice(0, n) for n in shape)
        return z, y, x
    ranges = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        where = np.flatnonzero(counts.any(axis=others))
        ranges.append(slice(int(where[0]), int(where[-1]) + 1))
    return ranges[0], ranges[1], ranges[2]
