"""Voxels that repeat others: operations of the grid that keep a volume, shells of one density.

Programs that impose symmetry copy values, exactly or up to rounding, and crystals repeat them. An
operation takes the voxel p to R p + t (`symmetry.point_groups`); here it may be a screw or a
translation too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...coding.coarse_to_fine import phases
from ...maps.density_map import slabs
from ...progress import Clock, Progress, Steps
from ...support.array_types import Float32Array, Int64Array, Triple
from ...symmetry.detection import detect_symmetry_steps
from ...symmetry.point_groups import ROTATIONS, Operation, image_view

_TOLERANCE = 0.1  # of the standard deviation: what is less symmetric predicts too little
_LOOKED_UP = 2000  # values whose repetitions are looked for
_FEWEST_VOTES = 8
_MOST_FOUND = 8  # operations
_COMPARED, _FEWEST_EQUAL = 100_000, 0.3  # voxels, share of them
NO_SHELLS = -1
_PLANES = 32  # that are looked at
_EQUAL = 0.8  # share of the voxels beyond a distance
_FEWEST_VOXELS = 200
_STEPS = 3  # from one repetition to the next, until the first


@dataclass(frozen=True)
class Repeats:
    """Which voxels of a volume repeat others, perhaps not exactly.

    `operations`: that take voxels to such ones, without the identity. `shells`: squared distance
    from the voxel n // 2 from which on densities depend on the distance alone, or `NO_SHELLS`.
    """

    operations: tuple[Operation, ...] = ()
    shells: int = NO_SHELLS


def find_repeats_steps(data: Float32Array, voxel_size: Triple, clock: Clock) -> Steps[Repeats]:
    """Return what repeats in a map."""
    tolerance = _TOLERANCE * float(data.std(dtype=np.float64))
    symmetry = yield from detect_symmetry_steps(data, None, voxel_size, tolerance, clock)
    if symmetry is not None:
        return Repeats(symmetry.operations[1:], _find_shells(data))
    operations = yield from _operations_of_equal_values_steps(data, clock)
    return Repeats(tuple(operations), _find_shells(data))


def _operations_of_equal_values_steps(data: Float32Array, clock: Clock) -> Steps[list[Operation]]:
    """Return the operations that take many pairs of equal rare values onto each other."""
    places = np.random.default_rng(0).integers(0, data.size, _LOOKED_UP)
    values, counts = np.unique(data.reshape(-1)[places], return_counts=True)
    values = values[counts == 1]  # a frequent value, such as a background, says nothing
    found, voxels = [], []
    for part in slabs(data.shape):
        number = np.minimum(np.searchsorted(values, data[part]), values.size - 1)
        here = np.nonzero(values[number] == data[part]) if values.size else ((), (), ())
        found.append(number[here] if values.size else np.empty(0, np.int64))
        voxels.append(np.transpose(here) + np.array([part.start, 0, 0]))
        yield Progress("symmetry", part.stop, len(data), clock.seconds)
    order = np.argsort(np.concatenate(found), kind="stable")
    numbers, places = np.concatenate(found)[order], np.concatenate(voxels)[order]
    same = np.flatnonzero(numbers[1:] == numbers[:-1])
    first = np.concatenate([places[same], places[same + 1]])
    second = np.concatenate([places[same + 1], places[same]])
    votes: dict[Operation, int] = {}
    for number, (axes, signs) in enumerate(ROTATIONS):
        shifts = second - first[:, list(axes)] * np.array(signs)
        for shift, count in zip(*np.unique(shifts, axis=0, return_counts=True), strict=True):
            votes[(number, *shift.tolist())] = int(count)
    best = sorted(votes, key=lambda operation: (-votes[operation], operation))[:_MOST_FOUND]
    return [
        operation
        for operation in best
        if votes[operation] >= _FEWEST_VOTES and _share_of_equal(data, operation) > _FEWEST_EQUAL
    ]


def _share_of_equal(data: Float32Array, operation: Operation) -> float:
    """Return the share of voxels, of those with an image inside the volume, that equal it."""
    z, y, x = (slice(0, n) for n in data.shape)
    box, image = image_view(data, operation, (z, y, x))
    some = (slice(None, None, math.ceil((data.size / _COMPARED) ** (1 / 3))),) * 3
    return float((data[box][some] == image[some]).mean())


def _find_shells(data: Float32Array) -> int:
    """Return the squared distance from which on a map depends on the distance alone.

    Programs that blend a background in outside a sphere leave such a density. Exchanging y and x
    keeps the distance: how often equal densities result is counted by distance.
    """
    shape = data.shape
    if shape[1] != shape[2] or not shells_fit(shape):
        return NO_SHELLS
    same, every = np.zeros((2, 2 * max(shape)), np.int64)
    moved = ~np.eye(shape[1], dtype=bool)
    for z in range(0, shape[0], max(1, shape[0] // _PLANES)):
        distance = np.sqrt(_squared_distances(shape, slice(z, z + 1))[0]).astype(np.int64)
        chosen = moved & (data[z] != 0)
        every += np.bincount(distance[chosen], minlength=every.size)
        same += np.bincount(distance[chosen & (data[z] == data[z].T)], minlength=every.size)
    beyond, same_beyond = np.cumsum(every[::-1])[::-1], np.cumsum(same[::-1])[::-1]
    good = (same_beyond > _EQUAL * beyond) & (same > _EQUAL * every) & (beyond > _FEWEST_VOXELS)
    return int(np.flatnonzero(good)[0]) ** 2 if good.any() else NO_SHELLS


def shells_fit(shape: tuple[int, ...]) -> bool:
    """Whether a table of all squared distances is no larger than the volume."""
    return sum((n // 2) ** 2 for n in shape) < math.prod(shape)


def _squared_distances(shape: tuple[int, ...], part: slice) -> Int64Array:
    """Return the squared distances from the voxel n // 2 of the voxels of some planes."""
    z, y, x = ((np.arange(n) - n // 2) ** 2 for n in shape)
    return z[part][:, None, None] + y[:, None] + x


def source_steps(repeats: Repeats, shape: tuple[int, ...], clock: Clock) -> Steps[Int64Array]:
    """Return for each voxel the index (C order) of the first in coding order that it repeats.

    -1 where the voxel itself is the first.
    """
    order = np.empty(shape, np.int64)
    size = order.size
    for number, phase in enumerate(phases(shape)):
        order[phase.region] = number * size
    order += np.arange(size).reshape(shape)
    first_of_shell = np.full(1 + sum((n // 2) ** 2 for n in shape), np.iinfo(np.int64).max)
    for part in slabs(shape) if repeats.shells != NO_SHELLS else ():
        squares = _squared_distances(shape, part)
        outer = squares >= repeats.shells
        np.minimum.at(first_of_shell, squares[outer], order[part][outer])
        yield Progress("symmetry", part.stop, shape[0], clock.seconds)
    sources = np.empty(shape, np.int64)
    for part in slabs(shape):
        first = np.minimum(order[part], first_of_shell[_squared_distances(shape, part)])
        for operation in repeats.operations:
            region = (part, slice(0, shape[1]), slice(0, shape[2]))
            box, image = image_view(order, operation, region)
            np.minimum(first[box], image, out=first[box])
        sources[part] = first % size
        yield Progress("symmetry", part.stop, shape[0], clock.seconds)
    del order
    flat, own = sources.reshape(-1), np.arange(size)
    for _ in range(_STEPS):  # operations that are no group lead from source to source
        flat[:] = flat[flat]
    flat[(flat == own) | (flat[flat] != flat)] = -1
    return sources
