"""Lattices of B-spline functions: which voxels each reaches, and how strongly.

Node k of a lattice lies at k times its spacing, in voxels from the first voxel of the map; its
function is the product of the centred B-splines of the axes (Unser, IEEE Signal Process. Mag. 16,
1999). The pyramid of a map is a lattice and those of twice its spacing, four times, and so on: node
k of one coincides with node 2 k of the finer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...support.array_types import Float64Array, Int64Array
from ..separable_sums import MATRIX_BITS

UNIT = 64  # spacings are in such parts of a voxel
_MARGINS = {1: 0, 3: 2}  # nodes before the first voxel; even, so that parities are those of k


@dataclass(frozen=True)
class Lattice:
    """The lattice of one level in a map.

    Attributes
    ----------
    shape : voxels of the map along (z, y, x).
    spacing : in 1/64 voxel.
    degree : of the B-splines, 1 or 3.
    """

    shape: tuple[int, int, int]
    spacing: int
    degree: int

    @property
    def first(self) -> int:
        """Return the first node along each axis."""
        return -_MARGINS[self.degree]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Nodes along z, y, x: all whose functions reach the map, and some more."""
        z, y, x = (
            (n - 1) * UNIT // self.spacing + 1 + (self.degree + 1) // 2 - self.first
            for n in self.shape
        )
        return z, y, x

    def touching(self, start: float, stop: float) -> tuple[int, int]:
        """Return the range of nodes whose functions reach positions from start to stop."""
        half = (self.degree + 1) // 2
        low = int(np.floor(start * UNIT / self.spacing)) - half + 1
        high = int(np.floor(stop * UNIT / self.spacing)) + half + 1
        return low, high

    def matrix(self, axis: int, start: int, stop: int, side: int = 1) -> tuple[int, Float64Array]:
        """Return (first node, matrix) for some voxels of an axis.

        Parameters
        ----------
        start, stop : voxels; where `side` is above 1, groups of that many voxels.
        side : rows are means over so many voxels; the last group may have fewer.

        Returns
        -------
        The matrix has a row for each voxel or group, and a column for each node from the first
        that reaches any; integers, 2^MATRIX_BITS for 1.
        """
        return _matrix(self, start * side, min(stop * side, self.shape[axis]), side)

    def values(self, positions: Float64Array) -> tuple[Int64Array, Float64Array]:
        """Return (first node, its function and those of the next ones) at positions of an axis.

        Shapes (n,) and (n, degree + 1); integers, 2^MATRIX_BITS for 1.
        """
        places = positions * (UNIT / self.spacing)
        first = np.floor(places).astype(np.int64) - (self.degree - 1) // 2
        values = [_piece(places - first, number, self.degree) for number in range(self.degree + 1)]
        return first, np.rint(np.array(values) * 2.0**MATRIX_BITS).T


def lattices_of(
    shape: tuple[int, int, int], spacing: int, degree: int, levels: int
) -> list[Lattice]:
    """Return the lattices of a pyramid, the finest first."""
    return [Lattice(shape, spacing << level, degree) for level in range(levels)]


def _piece(places: Float64Array, number: int, degree: int) -> Float64Array:
    """Return the centred B-spline about the node `number` of those that reach a place.

    `places` : from the first of these nodes, in spacings.
    """
    away = np.abs(places - number)
    if degree == 1:
        return np.maximum(1 - away, 0)
    if number in (1, 2):  # no further than a spacing
        return np.asarray((4 - 6 * away * away + 3 * away * away * away) / 6)
    outer = np.maximum(2 - away, 0)
    return np.asarray(outer * outer * outer / 6)


@lru_cache(maxsize=64)
def _matrix(lattice: Lattice, start: int, stop: int, side: int) -> tuple[int, Float64Array]:
    first, last = lattice.touching(start, stop - 1)
    starts, values = lattice.values(np.arange(start, stop, dtype=np.float64))
    rows = np.arange(stop - start) // side
    out = np.zeros((int(rows[-1]) + 1, last - first))
    for number in range(lattice.degree + 1):
        np.add.at(out, (rows, starts - first + number), values[:, number])
    return first, out // np.bincount(rows)[:, None]
