"""Which point group a map may have, with any axes and any centre.

The centre of every symmetric density is its centroid, and a main axis is an axis of its inertia, or
any direction where that is a ball's. On a coarse copy, the harmonics about each of these axes say
which rotations leave the density as it is; what is found is refined at full resolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..progress import Clock, Progress, Steps
from ..support.array_types import Float64Array, FloatArray, Triple
from .continuous import Symmetry
from .harmonics import Harmonics, frame_of
from .helices import helices
from .refinement import Guess, Sample, refined, simplified
from .rotations import HELIX, MOST_FOLD

_COARSE_SIDE = 96  # voxels along the longest axis of the coarse copy
_LEAST_SIDE = 8  # voxels of the map along each axis
_EXCESS = 0.5  # of the share of harmonics above chance, for a rotation to be refined
_HALF_TURN = 0.85  # correlation of a half turn about an axis at right angles, likewise
_ALIKE = 0.06  # by which moments of inertia differ that may be the same
_DIRECTIONS = 300  # on a half sphere
_LOOKED_AT = 2  # axes for each group, those that suit it best
_ROUGH_SAMPLES, _SAMPLES = 2000, 4000
_MISFIT = 0.1  # mean squared difference from the images, as a share, to be worth a closer look
_SAME_AXIS = math.cos(math.radians(3))
_ROUGH_MISFIT = 0.3  # of a helix on the coarse copy
_LENGTH = 0.4  # share of the map's length over which images of a helix are compared


@dataclass(frozen=True, eq=False)
class _Coarse:
    """A coarse copy of a map: voxels of `side` of it.

    Attributes
    ----------
    centre : centroid of the squared density.
    moments, axes : of its inertia, ascending, and the directions as columns.
    radius : within which nearly all of it lies.
    """

    volume: Float64Array
    side: int
    centre: Float64Array
    moments: Float64Array
    axes: Float64Array
    radius: float

    @classmethod
    def of(cls, volume: FloatArray) -> _Coarse:
        side = -(-max(volume.shape) // _COARSE_SIDE)
        starts = [np.arange(0, n, side) for n in volume.shape]
        sums = volume.astype(np.float64)
        for axis, start in enumerate(starts):
            sums = np.add.reduceat(sums, start, axis=axis)
        sums /= side**3
        weights = np.square(sums).ravel()
        places = np.indices(sums.shape).reshape(3, -1).astype(float)
        total = max(float(weights.sum()), 1e-300)
        centre = places @ weights / total
        away = places - centre[:, None]
        moments, axes = np.linalg.eigh((away * weights) @ away.T / total)
        distances = np.sqrt(np.square(away).sum(axis=0))
        order = np.argsort(distances)
        inside = np.cumsum(weights[order]) / total
        radius = float(distances[order][np.searchsorted(inside, 0.998)])
        return cls(sums, side, centre, moments, axes, max(radius, 2.0))

    @property
    def is_ball(self) -> bool:
        """Whether its inertia is about that of a ball, so that axes may be anywhere."""
        low, _, high = self.moments
        return bool(high - low < 2 * _ALIKE * high)

    def fine(self, place: Float64Array) -> Float64Array:
        """Return a place of the coarse copy as one of the map."""
        return (place + 0.5) * self.side - 0.5


def candidates_steps(
    volume: FloatArray, voxel_size: Triple, clock: Clock, group: str | None = None
) -> Steps[list[Symmetry]]:
    """Return symmetries that a map may have, the largest first.

    Parameters
    ----------
    volume : density less that of the background, shape (z, y, x), 0 where nothing counts.
    voxel_size : Å, (z, y, x); axes of different sizes are not exchanged.
    group : the only one that is looked for, or `HELIX`; None for all.
    """
    if min(volume.shape) < _LEAST_SIDE or not volume.any():
        return []
    coarse = _Coarse.of(volume)
    yield Progress("symmetry", 0, 2, clock.seconds)
    listed: dict[str, list[tuple[float, Guess]]] = {}
    screws: list[Guess] = []
    for axis in _axes(coarse, voxel_size):
        harmonics = Harmonics.about(coarse.volume, coarse.centre, axis, coarse.radius)
        for share, guess in _guesses(coarse, harmonics, group):
            listed.setdefault(guess.group, []).append((share, guess))
        if group in (None, HELIX) and not coarse.is_ball:
            screws += helices(harmonics, coarse.centre)
        yield Progress("symmetry", 0, 2, clock.seconds)
    if not listed and not screws:
        return []
    rough = Sample.of(coarse.volume.astype(np.float32), _ROUGH_SAMPLES, 1)
    ranked = []
    for same in listed.values():
        for _, guess in sorted(same, key=lambda one: -one[0])[:_LOOKED_AT]:
            better = refined(guess, rough)
            ranked.append((rough.misfit(better), better))
            yield Progress("symmetry", 0, 2, clock.seconds)
    if coarse.is_ball or group in _CUBIC:
        for guess in _cubic([one for _, one in sorted(ranked, key=_misfit_of)], rough):
            better = refined(guess, rough)
            ranked.append((rough.misfit(better), better))
            yield Progress("symmetry", 0, 2, clock.seconds)
    if group not in (None, HELIX):  # of a helix, rotations about its axis count too
        ranked = [one for one in ranked if one[1].group == group]
    fine = Sample.of(volume, _SAMPLES, 3)
    yield Progress("symmetry", 1, 2, clock.seconds)
    found: dict[str, tuple[float, Guess]] = {}
    for _, guess in sorted(ranked, key=_misfit_of):
        known = found.get(guess.group)
        if known is not None and known[0] < _MISFIT / 10:
            continue
        better = refined(Guess(guess.group, coarse.fine(guess.centre), guess.frame), fine)
        misfit = fine.misfit(better)
        yield Progress("symmetry", 1, 2, clock.seconds)
        if misfit < _MISFIT and (known is None or misfit < known[0]):
            found[guess.group] = misfit, better
    best = [guess for _, guess in found.values()]
    groups = [simplified(guess, fine).symmetry() for guess in best]
    groups.sort(key=lambda one: -one.order)
    of_helices = yield from _helix_steps(coarse, screws, best, rough, fine, clock)
    if group == HELIX:
        return of_helices
    return [*of_helices, *groups]


def _helix_steps(
    coarse: _Coarse,
    screws: Sequence[Guess],
    groups: Sequence[Guess],
    rough: Sample,
    fine: Sample,
    clock: Clock,
) -> Steps[list[Symmetry]]:
    """Return the helix that fits, if any does, with the rotations about its axis."""
    for screw in screws:
        near = refined(screw, rough)
        yield Progress("symmetry", 1, 2, clock.seconds)
        if rough.misfit(near) > _ROUGH_MISFIT:
            continue
        scale = coarse.side
        better = Guess("C1", coarse.fine(near.centre), near.frame, near.rise * scale, near.twist)
        # Small errors of rise and twist add up over the length of the map.
        length = float(np.abs(better.frame[:, 0]) @ fine.volume.shape)
        most = max(1, int(_LENGTH * length / better.rise))
        turns = 1
        while True:
            better = refined(replace(better, turns=(turns,)), fine)
            yield Progress("symmetry", 1, 2, clock.seconds)
            if turns >= most or fine.misfit(better) > _MISFIT:
                break
            turns = min(4 * turns, most)
        if fine.misfit(better) > _MISFIT:
            continue
        # Anywhere along its axis is a centre: the middle of the map holds most about it.
        axis = better.frame[:, 0]
        middle = (np.array(fine.volume.shape) - 1) / 2
        centre = better.centre + axis * float(axis @ (middle - better.centre))
        better = replace(better, turns=(1, turns), centre=centre)
        alone = fine.misfit(better)
        for other in sorted(groups, key=lambda one: -len(one.operations())):
            if other.group[0] != "C":
                continue
            same = abs(float(other.frame[:, 0] @ better.frame[:, 0])) > _SAME_AXIS
            period = 2 * math.pi / int(other.group[1:])
            twist = (better.twist + period / 2) % period - period / 2
            rotated = replace(better, group=other.group, twist=twist)
            if same and fine.misfit(rotated) < 2 * alone + 0.01:
                return [simplified(rotated, fine).symmetry(), simplified(better, fine).symmetry()]
        return [simplified(better, fine).symmetry()]
    return []


def _axes(coarse: _Coarse, voxel_size: Triple) -> list[Float64Array]:
    """Return directions that a main axis may have."""
    units = list(np.eye(3))
    if not np.allclose(voxel_size, voxel_size[0], rtol=1e-3):
        # A rotation may exchange axes with voxels of one size alone.
        return [
            unit
            for n, unit in enumerate(units)
            if math.isclose(voxel_size[n - 1], voxel_size[n - 2], rel_tol=1e-3)
        ]
    listed = [*units, *coarse.axes.T]
    if coarse.is_ball:
        listed += list(_half_sphere(_DIRECTIONS))
    out: list[Float64Array] = []
    for axis in listed:
        if all(abs(float(axis @ other)) < _SAME_AXIS for other in out):
            out.append(axis)
    return out


def _guesses(
    coarse: _Coarse, harmonics: Harmonics, group: str | None
) -> Iterator[tuple[float, Guess]]:
    """Yield the groups that may have a main axis, and how well that suits them."""
    half, angle = harmonics.half_turn()
    turned = _turned(harmonics.frame, angle)
    folds = [n for n in range(2, MOST_FOLD + 1) if _excess(harmonics, n) > _EXCESS]
    if group is not None and group not in _CUBIC and group != HELIX:
        fold = int(group[1:])
        yield _excess(harmonics, fold) if fold > 1 else half, Guess(group, coarse.centre, turned)
        return
    for fold in folds:
        # A rotation of a higher fold is one of this fold too.
        if not any(other % fold == 0 and other > fold for other in folds):
            share = _excess(harmonics, fold)
            yield share, Guess(f"C{fold}", coarse.centre, harmonics.frame)
            if half > _HALF_TURN:
                yield share + half, Guess(f"D{fold}", coarse.centre, turned)


def _cubic(found: Sequence[Guess], sample: Sample) -> Iterator[Guess]:
    """Yield cubic groups, one of whose axes was found; what is left is a turn about it."""
    for name, (fold, direction) in _CUBIC.items():
        about = next((one for one in found if one.group == f"C{fold}"), None)
        if about is None:
            continue
        own = frame_of(np.array(direction, float))
        guesses = [
            Guess(name, about.centre, _turned(about.frame, math.radians(angle)) @ own.T)
            for angle in np.arange(0, 360 / fold, 3)
        ]
        yield min(guesses, key=sample.misfit)


def _misfit_of(one: tuple[float, Guess]) -> float:
    return one[0]


_CUBIC = {
    "I": (5, (0.0, (1 + math.sqrt(5)) / 2, 1.0)),
    "O": (4, (1.0, 0.0, 0.0)),
    "T": (3, (1.0, 1.0, 1.0)),
}
"""Fold and direction, (z, y, x), of an axis of each cubic group."""


def _excess(harmonics: Harmonics, fold: int) -> float:
    """Return by how much a rotation fits better than chance; 1 is perfect."""
    return (harmonics.share(fold) - 1 / fold) / (1 - 1 / fold)


def _turned(frame: Float64Array, angle: float) -> Float64Array:
    """Return a frame whose third direction is turned towards the second one."""
    c, s = math.cos(angle), math.sin(angle)
    third = c * frame[:, 2] + s * frame[:, 1]
    second = c * frame[:, 1] - s * frame[:, 2]
    return np.stack([frame[:, 0], second, third], axis=1)


def _half_sphere(count: int) -> Iterator[Float64Array]:
    """Yield directions that cover half of a sphere evenly (a Fibonacci lattice)."""
    golden = (1 + math.sqrt(5)) / 2
    for number in range(count):
        height = (number + 0.5) / count
        angle = 2 * math.pi * number / golden
        across = math.sqrt(1 - height**2)
        yield np.array([height, across * math.sin(angle), across * math.cos(angle)])
