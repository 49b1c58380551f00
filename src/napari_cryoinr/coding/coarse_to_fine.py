"""The order in which volumes are coded: from coarse to fine, a parity phase at a time.

Voxels at multiples of a power of two, at most two along each axis, come first; then the spacing is
halved until every voxel is coded. Each halving has seven phases, by the parity of (z, y, x) on the
lattice of that spacing. All voxels of a phase see the voxels of earlier phases only, so that one
vectorised pass finds their contexts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from ..support.array_types import AnyArray, Float64Array, Int64Array, Region
from ..support.regions import pieces

REACH = 5  # voxels of the lattice between a voxel and its furthest neighbours, along each axis
# Probabilities are updated so many times in a phase, after so many voxels, about.
_PARTS, _LEAST, _MOST = 32, 1000, 50_000

Offset = tuple[int, int, int]
# Corners first, then the phases that lie between more and more coded neighbours.
PHASES = ((0, 0, 0), (1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))

Part = slice | tuple[Int64Array, ...]
"""Some rows (along z) of a phase, or the places of some of its voxels."""


@dataclass(frozen=True)
class Phase:
    """The voxels of one parity on the lattice of one spacing.

    `periodic`: whether the volume goes on at its opposite faces.
    """

    spacing: int
    parity: Offset
    periodic: bool

    @property
    def region(self) -> Region:
        """The voxels of the phase as slices of the volume."""
        z, y, x = (slice(p * self.spacing, None, 2 * self.spacing) for p in self.parity)
        return z, y, x

    def neighbours(self, count: int) -> tuple[Offset, ...]:
        """Return the offsets to the nearest voxels that are known, nearest first."""
        if not any(self.parity):
            return ()
        return _known_offsets(self.parity)[:count]

    def neighbours_by_distance(self, count: int) -> list[tuple[int, list[Offset]]]:
        """Return the same with their squared distance, those at the same one together."""
        return _by_distance(self.parity, count) if any(self.parity) else []

    def padded(self, volume: AnyArray) -> AnyArray:
        """Return a copy of the lattice with a margin; its parity goes on beyond the faces.

        An axis with a single point has no margin, which would multiply the memory.
        """
        lattice = volume[(slice(None, None, self.spacing),) * 3]
        widths = [(REACH, REACH) if n > 1 else (0, 0) for n in lattice.shape]
        return np.pad(lattice, widths, mode="wrap" if self.periodic else "reflect")

    def near(self, padded: AnyArray, offset: Offset, part: Part) -> AnyArray:
        """Return the neighbours at an offset of a part of the phase."""
        return padded[_places(self.parity, offset, padded.shape)][part]

    def weighted_sum(self, padded: AnyArray, weights: Float64Array, part: Part) -> Float64Array:
        """Return sums of weight times neighbour for a part of the phase, flat.

        The products are added one by one in a fixed order, each an IEEE operation of its own:
        every machine gets the same bits.
        """
        total = np.zeros(self.near(padded, (0, 0, 0), part).shape)
        for offset, weight in zip(self.neighbours(len(weights)), weights, strict=True):
            total += np.multiply(self.near(padded, offset, part), weight, dtype=np.float64)
        return total.ravel()

    def chunks(self, shape: tuple[int, ...]) -> list[slice]:
        """Return slices of the rows (along z) of the phase in a volume of this shape."""
        count, *plane = (len(range(*s.indices(n))) for s, n in zip(self.region, shape, strict=True))
        voxels = min(max(_LEAST, count * plane[0] * plane[1] // _PARTS), _MOST)
        rows = max(1, voxels // (plane[0] * plane[1]))
        return pieces(count, rows)


@lru_cache(maxsize=1 << 12)
def _places(parity: Offset, offset: Offset, shape: tuple[int, ...]) -> Region:
    """Return the neighbours at an offset of a phase as slices of its padded lattice."""
    z, y, x = (
        slice(REACH + p + d, n - REACH + d, 2) if n > 1 else slice(None)
        for p, d, n in zip(parity, offset, shape, strict=True)
    )
    return z, y, x


@cache
def _known_offsets(parity: Offset) -> tuple[Offset, ...]:
    """Return the offsets to the voxels that are known when a phase is coded, nearest first."""
    known = PHASES[: PHASES.index(parity)]
    z, y, x = parity
    reach = range(-REACH, REACH + 1)
    window = itertools.product(reach, reach, reach)
    found = [d for d in window if ((z + d[0]) % 2, (y + d[1]) % 2, (x + d[2]) % 2) in known]
    return tuple(sorted(found, key=lambda d: (d[0] ** 2 + d[1] ** 2 + d[2] ** 2, d)))


@cache
def _by_distance(parity: Offset, count: int) -> list[tuple[int, list[Offset]]]:
    found = itertools.groupby(_known_offsets(parity)[:count], lambda d: sum(n * n for n in d))
    return [(distance, list(offsets)) for distance, offsets in found]


def phases(shape: tuple[int, ...], periodic: bool = False) -> Iterator[Phase]:
    """Yield the phases of a volume in coding order.

    Where the volume is `periodic` it is continued at its opposite faces, at the spacings at which
    the period is even; elsewhere it is mirrored.
    """
    spacing = 1
    while max(shape) > 4 * spacing:
        spacing *= 2
    yield Phase(spacing, PHASES[0], False)
    while spacing:
        wraps = periodic and all(n % (2 * spacing) == 0 for n in shape)
        for parity in PHASES[1:]:
            if all(p * spacing < n for p, n in zip(parity, shape, strict=True)):
                yield Phase(spacing, parity, wraps)
        spacing //= 2
