"""Folding a map onto its asymmetric unit: means over the orbits of a point group, slab by slab."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..maps.density_map import slabs
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Region
from ..support.regions import bounding_box, intersection, region_shape, relative_to, whole_region
from .point_groups import ROTATIONS, GridSymmetry, Operation, Shape, image_view

Weights = Float32Array | BoolArray
"""One for each voxel, 0 to 1, shape (z, y, x) of the map; None in its place is 1 everywhere."""


@dataclass(frozen=True, eq=False)
class Folded:
    """A map, or a part of it, folded onto one voxel of each orbit, its representative.

    Arrays (z, y, x) are zero at all other voxels and where all weights of the orbit are zero.
    """

    mean: Float32Array  # weighted mean over the orbit
    weight: Float32Array  # sum of the weights of the orbit
    rms: float  # weighted root mean square difference between the map and these means


@dataclass(frozen=True, eq=False)
class FoldedPart:
    """The representatives of one slab: see `Folded`; `squares` is their sum of w (v - mean)²."""

    region: Region
    mean: Float32Array
    weight: Float32Array
    squares: float


def fold_steps(
    symmetry: GridSymmetry,
    values: Float32Array,
    weights: Weights | None,
    clock: Clock,
    frame: Region | None = None,
) -> Steps[Folded]:
    """Fold a map: what to fit one asymmetric unit to, so that it fits all voxels best.

    Needs the memory of the result and of a few slabs. The result is of the part of the map that
    `frame` says, by default of all.
    """
    frame = frame or whole_region(values.shape)
    weights = all_weights(weights, values.shape)
    mean = np.zeros(region_shape(frame), np.float32)
    weight = np.zeros_like(mean)
    squares = 0.0
    for part in folded_parts(symmetry, values, weights):
        common = intersection(frame, part.region)
        target, source = relative_to(common, frame), relative_to(common, part.region)
        mean[target] = part.mean[source]
        weight[target] = part.weight[source]
        squares += part.squares
        yield Progress("folding", part.region[0].stop, len(values), clock.seconds)
    total = total_weight(weights)
    return Folded(mean, weight, math.sqrt(squares / total) if total else 0.0)


def folded_parts(
    symmetry: GridSymmetry, values: Float32Array, weights: Weights
) -> Iterator[FoldedPart]:
    """Fold a map slab by slab; every representative lies in exactly one part."""
    for region, own in _units(symmetry, values.shape):
        total = np.zeros(own.shape)
        weight = np.zeros(own.shape)
        fixing = np.zeros(own.shape, np.uint8)
        for operation in symmetry.operations:
            box, view = image_view(values, operation, region)
            share = image_view(weights, operation, region)[1]
            total[box] += np.multiply(view, share, dtype=np.float64)
            weight[box] += share
            fixing += _fixed(operation, region)
        own &= weight > 0
        mean = np.zeros(own.shape, np.float32)
        np.divide(total, weight, out=total, where=own)
        np.copyto(mean, total, where=own, casting="same_kind")
        squares = np.zeros(own.shape)
        for operation in symmetry.operations:
            box, view = image_view(values, operation, region)
            # From the mean as it is stored: a map that is symmetric differs by exactly nothing.
            difference = np.subtract(view, mean[box], dtype=np.float64)
            squares[box] += difference**2 * image_view(weights, operation, region)[1]
        # An operation that leaves a voxel in place counted it once more.
        weight /= fixing
        squares /= fixing
        weight[~own] = 0
        yield FoldedPart(region, mean, weight.astype(np.float32), float(squares[own].sum()))


def fold_any(symmetry: GridSymmetry, mask: BoolArray) -> BoolArray:
    """Return the representatives of orbits that have any voxel in a mask, shape of the mask."""
    found = np.zeros(mask.shape, bool)
    for region, own in _units(symmetry, mask.shape):
        part = np.zeros(own.shape, bool)
        for operation in symmetry.operations:
            box, view = image_view(mask, operation, region)
            part[box] |= view
        found[region] = part & own
    return found


def all_weights(weights: Weights | None, shape: Shape) -> Weights:
    """Return weights, or ones that take no memory."""
    return np.broadcast_to(np.True_, shape) if weights is None else weights


def unfold_steps(
    symmetry: GridSymmetry,
    unit: Float32Array,
    frame: Region,
    shape: Shape,
    clock: Clock,
    beyond: float = 0.0,
) -> Steps[Float32Array]:
    """Copy the voxels of the asymmetric unit, given in a frame, to all images.

    Voxels whose representative is not in the frame become `beyond`.
    """
    own = symmetry.asymmetric_unit(shape)[frame]
    out = np.full(shape, np.float32(beyond))
    # What is in the frame but not in the unit is replaced by images of the unit afterwards.
    out[frame] = unit
    for number, operation in enumerate(symmetry.operations[1:]):
        part, view = image_view(out, operation, frame)
        np.copyto(view, unit[part], where=own[part])
        yield Progress("unfolding", number + 2, len(symmetry), clock.seconds)
    return out


def total_weight(weights: Weights) -> float:
    """Return the sum of the weights of a map."""
    return sum(float(weights[part].sum(dtype=np.float64)) for part in slabs(weights.shape))


def _units(symmetry: GridSymmetry, shape: Shape) -> Iterator[tuple[Region, BoolArray]]:
    """Yield the box around the representatives of each slab, and which of its voxels are any."""
    whole = slice(0, shape[1]), slice(0, shape[2])
    for part in slabs(shape):
        own = symmetry.is_representative((part, *whole), shape)
        box = bounding_box(own)
        if box[0].stop > box[0].start:
            z = slice(part.start + box[0].start, part.start + box[0].stop)
            yield (z, box[1], box[2]), own[box]


def _fixed(operation: Operation, region: Region) -> BoolArray:
    """Which voxels of a region an operation leaves in place."""
    own = np.ogrid[region]
    fixed = np.ones(region_shape(region), bool)
    for i, (axis, sign) in enumerate(zip(*ROTATIONS[operation[0]], strict=True)):
        fixed &= sign * own[axis] + operation[1 + i] == own[i]
    return fixed
