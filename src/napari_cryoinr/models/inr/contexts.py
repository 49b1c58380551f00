"""What the context network sees of a latent: sums over latents that are coded before it.

The levels are coded from the coarsest to the finest, and each in eight phases, by the parity of the
node along z, y, x (`coding.coarse_to_fine.PHASES`). A node sees those of its level in the phases
before, and all of the level above, its parents. Sums run over all neighbours at one distance, so
that what was learned of one direction holds for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np

from ...coding.bricks import smoothed
from ...coding.coarse_to_fine import PHASES, Offset
from ...support.array_types import AnyArray, Float64Array, Int64Array

# Squared distances of the neighbours in each class; the signs of the last class are not looked at.
CLASSES = ((1,), (2,), (3,), (5, 6))
SIGNED = 3  # of these classes
REACH = 2  # nodes to the furthest neighbour
FEATURES = (
    "mean magnitude of the face neighbours",
    "of the edge neighbours",
    "of the corner neighbours",
    "of those further away",
    "of the parents, interpolated",
    "of the parents, blurred",
    "mean magnitude on the level",
    "mean magnitude on the level above",
    "levels above",
    "levels below",
    "parity even along all axes",
    "parity odd along all axes",
    "parity odd along two axes",
    "parity odd along one axis",
    "phases of this kind before",
    "degree of the splines",
)
GATES = SIGNED + 1  # signed means whose shares of the predicted mean the network says
OUTPUTS = 1 + GATES  # first the width of the distribution
MEAN_UNIT = 64  # of means over neighbours: such parts of a latent's 1
_SPARE = 8  # added to means, in their unit, before the logarithm
_KINDS = (0, 3, 2, 2, 2, 1, 1, 1)  # odd axes of each phase
_KIND_FEATURES = {0: 10, 3: 11, 2: 12, 1: 13}
FIRST_FIXED = 6


@cache
def known_offsets(phase: int) -> tuple[tuple[Offset, ...], ...]:
    """Return the offsets to the neighbours that are coded before a phase, by class."""
    known, (z, y, x) = PHASES[:phase], PHASES[phase]
    reach = range(-REACH, REACH + 1)
    out = []
    for distances in CLASSES:
        out.append(
            tuple(
                d
                for d in itertools.product(reach, reach, reach)
                if d[0] ** 2 + d[1] ** 2 + d[2] ** 2 in distances
                and ((z + d[0]) % 2, (y + d[1]) % 2, (x + d[2]) % 2) in known
            )
        )
    return tuple(out)


def fixed_features(
    phase: int, level: int, levels: int, magnitudes: Int64Array, degree: int
) -> Float64Array:
    """Return the features of all nodes of a phase alike, in order from `FIRST_FIXED`.

    `magnitudes` : of the levels, the finest first; see `level_magnitudes`.
    """
    out = np.zeros(len(FEATURES) - FIRST_FIXED)
    above = magnitudes[level + 1] if level + 1 < levels else 0
    out[:4] = magnitudes[level], above, levels - 1 - level, level
    kind = _KINDS[phase]
    out[_KIND_FEATURES[kind] - FIRST_FIXED] = 1
    out[-2] = _KINDS[:phase].count(kind)
    out[-1] = degree
    return out


def level_magnitudes(sums: Float64Array, counts: Float64Array) -> Int64Array:
    """Return 8 log2 of the mean magnitude of coded latents, by level; 0 is 2^-10 and less."""
    means = np.asarray(sums) / np.maximum(counts, 1)
    return np.rint(8 * (np.log2(means + 2.0**-10) + 10)).astype(np.int64).clip(0, 255)


def logarithm(means: Int64Array) -> Int64Array:
    """Return about 16 log2(1 + 8 m) of means m in their unit; linear between powers of two."""
    numbers = means + _SPARE
    top = np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 1  # exact
    return 16 * top + ((numbers << 4) >> top) - 16 - 48


class LevelContexts:
    """Sums over the neighbours of the nodes of one level, as far as they are coded.

    Parameters
    ----------
    shape : nodes of the level in this tile, along z, y, x.
    parents : latents of the level above in this tile; None for the coarsest level.
    shift : that of `Tile`.
    """

    def __init__(
        self, shape: tuple[int, int, int], parents: AnyArray | None, shift: Offset = (0, 0, 0)
    ) -> None:
        self._shape = shape
        self._padded = np.zeros([n + 2 * REACH for n in shape], np.int32)
        self._parents: list[AnyArray] | None = None
        if parents is not None:
            sizes = np.abs(parents)
            self._parents = [
                _parent_grid(volume, shift, shape) for volume in (sizes, smoothed(sizes), parents)
            ]

    @property
    def latents(self) -> AnyArray:
        """The latents that are known, 0 elsewhere, shape (z, y, x)."""
        z, y, x = (slice(REACH, REACH + n) for n in self._shape)
        return self._padded[z, y, x]

    def means(self, nodes: PhaseNodes) -> tuple[Int64Array, Int64Array]:
        """Return (mean magnitudes, signed means) of nodes in their unit.

        Shapes (`FIRST_FIXED`, nodes) and (`GATES`, nodes).
        """
        flat, places = self._padded.ravel(), self._places(nodes)
        sizes = np.zeros((FIRST_FIXED, nodes.count), np.int64)
        signed = np.zeros((GATES, nodes.count), np.int64)
        for number, offsets in enumerate(known_offsets(nodes.phase)):
            for offset in offsets:
                near = flat.take(places + _linear(offset, self._padded.shape))
                sizes[number] += np.abs(near)
                if number < SIGNED:
                    signed[number] += near
            if offsets:
                sizes[number] = sizes[number] * MEAN_UNIT // len(offsets)
                if number < SIGNED:
                    signed[number] = signed[number] * MEAN_UNIT // len(offsets)
        if self._parents is not None:
            narrow, wide, sign = (_interpolated(grid, nodes) for grid in self._parents)
            sizes[4] = narrow * (MEAN_UNIT // 8)
            sizes[5] = wide * MEAN_UNIT // (8 * 64)
            signed[3] = sign * (MEAN_UNIT // 8)
        return sizes, signed

    def add(self, nodes: PhaseNodes, latents: Int64Array) -> None:
        """Note latents as coded."""
        self._padded.ravel()[self._places(nodes)] = latents

    def _places(self, nodes: PhaseNodes) -> Int64Array:
        """Return where nodes are in the padded array."""
        parities = PHASES[nodes.phase]
        padded = [2 * own + p + REACH for own, p in zip(nodes.pairs, parities, strict=True)]
        return _flat(padded, self._padded.shape)


class PhaseNodes:
    """Some nodes of a level of which all are in one phase.

    Attributes
    ----------
    phase : of the nodes.
    pairs : half of their places along (z, y, x), rounded down.
    count : how many they are.
    """

    def __init__(self, phase: int, here: AnyArray) -> None:
        """Take those that a mask of the grid of the phase says."""
        self.phase, self.pairs = phase, np.nonzero(here)
        self.count = len(self.pairs[0])


def phase_grid(shape: tuple[int, int, int], phase: int) -> tuple[slice, slice, slice]:
    """Return the nodes of a phase as slices of a level."""
    z, y, x = (slice(p, n, 2) for p, n in zip(PHASES[phase], shape, strict=True))
    return z, y, x


def _parent_grid(volume: AnyArray, shift: Offset, shape: tuple[int, int, int]) -> AnyArray:
    """Return the parents of even nodes and one more along each axis; zero where there are none."""
    sizes = [(n + 1) // 2 + 1 for n in shape]
    out = np.zeros(sizes, np.int64)
    part = volume[tuple(slice(s, s + n) for s, n in zip(shift, sizes, strict=True))]
    out[tuple(slice(0, n) for n in part.shape)] = part
    return out


def _interpolated(grid: AnyArray, nodes: PhaseNodes) -> Int64Array:
    """Return 8 times the mean of the two parents along odd axes, the one parent along even ones."""
    flat, places = grid.ravel(), _flat(nodes.pairs, grid.shape)
    odd_z, odd_y, odd_x = PHASES[nodes.phase]
    ahead = list(itertools.product(range(1 + odd_z), range(1 + odd_y), range(1 + odd_x)))
    total = np.zeros(nodes.count, np.int64)
    for offset in ahead:
        total += flat.take(places + _linear(offset, grid.shape))
    return total * (8 // len(ahead))


def _flat(places: Sequence[Int64Array], shape: Sequence[int]) -> Int64Array:
    return (places[0] * shape[1] + places[1]) * shape[2] + places[2]


def _linear(offset: Offset, shape: Sequence[int]) -> int:
    return (offset[0] * shape[1] + offset[1]) * shape[2] + offset[2]
