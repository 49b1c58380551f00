"""The voxels of one level of the walk, with a margin, and weighted sums over neighbours.

Sums are float64 products added one by one in a fixed order, each an IEEE operation of its own:
every machine gets the same bits.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ...coding.neighbour_contexts import known_offsets as offsets_within
from ...support.array_types import Float32Array, Float64Array, Int64Array

Offset = tuple[int, int, int]
Chunk = tuple[Offset, tuple[int, int], tuple[int, int, int]]

MARGIN = 5


class Lattice:
    """Zeros of shape (z, y, x) with a margin: mirrored, or wrapped around along `wraps`.

    Both keep the parity (what wraps has an even length), so that the margin is known where the
    neighbours inside are.
    """

    def __init__(self, shape: tuple[int, ...], wraps: tuple[bool, ...]) -> None:
        self._wraps = wraps
        self._shape = shape
        self._padded = np.zeros([n + 2 * MARGIN for n in shape], np.float32)
        self._inside = tuple(slice(MARGIN, MARGIN + n) for n in shape)

    @property
    def inside(self) -> Float32Array:
        """The array without its margin, a view."""
        return self._padded[self._inside]

    def renew_margin(self) -> None:
        """Renew the margin."""
        for axis, (n, wraps) in enumerate(zip(self._shape, self._wraps, strict=True)):
            places = np.r_[-MARGIN:0, n : n + MARGIN]
            if wraps or n == 1:
                folded = places % n
            else:
                folded = np.abs((places + n - 1) % (2 * (n - 1)) - (n - 1))
            whole = np.moveaxis(self._padded, axis, 0)
            whole[places + MARGIN] = whole[folded + MARGIN]

    def near(self, phase: Offset, rows: tuple[int, int], offset: Offset) -> Float32Array:
        """The neighbours at an offset of the voxels of a phase, rows [start, stop) of its z."""
        starts = [MARGIN + p + o for p, o in zip(phase, offset, strict=True)]
        counts = [(n - p + 1) // 2 for p, n in zip(phase, self._shape, strict=True)]
        starts[0] += 2 * rows[0]
        counts[0] = rows[1] - rows[0]
        return self._padded[
            tuple(slice(s, s + 2 * c - 1, 2) for s, c in zip(starts, counts, strict=True))
        ]

    def gather(
        self, phase: Offset, places: Int64Array, offsets: tuple[Offset, ...]
    ) -> Float32Array:
        """Neighbours of some voxels (flat indices of the phase), shape (voxels, offsets)."""
        counts = [(n - p + 1) // 2 for p, n in zip(phase, self._shape, strict=True)]
        _, height, width = self._padded.shape
        starts = np.zeros(places.size, np.int64)
        voxels = np.unravel_index(places, counts)
        for stride, p, i in zip((height * width, width, 1), phase, voxels, strict=True):
            starts += stride * (MARGIN + p + 2 * i)
        shifts = np.array([(z * height + y) * width + x for z, y, x in offsets])
        return self._padded.reshape(-1)[starts[:, None] + shifts]

    def weighted(
        self,
        phase: Offset,
        rows: tuple[int, int],
        offsets: tuple[Offset, ...],
        weights: Float64Array,
    ) -> Float64Array:
        """Sum of weight times neighbour, in the order of the offsets, flat in C order."""
        total: Float64Array | None = None
        for offset, weight in zip(offsets, weights, strict=False):
            term = np.multiply(self.near(phase, rows, offset), weight, dtype=np.float64)
            if total is None:
                total = term
            else:
                total += term
        assert total is not None
        return total.ravel()


def known_offsets(phase: Offset, count: int) -> tuple[Offset, ...]:
    """The offsets to the nearest voxels that are known when a phase is coded, nearest first."""
    return offsets_within(phase, MARGIN)[:count]


@cache
def inverse_squares(phase: Offset, count: int) -> Float64Array:
    """Weights of `known_offsets` by distance, powers of two, so that sums of them are exact."""
    squares = [z * z + y * y + x * x for z, y, x in known_offsets(phase, count)]
    return np.array([2.0 ** -min(4, (square - 1) // 2) for square in squares])
