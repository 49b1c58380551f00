"""Sets of voxels that are known to repeat one value: images under symmetry, shells of a radius.

Programs that blend a background in outside a sphere leave a density that depends on the distance
alone. The walk codes one voxel of a set, and the others by how they differ from it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...support.array_types import BoolArray, Int64Array
from .copies import Operation, image_indices

Shape = tuple[int, ...]
NO_SHELLS = 0xFFFFFFFF
_ROWS = 8  # planes at a time
_JUMPS = 4
_SMALLEST_BOX = 8
_PLANES = 32  # that are looked at
_FEWEST = 200  # voxels beyond a radius
_ENOUGH = 0.8  # share of them that are equal
_JUMP_SIZE = 1 << 20


class Orbits:
    """Which voxels belong together, and which of each set was coded first."""

    def __init__(self, shape: Shape, operations: tuple[Operation, ...], shells_from: int) -> None:
        """`shells_from`: squared distance from the voxel n // 2, from which on it alone counts."""
        self._labels = np.empty(shape, np.int64)
        for start in range(0, shape[0], _ROWS):
            part = slice(start, min(start + _ROWS, shape[0]))
            self._labels[part] = own_indices((part, slice(None), slice(None)), shape)
            for operation in operations:
                images = image_indices(operation, part, shape)
                np.minimum(self._labels[part], images, out=self._labels[part])
        # The operations need be no group: what an image is an image of belongs to the set, too.
        flat = self._labels.reshape(-1)
        for _ in range(_JUMPS if operations else 0):
            for start in range(0, flat.size, _JUMP_SIZE):
                flat[start : start + _JUMP_SIZE] = flat[flat[start : start + _JUMP_SIZE]]
        if shells_from != NO_SHELLS:
            self._join_shells(shape, shells_from)
        self._first = np.full(self._labels.size, -1, np.int64)

    def _join_shells(self, shape: Shape, shells_from: int) -> None:
        first = np.full(1 + sum((n // 2) ** 2 for n in shape), -1, np.int64)
        for z in range(shape[0]):
            squares = squared_distances(shape, slice(z, z + 1))[0]
            outer = squares >= shells_from
            found, labels = squares[outer], self._labels[z][outer]
            new = first[found] < 0
            # Reversed, so that the first voxel of a shell is the one that stays.
            first[found[new][::-1]] = labels[new][::-1]
            self._labels[z][outer] = first[found]

    def unseen(self, part: tuple[slice, slice, slice], places: Int64Array) -> BoolArray:
        """Of which voxels (flat indices of a part) nothing that they repeat is coded yet."""
        labels = self._labels[part]
        return self._first[labels[np.unravel_index(places, labels.shape)]] < 0

    def sources(self, part: tuple[slice, slice, slice], indices: Int64Array) -> Int64Array:
        """Index of the voxel that each voxel (`indices`, flat) of a part repeats, itself if none.

        The part counts as coded from then on.
        """
        labels = self._labels[part].ravel()
        new = self._first[labels] < 0
        self._first[labels[new][::-1]] = indices[new][::-1]
        return self._first[labels]


def own_indices(region: tuple[slice, slice, slice], shape: Shape) -> Int64Array:
    """Index in C order of each voxel of a region (slices with steps allowed)."""
    z, y, x = (np.arange(*s.indices(n)) for s, n in zip(region, shape, strict=True))
    return (z[:, None, None] * shape[1] + y[:, None]) * shape[2] + x


def squared_distances(shape: Shape, part: slice) -> Int64Array:
    """Squared distance from the voxel n // 2 of the voxels of some planes."""
    z, y, x = ((np.arange(n) - n // 2) ** 2 for n in shape)
    return z[part][:, None, None] + y[:, None] + x


def shells_fit(shape: Shape) -> bool:
    """Whether a table of all squared distances is no larger than the volume."""
    return sum((n // 2) ** 2 for n in shape) < math.prod(shape)


def find_shells(values: npt.NDArray[Any]) -> int:
    """Squared distance from which on equal distances have equal values, or `NO_SHELLS`.

    Only volumes whose y and x are of one length are looked at: exchanging the two keeps distances.
    """
    shape = values.shape
    if shape[1] != shape[2] or min(shape) < _SMALLEST_BOX or not shells_fit(shape):
        return NO_SHELLS
    planes = range(0, shape[0], max(1, shape[0] // _PLANES))
    same = np.zeros(2 * max(shape), np.int64)
    every = np.zeros_like(same)
    moved = ~np.eye(shape[1], dtype=bool)
    for z in planes:
        distance = np.sqrt(squared_distances(shape, slice(z, z + 1))[0]).astype(np.int64)
        plane = values[z]
        chosen = moved & (plane != 0)
        every += np.bincount(distance[chosen], minlength=same.size)
        same += np.bincount(distance[chosen & (plane == plane.T)], minlength=same.size)
    beyond, beyond_same = np.cumsum(every[::-1])[::-1], np.cumsum(same[::-1])[::-1]
    good = (beyond_same > _ENOUGH * beyond) & (same > _ENOUGH * every) & (beyond > _FEWEST)
    return int(np.flatnonzero(good)[0]) ** 2 if good.any() else NO_SHELLS
