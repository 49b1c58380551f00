"""What is to be fitted to one map: densities, weights, and the error that is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..maps.density_map import slabs
from ..maps.voxel_types import lowest_inside, snap
from ..progress import Clock, Progress, Steps, drain
from ..support.array_types import AnyArray, BoolArray, Float32Array, Float64Array, Region
from ..support.regions import bounding_box, intersection, region_shape, relative_to, whole_region
from ..symmetry.continuous import Symmetry
from ..symmetry.detection import detect_symmetry_steps
from ..symmetry.folding import all_weights, fold_any, fold_steps, total_weight, unfold_steps
from ..symmetry.point_groups import GridSymmetry
from .base import DEFAULT_NRMSE, FitRequest, Target
from .shell_measure import ShellMeasure

# A map is taken for symmetric if storing it so uses up at most this share of the error (squared:
# half of it), for the asymmetric unit is at most half of the map.
_SYMMETRY_SHARE = 0.7
_OUTSIDE = 0.5  # of the contrast of the threshold
_LEAST_WEIGHT = np.float32(0.05)  # in a soft mask
_SYMMETRY_OF_SHELLS = 0.4  # of the loss that is allowed in each shell
_SYMMETRY_TRIES = 4  # each with half the tolerance of the one before
_SYMMETRY_OF_SPREAD = 0.02  # where the size is the goal: share of the standard deviation
_NO_SPREAD = 1e-6  # of the mean: all voxels that count have one density, to float32
_OF_CONTRAST = 0.1  # of the distance from the background, which then stands for their spread
_FADING_LEFT = 0.99  # of the error; fading below the contour may take the rest
_FRAME_SHARE = 0.7  # of the voxels of a map: a box of fewer is held alone
_MAX_ERROR_SHARE = 0.5  # of the maximum error, as RMS error: the residual stream does the rest


@dataclass(frozen=True, eq=False)
class Folding:
    """What the problem of an asymmetric unit is a part of.

    Attributes
    ----------
    symmetry : of the map.
    unit : which voxels of the problem's frame are in the unit.
    whole : the problem of the whole map.
    spent : share of what is allowed that the symmetry takes; of each shell, where these count.
    on_grid : whether voxels are copies of voxels.
    """

    symmetry: Symmetry
    unit: BoolArray
    whole: Problem
    spent: float | Float64Array
    on_grid: bool


@dataclass(frozen=True, eq=False)
class Problem:
    """One map to be fitted. Voxels are returned region by region, so that nothing is held twice.

    Attributes
    ----------
    shape : of the map, (z, y, x).
    data : densities of the voxels of `frame`: those of the map itself or, where there is a
        symmetry, means over orbits.
    counts : weights of the squared error of the voxels of `frame`, 0 to 1; None stands for 1
        everywhere. Outside the frame they are 0.
    frame : the part of the map that these two hold.
    ceiling : above `base`, what voxels without weight should not exceed; infinite if they may.
    span : how far below that they may be; infinite if it does not matter.
    lowest : density that voxels with a weight are raised to when they are decoded.
    base : density where nothing is stored.
    surface : the contour above `base`, whose surface is to be kept; None where there is none.
    symmetry : whose representatives alone have a weight; None for all voxels.
    allowed : the weighted squared error, summed over the voxels; None where the size is the goal.
    box : the voxels with a weight.
    voxel : the smallest side of a voxel in Å.
    folded : where all of it is the asymmetric unit of another problem.
    """

    shape: tuple[int, int, int]
    data: Float32Array
    counts: Float32Array | BoolArray | None
    frame: Region
    ceiling: float
    span: float
    lowest: np.float32
    base: float
    symmetry: GridSymmetry | None
    allowed: float | None
    mode: int
    box: Region
    voxel: float = 1.0
    surface: float | None = None
    folded: Folding | None = None

    def values(self, region: Region) -> Float32Array:
        """Return the densities of a region of the map, less `base`; beyond the frame any."""
        return self._cut(self.data, region) - np.float32(self.base)

    def weights(self, region: Region) -> Float32Array | BoolArray | None:
        """Return the weights of a region of the map; None stands for 1 everywhere."""
        return None if self.counts is None else self._cut(self.counts, region)

    def limits(self, region: Region) -> Float32Array:
        """Return what the voxels of a region without weight should not exceed, above `base`."""
        limits = np.full(region_shape(region), np.float32(self.ceiling))
        own = self.own(region)
        if own is not None:
            limits[~own] = np.inf
        return limits

    def own(self, region: Region) -> BoolArray | None:
        """Return which voxels of a region are no copies of others; None where none is."""
        if self.folded is not None:
            return self._cut(self.folded.unit, region)
        if self.symmetry is None:
            return None
        return self.symmetry.is_representative(region, self.shape)

    def squared_error(self, voxels: Float32Array, region: Region) -> float:
        """Return the weighted squared error of the voxels of a region, given less `base`."""
        found = snap(voxels + np.float32(self.base), self.mode)
        np.maximum(found, self.lowest, out=found)
        found -= np.float32(self.base)
        wrong = (found - self.values(region)).astype(np.float64) ** 2
        weights = self.weights(region)
        if weights is not None:
            wrong *= weights
        return float(wrong.sum())

    def whole(self, parts: Iterable[tuple[Region, Float32Array]]) -> Float32Array:
        """Return the decoded map of the voxels of its regions, given less `base`."""
        out = np.full(self.shape, np.float32(self.base))
        for region, voxels in parts:
            out[region] = snap(voxels + np.float32(self.base), self.mode)
        if self.symmetry is None:
            return out
        unit = out[self.frame].copy()
        return drain(unfold_steps(self.symmetry, unit, self.frame, self.shape, Clock(), self.base))

    @cached_property
    def total(self) -> float:
        """Sum of all weights."""
        return float(self.data.size) if self.counts is None else total_weight(self.counts)

    def total_in(self, region: Region) -> float:
        """Return the sum of the weights of a region."""
        weights = self.weights(region)
        if weights is None:
            return float(math.prod(region_shape(region)))
        return float(weights.sum(dtype=np.float64))

    @cached_property
    def largest(self) -> float:
        """Largest magnitude of the densities less `base` in the box."""
        z, y, x = self.box
        parts = [slice(z.start + p.start, z.start + p.stop) for p in slabs(region_shape(self.box))]
        return max(float(np.abs(self.values((part, y, x))).max()) for part in parts)

    def _cut(self, array: AnyArray, region: Region) -> AnyArray:
        """Return a region of an array of the frame, with zeros beyond it."""
        common = intersection(self.frame, region)
        inside = array[relative_to(common, self.frame)]
        if common == region:
            return inside
        out = np.zeros(region_shape(region), array.dtype)
        out[relative_to(common, region)] = inside
        return out


def problem_steps(
    target: Target,
    request: FitRequest,
    clock: Clock,
    measure: ShellMeasure | None = None,
    *,
    symmetric: bool,
) -> Steps[Problem]:
    """Return what is to be fitted to a map; where `symmetric`, its symmetry is looked for.

    With a measure, each Fourier shell of the folded map has to be good enough too.
    """
    data, shape = target.map.data, target.map.data.shape
    everywhere = target.threshold is None and target.weight is None
    if request.goal == "target_psnr":
        everywhere = True
    count = data.size if everywhere else target.occupied
    yield Progress("preparing", 0, 1, clock.seconds)
    counts: Float32Array | BoolArray | None = None if everywhere else target.mask
    if measure is not None and target.weight is not None:
        # The soft mask, not its square: edges would take far more iterations. With less than
        # the least weight, they would not be fitted by the end of the usual iterations at all.
        counts = np.maximum(target.weight, _LEAST_WEIGHT)
        counts[target.weight <= 0] = 0
    allowed, spread = _allowed(target, request, everywhere, count)
    if measure is not None:
        allowed = measure.squared_error()
    tolerance = _SYMMETRY_OF_SPREAD * spread
    if allowed is not None:
        weight = total_weight(all_weights(counts, shape))
        tolerance = _SYMMETRY_SHARE * math.sqrt(allowed / max(weight, 1e-30))
    symmetry = folded = None
    frame = box = whole_region(shape)
    for _ in range(_SYMMETRY_TRIES if symmetric and count else 0):
        symmetry = yield from detect_symmetry_steps(
            data, counts, target.map.voxel_size, tolerance, clock
        )
        if symmetry is None:
            break
        unit = symmetry.asymmetric_unit(shape) if counts is None else fold_any(symmetry, counts > 0)
        frame = box = bounding_box(unit)
        del unit
        folded = yield from fold_steps(symmetry, data, counts, clock, frame)
        if measure is None:
            break
        base = target.background
        unfolded = yield from unfold_steps(symmetry, folded.mean, frame, shape, clock, base)
        if measure.measure(unfolded) <= _SYMMETRY_OF_SHELLS:
            break
        symmetry, tolerance = None, tolerance / 2
    if symmetry is not None and folded is not None:
        largest = float(folded.weight.max())
        counts = np.divide(folded.weight, np.float32(largest), out=folded.weight)
        if allowed is not None:
            allowed = (allowed - folded.rms**2 * count) / largest
        data = folded.mean
    else:
        frame = box = whole_region(shape)
        if counts is not None and count:
            box = bounding_box(counts > 0)
            if math.prod(region_shape(box)) < _FRAME_SHARE * data.size:
                frame, data, counts = box, data[box], counts[box].copy()
    inside = target.threshold if target.exact_mask and target.weight is None else None
    ceiling, surface = math.inf, None
    if target.threshold is not None and not everywhere and not target.exact_mask:
        ceiling = surface = target.threshold - target.background
        if target.weight is not None:  # far enough below for nothing outside to exceed it
            ceiling *= _OUTSIDE
    # Where an envelope is kept nothing outside should look darker than the background either.
    span = math.inf if target.weight is None else 2 * ceiling
    lowest = lowest_inside(inside, target.map.mode)
    if not everywhere and target.weight is None and not target.exact_mask:
        lowest = np.float32(target.background)  # what decoding raises densities to
    return Problem(
        shape,
        data,
        counts,
        frame,
        ceiling,
        span,
        lowest,
        target.background,
        symmetry,
        allowed,
        target.map.mode,
        box,
        min(target.map.voxel_size),
        surface,
    )


def _allowed(
    target: Target, request: FitRequest, everywhere: bool, count: int
) -> tuple[float | None, float]:
    """Return (sum of the squared errors that the goal allows, standard deviation)."""
    data = target.map.data
    total = square = 0.0
    for part in target.map.slabs():
        values = data[part] if everywhere else data[part][target.mask[part]]
        total += float(values.sum(dtype=np.float64))
        square += float(np.square(values, dtype=np.float64).sum())
    mean = total / max(count, 1)
    spread = math.sqrt(max(square / max(count, 1) - mean**2, 0.0))
    if spread <= _NO_SPREAD * abs(mean):
        spread = _OF_CONTRAST * abs(mean - target.background)
    if request.goal == "target_ratio":
        return None, spread
    if request.goal == "target_psnr":
        rms = (float(data.max()) - float(data.min())) * 10 ** (-request.amount / 20)
    elif request.goal == "max_error":
        rms = _MAX_ERROR_SHARE * request.amount
    else:
        nrmse = request.amount if request.goal == "target_nrmse" else DEFAULT_NRMSE
        rms = _FADING_LEFT * nrmse * spread
    return count * rms**2, spread
