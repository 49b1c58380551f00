"""Contexts from already coded neighbours, a whole parity phase at a time.

The voxels of a brick are coded in eight phases, by the parity of (z, y, x). Every voxel of one
phase sees the voxels of the earlier phases only, so that encoder and decoder compute the contexts
of a phase in one vectorised pass, in integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

import numpy as np

from ..support.array_types import BoolArray, Int32Array, Int64Array
from .tokens import ALPHABET

Offset = tuple[int, int, int]

# Corners first, then the phases that lie between more and more coded neighbours.
PHASES = ((0, 0, 0), (1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))
_UNIT = 16  # mean tokens are compared in sixteenths
_LEVELS = 24
# Bounds of the classes of the mean token of the coded neighbours, in sixteenths: geometric.
BOUNDS = np.unique(np.rint(np.geomspace(1, _UNIT * ALPHABET / 2, _LEVELS)).astype(np.int64))
CONTEXTS = len(BOUNDS) + 2  # the last one: no neighbour is coded yet


def parity_phases() -> Iterator[tuple[slice, slice, slice]]:
    """Yield the strided views of a brick that hold the eight phases, in coding order."""
    for z, y, x in PHASES:
        yield slice(z, None, 2), slice(y, None, 2), slice(x, None, 2)


@cache
def known_offsets(phase: Offset, reach: int) -> tuple[Offset, ...]:
    """Offsets to the voxels that are known when a phase is coded, nearest first.

    `reach` is how many voxels away they are at most along each axis.
    """
    known = PHASES[: PHASES.index(phase)]
    window = itertools.product(range(-reach, reach + 1), repeat=3)
    found = [(z, y, x) for z, y, x in window if _parity(phase, (z, y, x)) in known]
    return tuple(sorted(found, key=lambda d: (d[0] ** 2 + d[1] ** 2 + d[2] ** 2, d)))


def _parity(phase: Offset, offset: Offset) -> Offset:
    z, y, x = ((p + d) % 2 for p, d in zip(phase, offset, strict=True))
    return z, y, x


def _smooth(values: Int32Array) -> Int32Array:
    """Sum over the 26 neighbours; weights 4 (faces), 2 (edges), 1 (corners), 8 at the centre."""
    for axis in range(3):
        total = 2 * values
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        total[tuple(behind)] += values[tuple(ahead)]
        total[tuple(ahead)] += values[tuple(behind)]
        values = total
    return values


class Neighbourhood:
    """Tokens of one brick as far as they are coded, and the contexts that follow from them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._tokens, self._known = np.zeros((2, *shape), np.int32)

    def contexts(self, phase: tuple[slice, slice, slice], here: BoolArray) -> Int64Array:
        """Return the context of each voxel of the phase that is coded (`here`), in C order."""
        total = _smooth(self._tokens)[phase][here].astype(np.int64)
        weight = _smooth(self._known)[phase][here].astype(np.int64)
        mean = (_UNIT * total) // np.maximum(weight, 1)
        context = np.searchsorted(BOUNDS, mean, side="right")
        return np.where(weight > 0, context, CONTEXTS - 1)

    def add(self, phase: tuple[slice, slice, slice], here: BoolArray, tokens: Int64Array) -> None:
        """Note the tokens of a phase as coded."""
        self._tokens[phase][here] = tokens
        self._known[phase][here] = 1
