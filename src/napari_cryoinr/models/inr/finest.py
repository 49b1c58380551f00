"""All levels of a pyramid as coefficients of its finest lattice, and their sum at any positions.

A B-spline is a sum of those of half its width (the two-scale relation): where many positions are
asked for that lie on no grid, one lattice is read in place of several.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ...support.array_types import BoolArray, Float64Array, Region
from ...support.regions import pieces
from ..separable_sums import MATRIX_BITS
from .lattice import UNIT, Lattice
from .level_sums import Read

_AT_A_TIME = 1 << 13  # positions: what is computed of them stays in the cache
# A spline as those of half its width, the first of which is so many nodes before its own.
_TWO_SCALE = {1: (1, (0.5, 1.0, 0.5)), 3: (2, (0.125, 0.5, 0.75, 0.5, 0.125))}


class Finest:
    """The sum of all levels in a box of positions.

    Parameters
    ----------
    lattices, steps : of the levels.
    spans : lowest and highest positions along (z, y, x).
    read : returns latents.
    """

    def __init__(
        self,
        lattices: Sequence[Lattice],
        steps: Sequence[float],
        spans: Sequence[tuple[float, float]],
        read: Read,
    ) -> None:
        self._lattice, degree = lattices[0], lattices[0].degree
        windows = [[slice(*self._lattice.touching(low, high)) for low, high in spans]]
        before, _ = _TWO_SCALE[degree]
        for _ in lattices[1:]:
            windows.append(
                [
                    slice(-(-(s.start - before) // 2), (s.stop - 1 + before) // 2 + 1)
                    for s in windows[-1]
                ]
            )
        regions: list[Region] = [(z, y, x) for z, y, x in windows]
        levels = [np.asarray(level, np.float64) for level in read(regions)]
        total = levels[-1] * steps[-1]
        for level in range(len(levels) - 2, -1, -1):
            total = _refined(total, regions[level + 1], regions[level], degree)
            total += levels[level] * steps[level]
        self._first = [s.start for s in regions[0]]
        self._coefficients = total
        self._used = _within(total != 0, degree + 1)

    def __call__(self, positions: Float64Array) -> Float64Array:
        """Return the sum at positions (n, 3)."""
        out = np.zeros(len(positions))
        if self._used.size:
            for part in pieces(len(positions), _AT_A_TIME):
                self._add(positions[part], out[part])
        return out

    def _add(self, positions: Float64Array, out: Float64Array) -> None:
        """Write the sum at a few positions over zeros."""
        # In float64 each operation is rounded alike everywhere; their order is said here.
        places = np.floor(positions * (UNIT / self._lattice.spacing)).astype(np.int64)
        places -= (self._lattice.degree - 1) // 2 + np.array(self._first)
        shape = self._used.shape
        flat = (places[:, 0] * shape[1] + places[:, 1]) * shape[2] + places[:, 2]
        chosen = np.flatnonzero(self._used.ravel()[flat])
        flat = flat[chosen]
        weights = [
            self._lattice.values(column)[1] * 2.0**-MATRIX_BITS for column in positions[chosen].T
        ]
        coefficients, total = self._coefficients.ravel(), np.zeros(len(chosen))
        taps = range(self._lattice.degree + 1)
        strides = shape[1] * shape[2], shape[2]
        for dz, dy in itertools.product(taps, taps):
            plane = np.zeros(len(chosen))
            for dx in taps:
                found = coefficients.take(flat + (dz * strides[0] + dy * strides[1] + dx))
                found *= weights[2][:, dx]
                plane += found
            plane *= weights[0][:, dz] * weights[1][:, dy]
            total += plane
        out[chosen] = total


def _refined(values: Float64Array, old: Region, new: Region, degree: int) -> Float64Array:
    """Return coefficients of a lattice as those of the one with half its spacing."""
    before, factors = _TWO_SCALE[degree]
    for axis, (coarse, fine) in enumerate(zip(old, new, strict=True)):
        values = np.moveaxis(values, axis, 0)
        out = np.zeros((fine.stop - fine.start, *values.shape[1:]))
        for number, factor in enumerate(factors):
            # Node k of the coarser lattice adds to nodes 2 k - before + number.
            shift = number - before
            first = max(coarse.start, -(-(fine.start - shift) // 2))
            last = min(coarse.stop - 1, (fine.stop - 1 - shift) // 2)
            if last < first:
                continue
            target = slice(2 * first + shift - fine.start, 2 * last + shift - fine.start + 1, 2)
            out[target] += factor * values[first - coarse.start : last - coarse.start + 1]
        values = np.moveaxis(out, 0, axis)
    return np.ascontiguousarray(values)


def _within(used: BoolArray, count: int) -> BoolArray:
    """Return where any of the next nodes, so many along each axis, is used."""
    for axis in range(3):
        used = np.moveaxis(used, axis, 0)
        found = used.copy()
        for shift in range(1, count):
            found[:-shift] |= used[shift:]
        used = np.moveaxis(found, 0, axis)
    return np.ascontiguousarray(used)
