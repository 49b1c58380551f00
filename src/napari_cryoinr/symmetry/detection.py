"""Finding the point group of a map: which rotations of the voxel grid leave it as it is.

For each rotation the best translation is found by the correlation of a coarse copy with its
rotated self (Fourier), then refined at full resolution on a sample of voxels. Of the groups that
the operations generate, the largest is taken whose orbit means are close enough to the map.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..maps.density_map import slabs
from ..progress import Clock, Progress, Steps
from ..support.array_types import Float32Array, Float64Array, Int64Array, Triple
from .folding import Weights, all_weights, folded_parts, total_weight
from .point_groups import (
    IDENTITY,
    MAX_TRANSLATION,
    ROTATIONS,
    GridSymmetry,
    Operation,
    closure,
    compose,
    image_view,
)

_COARSE_SIDE = 64  # voxels along the longest axis of the coarse copy
_LOOKED_AT = 1 << 18
_SAMPLE = 4096
_OFFSETS, _OFFSETS_SHARE = 4096, 1024  # translations that are compared, at most
_SLACK = 1 + 1e-9  # sums of squares are rounded


def detect_symmetry_steps(
    data: Float32Array,
    weights: Weights | None,
    voxel_size: Triple,
    tolerance_rms: float,
    clock: Clock,
) -> Steps[GridSymmetry | None]:
    """Find the largest point group of the grid that a map has.

    At least half of the weight has to have its images under each operation inside the volume, at
    voxels with a weight. Screw axes are no point groups and are never found.

    Parameters
    ----------
    data : densities, shape (z, y, x), finite.
    weights : which voxels count, and how much; None for all alike.
    voxel_size : Å, (z, y, x); axes of different sizes are not exchanged.
    tolerance_rms : largest weighted root mean square difference between the map and the mean over
        each orbit, in units of the density.

    Returns
    -------
    None where only the identity is left, and for a map that is constant where it counts.
    """
    search = _Search(data, all_weights(weights, data.shape), tolerance_rms)
    if not search.varies:
        return None
    rotations = [n for n in range(1, len(ROTATIONS)) if _fits(n, data.shape, voxel_size)]
    # The inverse of an operation is as good as the operation.
    rotations = [n for n in rotations if n <= _inverse((n, 0, 0, 0))[0]]
    coarse, side = search.coarse()
    count = math.prod(2 * reach + 1 for reach in search.reaches(side))
    if count > max(_OFFSETS, data.size // _OFFSETS_SHARE):
        return None  # so long and thin that the search would take longer than all else
    spectrum = np.fft.rfftn(coarse)
    for done, rotation in enumerate(rotations):
        guess = _coarse_translation(rotation, coarse, side, spectrum)
        operation = search.refined((rotation, *guess), side)
        yield Progress("symmetry", done, len(rotations), clock.seconds)
        yield from search.difference_steps(operation, clock)
    return (yield from search.largest_group_steps(clock))


@dataclass
class _Search:
    """A map whose symmetry is sought."""

    data: Float32Array
    weights: Weights
    tolerance: float
    # For each operation g that was compared the sum over voxels p of w(p) w(gp) (v(p) - v(gp))²,
    # infinite where the operation cannot be a symmetry.
    differences: dict[Operation, float] = field(default_factory=lambda: {IDENTITY: 0.0})

    def __post_init__(self) -> None:
        self.total = total_weight(self.weights)
        low, high, summed = math.inf, -math.inf, 0.0
        for part in slabs(self.data.shape):
            values, counts = self.data[part], self.weights[part] > 0
            summed += float(np.multiply(values, self.weights[part], dtype=np.float64).sum())
            low = min(low, float(values.min(initial=math.inf, where=counts)))
            high = max(high, float(values.max(initial=-math.inf, where=counts)))
        self.varies = low < high
        self.mean = summed / self.total if self.total else 0.0
        self.allowed = self.tolerance**2 * self.total * _SLACK

    def coarse(self) -> tuple[Float64Array, int]:
        """Return sums over cubes of weight times deviation from the mean, and a cube's side."""
        side = -(-max(self.data.shape) // _COARSE_SIDE)
        starts = [np.arange(0, n, side) for n in self.data.shape]
        out = np.empty([len(s) for s in starts])
        for plane, first in zip(out, starts[0], strict=True):
            values = self.data[first : first + side].astype(np.float64) - self.mean
            values *= self.weights[first : first + side]
            rows = np.add.reduceat(values.sum(axis=0), starts[1], axis=0)
            plane[:] = np.add.reduceat(rows, starts[2], axis=1)
        return out, side

    def reaches(self, most: int) -> list[int]:
        """Return how far a translation is refined along each axis."""
        return [min(most, n - 1) for n in self.data.shape]

    def refined(self, operation: Operation, reach: int) -> Operation:
        """Return the operation whose translation, of those nearby, fits a sample best."""
        rotation, *translation = operation
        axis = _axis(rotation)
        # A translation along the axis would make it a screw.
        nearby = itertools.product(*(range(-r, r + 1) for r in self.reaches(reach)))
        offsets = [offset for offset in nearby if np.dot(axis, offset) == 0]
        places, values, weights = self._sample
        axes, signs = ROTATIONS[rotation]
        images = places[list(axes)] * np.array(signs)[:, None] + np.array(translation)[:, None]
        shape = np.array(self.data.shape)[:, None]
        best: tuple[float, int, tuple[int, ...]] = (math.inf, 0, (0, 0, 0))
        for offset in offsets:
            moved = images + np.array(offset)[:, None]
            inside = ((moved >= 0) & (moved < shape)).all(axis=0)
            z, y, x = moved[:, inside]
            there = self.weights[z, y, x]
            overlap = float(np.minimum(weights[inside], there).sum())
            if overlap == 0 or 2 * overlap < weights.sum():
                continue
            both = weights[inside] * there
            squares = (values[inside] - self.data[z, y, x]) ** 2
            score = float(np.dot(both, squares) / both.sum())
            best = min(best, (score, int(np.dot(offset, offset)), offset))
        z, y, x = (t + o for t, o in zip(translation, best[2], strict=True))
        return rotation, z, y, x

    @cached_property
    def _sample(self) -> tuple[Int64Array, Float64Array, Float64Array]:
        """Return places (3, count), densities and weights of voxels far from the mean."""
        size = self.data.size
        step = int(0.618 * size) | 1
        while math.gcd(step, size) > 1:
            step += 2
        places = np.array(
            np.unravel_index(np.arange(min(size, _LOOKED_AT)) * step % size, self.data.shape)
        )
        values = self.data[tuple(places)].astype(np.float64)
        weights = self.weights[tuple(places)].astype(np.float64)
        strength = weights * (values - self.mean) ** 2
        strong = np.flatnonzero((strength >= strength.mean()) & (weights > 0))
        strong = strong[:: max(1, strong.size // _SAMPLE)]
        return places[:, strong], values[strong], weights[strong]

    def difference_steps(self, operation: Operation, clock: Clock) -> Steps[float]:
        """Fill in `differences` for an operation and its inverse, if that is not yet done.

        By the triangle inequality, no group with this operation is within the tolerance if the sum
        is above four times the squared tolerance; so the sum ends there, mostly in the first slab.
        """
        if operation in self.differences:
            return self.differences[operation]
        if max(map(abs, operation[1:])) > MAX_TRANSLATION:
            return math.inf
        squares, overlap = 0.0, 0.0
        whole = slice(0, self.data.shape[1]), slice(0, self.data.shape[2])
        depth = self.data.shape[0]
        # From the middle outwards: maps differ most where the molecule is.
        for part in sorted(slabs(self.data.shape), key=lambda s: abs(s.start + s.stop - depth)):
            box, there = image_view(self.data, operation, (part, *whole))
            difference = np.subtract(self.data[part][box], there, dtype=np.float64)
            here = self.weights[part][box]
            other = image_view(self.weights, operation, (part, *whole))[1]
            overlap += float(np.minimum(here, other).sum(dtype=np.float64))
            squares += float((difference**2 * here * other).sum())
            yield Progress("symmetry", part.stop, depth, clock.seconds)
            if squares > 4 * self.allowed:
                break
        out = squares if squares <= 4 * self.allowed and 2 * overlap >= self.total else math.inf
        self.differences[operation] = self.differences[_inverse(operation)] = out
        return out

    def largest_group_steps(self, clock: Clock) -> Steps[GridSymmetry | None]:
        """Return the largest group of those that the accepted operations generate."""
        accepted = sorted(o for o, squares in self.differences.items() if squares < math.inf)
        groups = set()
        for pair in itertools.combinations(accepted, 2):
            try:
                groups.add(closure(pair))
            except ValueError:
                continue  # their axes do not meet
        ranked = []
        for group in groups:
            summed = 0.0
            for operation in sorted(group):
                summed += yield from self.difference_steps(operation, clock)
            # The squared distance to the orbit mean is at least this; more only near the edges.
            least = summed / (2 * len(group))
            if least <= self.allowed:
                ranked.append((-len(group), least, sorted(group)))
        for _, _, operations in sorted(ranked):
            if (yield from self._close_steps(GridSymmetry(tuple(operations)), clock)):
                return GridSymmetry(tuple(operations))
        return None

    def _close_steps(self, symmetry: GridSymmetry, clock: Clock) -> Steps[bool]:
        """Whether the mean over each orbit is within the tolerance of the map."""
        squares = 0.0
        for part in folded_parts(symmetry, self.data, self.weights):
            squares += part.squares
            yield Progress("symmetry", part.region[0].stop, self.data.shape[0], clock.seconds)
            if squares > self.allowed:
                return False
        return math.sqrt(squares / self.total) <= self.tolerance


def _fits(rotation: int, shape: tuple[int, ...], voxel_size: Triple) -> bool:
    """Whether the axes that a rotation exchanges are equally long and equally sampled."""
    return all(
        shape[i] == shape[a] and math.isclose(voxel_size[i], voxel_size[a], rel_tol=1e-4)
        for i, a in enumerate(ROTATIONS[rotation][0])
    )


def _inverse(operation: Operation) -> Operation:
    """Return the last power of an operation of a point group before the identity."""
    power = operation
    while (following := compose(operation, power))[0] != 0:
        power = following
    return power


def _axis(rotation: int) -> Int64Array:
    """Return the direction of the axis of a rotation, which leaves it: entries 0, 1 and -1."""
    axes, signs = ROTATIONS[rotation]
    directions = np.array(list(itertools.product((0, 1, -1), repeat=3)))[1:]
    left = (directions[:, axes] * signs == directions).all(axis=1)
    return directions[np.argmax(left)]


def _coarse_translation(
    rotation: int, coarse: Float64Array, side: int, spectrum: npt.NDArray[Any]
) -> tuple[int, int, int]:
    """Return the translation, in voxels, that fits the rotated coarse copy to itself best."""
    axes, signs = ROTATIONS[rotation]
    turned = coarse.transpose(axes)[tuple(slice(None, None, s) for s in signs)]
    score = np.fft.irfftn(spectrum * np.fft.rfftn(turned).conj(), coarse.shape, axes=(0, 1, 2))
    # The shift that leaves the most overlap, of those that differ by the length of the axis.
    shifts = [np.fft.ifftshift(np.arange(n) - n // 2) for n in coarse.shape]
    axis = _axis(rotation)
    along = sum(
        a * s.reshape([-1 if k == i else 1 for k in range(3)])
        for i, (a, s) in enumerate(zip(axis, shifts, strict=True))
    )
    score[np.broadcast_to(along != 0, score.shape)] = -np.inf
    best = np.unravel_index(int(score.argmax()), score.shape)
    z, y, x = (
        side * int(shift[b]) + (side * n - 1 if sign < 0 else 0)
        for shift, b, n, sign in zip(shifts, best, coarse.shape, signs, strict=True)
    )
    return z, y, x
