"""Voxels that repeat others: operations of the grid that take a volume onto itself.

Programs that impose symmetry copy values, exactly or up to rounding, and crystals repeat them. An
operation takes the voxel p to R p + t (`symmetry.point_groups`); here it may be a screw or a
translation too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...coding.coarse_to_fine import phases
from ...maps.density_map import slabs
from ...progress import Clock, Progress, Steps
from ...support.array_types import Float32Array, Int64Array, Triple
from ...symmetry.detection import detect_symmetry_steps
from ...symmetry.point_groups import ROTATIONS, Operation, image_view

_TOLERANCE = 0.05  # of the standard deviation: symmetry that is less exact predicts nothing
_LOOKED_UP = 2000  # values whose repetitions are looked for
_FEWEST_VOTES = 8
_MOST_FOUND = 8  # operations
_STEPS = 3  # from one repetition to the next, until the first


def find_operations_steps(
    data: Float32Array, voxel_size: Triple, clock: Clock
) -> Steps[list[Operation]]:
    """Return operations under which the voxels of a map repeat; without the identity."""
    tolerance = _TOLERANCE * float(data.std(dtype=np.float64))
    symmetry = yield from detect_symmetry_steps(data, None, voxel_size, tolerance, clock)
    if symmetry is not None:
        return list(symmetry.operations[1:])
    return (yield from _operations_of_equal_values_steps(data, clock))


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
    enough = max(_FEWEST_VOTES, len(first) // 4)
    return [operation for operation in best if votes[operation] >= enough]


def source_steps(
    operations: Sequence[Operation], shape: tuple[int, ...], clock: Clock
) -> Steps[Int64Array]:
    """Return for each voxel the index (C order) of its first image in coding order.

    -1 where the voxel itself is the first.
    """
    order = np.empty(shape, np.int64)
    size = order.size
    for number, phase in enumerate(phases(shape)):
        order[phase.region] = number * size
    order += np.arange(size).reshape(shape)
    sources = np.empty(shape, np.int64)
    for part in slabs(shape):
        first = order[part].copy()
        for operation in operations:
            region = (part, slice(0, shape[1]), slice(0, shape[2]))
            box, image = image_view(order, operation, region)
            np.minimum(first[box], image, out=first[box])
        sources[part] = first % size
        yield Progress("symmetry", part.stop, shape[0], clock.seconds)
    flat, own = sources.reshape(-1), np.arange(size)
    for _ in range(_STEPS):  # operations that are no group lead from source to source
        flat[:] = flat[flat]
    flat[(flat == own) | (flat[flat] != flat)] = -1
    return sources
