"""Axes and centre of a point group, refined on the densities of a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, optimize

from ..support.array_types import Float64Array, FloatArray
from . import rotations
from .continuous import Symmetry
from .rotations import MATRIX_BITS

_TRIES = 8  # evaluations of the residuals and their slopes
_SNAP_ANGLE = 0.02  # of axes that lie along the grid, about
_SNAPPED_WORSE = 1.05  # how much worse the fit of a simpler centre or frame may be, squared
_SNAPS = (2, 8)  # parts of a voxel that centres are rounded to, where that is as good


@dataclass(frozen=True, eq=False)
class Guess:
    """A symmetry in floats.

    Attributes
    ----------
    group, centre, frame : see `Symmetry`; the centre in voxels, the frame as a matrix.
    rise, twist : of a helix, in voxels and in radians; 0 for a point group.
    turns : of a helix, how many of its steps are looked at together.
    """

    group: str
    centre: Float64Array
    frame: Float64Array
    rise: float = 0.0
    twist: float = 0.0
    turns: tuple[int, ...] = (1,)

    def symmetry(self) -> Symmetry:
        """Return the symmetry in integers."""
        frame = rotations.quaternion_of(self.frame)
        helix = (self.rise, math.degrees(self.twist)) if self.rise else ()
        return Symmetry.from_floats(self.group, self.centre.tolist(), frame, helix)

    def operations(self) -> list[tuple[Float64Array, Float64Array]]:
        """Return some operations: matrices, and shifts in voxels."""
        own = rotations.matrices(self.group) * 2.0**-MATRIX_BITS
        numbers = {1, len(own) // 2, len(own) - 1} if len(own) > 1 else set()
        out = [(self.frame @ own[n] @ self.frame.T, np.zeros(3)) for n in sorted(numbers)]
        axis = self.frame[:, 0]
        for turn in self.turns if self.rise else ():
            for way in (turn, -turn):
                # `_small_rotation` is left-handed where axes are in the order (z, y, x).
                out.append((_small_rotation(-way * self.twist * axis), way * self.rise * axis))
        return out


@dataclass(frozen=True, eq=False)
class Sample:
    """Voxels of a map by which symmetries are compared.

    Attributes
    ----------
    volume : coefficients of cubic splines, or densities where `order` is 1.
    places, values : of the voxels, (n, 3) and (n,).
    """

    volume: FloatArray
    places: Float64Array
    values: Float64Array
    order: int

    @classmethod
    def of(cls, volume: FloatArray, count: int, order: int) -> Sample:
        """Return so many voxels of a volume at most, those that are far from zero."""
        square = np.square(volume, dtype=np.float64)
        strong = np.flatnonzero(square > square.mean())
        if len(strong) > count:
            strong = strong[np.linspace(0, len(strong) - 1, count).astype(int)]
        places = np.stack(np.unravel_index(strong, volume.shape), axis=1).astype(float)
        values = volume.ravel()[strong].astype(float)
        own = ndimage.spline_filter(volume, 3, np.float32) if order == 3 else volume
        return cls(own, places, values, order)

    def residuals(self, guess: Guess) -> Float64Array:
        """Return how the densities differ from those of their images.

        A helix goes on beyond the map: images there count for nothing.
        """
        out = []
        limits = np.array(self.volume.shape) - 1
        for matrix, shift in guess.operations():
            images = (self.places - guess.centre) @ matrix.T + guess.centre + shift
            found = ndimage.map_coordinates(
                self.volume, images.T, order=self.order, prefilter=False, mode="constant"
            )
            wrong = found - self.values
            if shift.any():
                wrong[((images < 0) | (images > limits)).any(axis=1)] = 0
            out.append(wrong)
        return np.concatenate(out) if out else np.zeros(1)

    def misfit(self, guess: Guess) -> float:
        """Return the mean square of the residuals, as a share of that of the densities."""
        power = float(np.mean(np.square(self.values))) or 1.0
        return float(np.mean(np.square(self.residuals(guess)))) / power


def refined(guess: Guess, sample: Sample) -> Guess:
    """Return the symmetry whose residuals are the least, near a guess."""
    radius = float(np.sqrt(np.mean(np.square(sample.places - guess.centre)) * 3)) or 1.0

    def moved(numbers: Float64Array) -> Guess:
        turn = _small_rotation(numbers[:3] / radius)
        better = replace(guess, centre=guess.centre + numbers[3:6], frame=turn @ guess.frame)
        if not guess.rise:
            return better
        rise, twist = numbers[6:] / max(guess.turns)
        return replace(better, rise=guess.rise + rise, twist=guess.twist + twist / radius)

    start = np.zeros(8 if guess.rise else 6)
    found = optimize.least_squares(
        lambda numbers: sample.residuals(moved(numbers)),
        start,
        diff_step=1e-2,
        x_scale=1.0,
        method="trf",
        max_nfev=_TRIES,
        bounds=(start - 8, start + 8),
    )
    return moved(found.x)


def simplified(guess: Guess, sample: Sample) -> Guess:
    """Return a symmetry with axes along the grid and a round centre, where that fits as well."""
    limit = sample.misfit(guess) * _SNAPPED_WORSE + 1e-12
    axes = np.zeros((3, 3))
    order = np.abs(guess.frame).argmax(axis=0)
    axes[order, range(3)] = np.sign(guess.frame[order, range(3)])
    along = len(set(order)) == 3 and bool(np.abs(axes - guess.frame).max() < _SNAP_ANGLE)
    main = along or abs(guess.frame[order[0], 0]) > 1 - _SNAP_ANGLE**2 / 2
    if main and guess.group[0] == "C":  # any directions at right angles to the axis will do
        axes = _about(order[0])
        along = True
    frames = [axes, guess.frame] if along else [guess.frame]
    for frame in frames:
        for parts in _SNAPS:
            centre = np.rint(guess.centre * parts) / parts
            simple = replace(guess, frame=frame, centre=centre)
            if sample.misfit(simple) <= limit:
                return simple
        if frame is not guess.frame:
            simple = replace(guess, frame=frame)
            if sample.misfit(simple) <= limit:
                return simple
    return guess


def _about(axis: int) -> Float64Array:
    """Return the simplest frame whose main axis is an axis of the grid."""
    return np.roll(np.eye(3), axis, axis=0)


def _small_rotation(vector: Sequence[float] | Float64Array) -> Float64Array:
    """Return the rotation by a vector, (z, y, x), whose length is its angle."""
    a, b, c = vector
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3) + cross
    return (
        np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * (cross @ cross)
    )
