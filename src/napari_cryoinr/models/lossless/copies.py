"""Finding the operations of the voxel grid that copy a volume onto itself, nearly or exactly.

Programs that impose symmetry copy values; crystals repeat them. An operation takes the voxel p to
R p + t: R permutes and negates axes (48 of these, mirrors too), t is a triple of integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...maps import voxel_types
from ...progress import Clock, Progress, Steps
from ...support.array_types import Float32Array, Int64Array
from ...symmetry.point_groups import SIGNED_PERMUTATIONS

Operation = tuple[int, int, int, int]
"""The number of R in `SIGNED_PERMUTATIONS`, t (z, y, x)."""

MAX_OPERATIONS = 63
_SAMPLES = 4000
_LOOKED_UP = 1000  # values whose repetitions are looked for
_FEW, _MANY = 2, 12  # repetitions of a value that say something
_SLAB = 1 << 21  # voxels
_CLOSE = {32: 1 << 14, 16: 1, 8: 1}  # codes that differ by less count as copies, by voxel bits


def find_steps(
    data: Float32Array, mode: int, bits: int, hints: Iterable[Operation], clock: Clock
) -> Steps[tuple[Operation, ...]]:
    """The operations under which most voxels are copies, best first, at most `MAX_OPERATIONS`.

    Tried are turns and mirrors about the middle of the box, the `hints`, and whatever takes equal
    rare values onto each other.
    """
    rng = np.random.default_rng(0)
    candidates = set(hints) | _central(data.shape)
    candidates |= yield from _voted_steps(data, rng, clock)
    places = rng.integers(0, data.shape, (8 * _SAMPLES, 3))
    values = data[tuple(places.T)]
    codes, inverse, counts = np.unique(
        voxel_types.to_codes(values, mode), return_inverse=True, return_counts=True
    )
    # Frequent values, such as the zeros outside a mask, look alike under every operation.
    rare = np.flatnonzero(counts[inverse] <= max(2, 0.002 * counts.sum()))[:_SAMPLES]
    if rare.size < 50:
        return ()
    places, own = places[rare], codes[inverse[rare]]
    scored = []
    for operation in sorted(candidates):
        axes, signs = SIGNED_PERMUTATIONS[operation[0]]
        images = places[:, list(axes)] * np.array(signs) + np.array(operation[1:])
        inside = ((images >= 0) & (images < data.shape)).all(1)
        moved = inside & (images != places).any(1)
        if moved.sum() < 40:
            continue
        there = voxel_types.to_codes(data[tuple(images[moved].T)], mode)
        median = float(np.median(np.abs(there - own[moved])))
        if median < _CLOSE[bits]:
            scored.append((median, operation))
    return tuple(operation for _, operation in sorted(scored)[:MAX_OPERATIONS])


def _central(shape: tuple[int, ...]) -> set[Operation]:
    """Turns and mirrors about the voxel n / 2 and about the middle (n - 1) / 2."""
    found = set()
    for number, (axes, signs) in enumerate(SIGNED_PERMUTATIONS[1:], 1):
        if tuple(shape[a] for a in axes) == shape:
            for odd in (0, 1):
                t = [0 if s > 0 else n - odd for s, n in zip(signs, shape, strict=True)]
                found.add((number, t[0], t[1], t[2]))
    return found


def _voted_steps(
    data: Float32Array, rng: np.random.Generator, clock: Clock
) -> Steps[set[Operation]]:
    bits = data.reshape(-1).view(np.int32)
    wanted = np.unique(bits[rng.integers(0, bits.size, 8 * _LOOKED_UP)])
    if wanted.size > _LOOKED_UP:
        wanted = np.sort(rng.choice(wanted, _LOOKED_UP, replace=False))
    hits, numbers = [], []
    for start in range(0, bits.size, _SLAB):
        slab = bits[start : start + _SLAB]
        number = np.minimum(np.searchsorted(wanted, slab), wanted.size - 1)
        hit = np.flatnonzero(wanted[number] == slab)
        # A constant background would fill memory: a value that is everywhere says nothing.
        often = np.bincount(number[hit], minlength=wanted.size) > 8 * _MANY
        hit = hit[~often[number[hit]]]
        hits.append(start + hit)
        numbers.append(number[hit])
        yield Progress("lossless", 0, data.size, clock.seconds)
    order = np.argsort(np.concatenate(numbers), kind="stable")
    places = np.stack(np.unravel_index(np.concatenate(hits)[order], data.shape), 1)
    counts = np.bincount(np.concatenate(numbers), minlength=wanted.size)
    groups = [
        group for group in np.split(places, np.cumsum(counts)[:-1]) if _FEW <= len(group) <= _MANY
    ][: _LOOKED_UP // 2]
    return _votes(groups)


def _votes(groups: list[npt.NDArray[Any]]) -> set[Operation]:
    """The operations that take most groups of places onto themselves."""
    keys = []
    for group in groups:
        first, second = np.nonzero(~np.eye(len(group), dtype=bool))
        ours = []
        for number, (axes, signs) in enumerate(SIGNED_PERMUTATIONS):
            t = group[second] - group[first][:, list(axes)] * np.array(signs)
            ours.append(np.insert(t, 0, number, axis=1))
        keys.append(np.unique(np.concatenate(ours), axis=0))
    if not keys:
        return set()
    found, votes = np.unique(np.concatenate(keys), axis=0, return_counts=True)
    best = np.argsort(-votes, kind="stable")[:MAX_OPERATIONS]
    best = best[votes[best] > max(4, 0.05 * len(groups))]
    return {(int(n), int(z), int(y), int(x)) for n, z, y, x in found[best]}


def image_indices(operation: Operation, region: slice, shape: tuple[int, ...]) -> Int64Array:
    """Index in C order of the image of each voxel of some planes; its own where that is outside."""
    axes, signs = SIGNED_PERMUTATIONS[operation[0]]
    along = [np.arange(region.start, region.stop), np.arange(shape[1]), np.arange(shape[2])]
    strides = (shape[1] * shape[2], shape[2], 1)
    index = np.zeros((1, 1, 1), np.int64)
    inside = np.ones((1, 1, 1), bool)
    own = np.zeros((1, 1, 1), np.int64)
    for i in range(3):
        form = [1, 1, 1]
        form[axes[i]] = -1
        image = signs[i] * along[axes[i]] + operation[1 + i]
        index = index + (image * strides[i]).reshape(form)
        inside = inside & ((image >= 0) & (image < shape[i])).reshape(form)
        form = [1, 1, 1]
        form[i] = -1
        own = own + (along[i] * strides[i]).reshape(form)
    return np.where(inside, index, own)
