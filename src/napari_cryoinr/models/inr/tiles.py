"""Tiles: parts of a map whose latents are coded on their own, on all levels of the pyramid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...coding.coarse_to_fine import Offset
from ...support.array_types import Region
from ...support.regions import region_shape
from .lattice import UNIT, Lattice


@dataclass(frozen=True)
class Tile:
    """The nodes of one tile, a region of each level; the finest first.

    Regions are in nodes of the lattice, whose first ones may be negative. They begin at even nodes
    (only that of the coarsest level at any), so that parities within a tile are those of the nodes.
    """

    regions: tuple[Region, ...]

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Nodes along z, y, x, by level."""
        return [region_shape(region) for region in self.regions]

    def shift(self, level: int) -> Offset:
        """Return what the node of a level's parent has more than half of the node's place."""
        z, y, x = (
            own.start // 2 - above.start
            for own, above in zip(self.regions[level], self.regions[level + 1], strict=True)
        )
        return z, y, x


def tile_count(lattices: Sequence[Lattice], side: int) -> int:
    """Return how many tiles a pyramid has, without making them."""
    return math.prod(_counts(lattices[-1], side))


def tiles_of(lattices: Sequence[Lattice], side: int) -> list[Tile]:
    """Return the tiles of a pyramid, about so many voxels along each axis, in C order."""
    coarsest = lattices[-1]
    nodes = _nodes(coarsest, side)
    axes = []
    for axis, count in enumerate(_counts(coarsest, side)):
        spans = []
        for level, lattice in enumerate(lattices):
            each = nodes << (len(lattices) - 1 - level)
            inner = [each * number for number in range(1, count)]
            ends = [lattice.first, *inner, lattice.first + lattice.counts[axis]]
            spans.append([slice(a, b) for a, b in itertools.pairwise(ends)])
        axes.append(list(zip(*spans, strict=True)))
    return [Tile(tuple(zip(*spans, strict=True))) for spans in itertools.product(*axes)]


def _nodes(coarsest: Lattice, side: int) -> int:
    """Return the nodes of the coarsest level along a side of a tile."""
    return max(1, round(side * UNIT / coarsest.spacing))


def _counts(coarsest: Lattice, side: int) -> list[int]:
    """Return the tiles along z, y, x."""
    step = _nodes(coarsest, side) * coarsest.spacing
    return [max(1, -(-voxels * UNIT // step)) for voxels in coarsest.shape]
