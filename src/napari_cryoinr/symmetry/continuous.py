"""Symmetries in continuous coordinates: any point group, any axis and centre, and helices.

Everything that decides where a position is folded to is done in integers, so that every machine
agrees on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..support.array_types import BoolArray, Float64Array, Int64Array, Triple
from ..support.regions import pieces
from . import rotations
from .rotations import MATRIX_BITS

POSITION_BITS = 12
"""Positions, centres and rises are in 2^-POSITION_BITS voxel."""

TWIST_BITS = 24
_UNIT = 2.0**POSITION_BITS
_FURTHEST = 1 << 24  # of positions from the centre: products of coordinates stay below 2^53
_PIECE = 1 << 15  # positions that are folded together
# A direction in the middle of the asymmetric unit of each kind of group, (z, y, x): that holds
# what is nearer to it than to its images.
_MIDDLES = {"C": (0, 0, 1), "D": (1, 0, 1), "T": (0, 5, 8), "O": (2, 3, 6), "I": (6, 12, 11)}
_MIDDLE_BITS = 10
_LEAST_RISE = 1 << (POSITION_BITS - 2)  # a quarter of a voxel
_PRIMES = (2, 3, 5, 7, 11, 13, 17)


@dataclass(frozen=True)
class Symmetry:
    """A point group about a centre, or a helix with one.

    Attributes
    ----------
    group : its name; of a helix that of the rotations about its axis, C1 for none.
    centre : (z, y, x), in 2^-POSITION_BITS voxel from the first voxel.
    frame : how the axes of the group are turned, see `rotations.matrices`.
    rise, twist : of a helix, along the main axis in 2^-POSITION_BITS voxel, and about it in
        2^-TWIST_BITS turns; 0 for a point group.

    Raises
    ------
    ValueError
        if there is no such group, or a number is out of its range.
    """

    group: str
    centre: tuple[int, int, int]
    frame: tuple[int, ...] = ()
    rise: int = 0
    twist: int = 0

    def __post_init__(self) -> None:
        if not rotations.is_group(self.group):
            raise ValueError(f"symmetry {self.group}: C1 to C99, D1 to D99, T, O or I")
        if len(self.frame) not in (0, 4) or (self.frame and not any(self.frame)):
            raise ValueError(f"symmetry: the frame {self.frame} is no quaternion")
        if max(map(abs, (*self.frame, self.twist)), default=0) > 1 << TWIST_BITS:
            raise ValueError("symmetry: a number of the frame, or the twist, is too large")
        if max(map(abs, self.centre)) > _FURTHEST:
            raise ValueError("symmetry: the centre is too far away")
        if self.rise and not _LEAST_RISE <= self.rise <= _FURTHEST:
            raise ValueError("symmetry: the rise is less than a quarter of a voxel, or too large")
        if self.rise and self.group[0] != "C":
            raise ValueError(f"symmetry: a helix with the group {self.group}: C1 to C99")

    @classmethod
    def from_floats(
        cls,
        group: str,
        centre: Sequence[float],
        frame: Sequence[int] = (),
        helix: Sequence[float] = (),
    ) -> Symmetry:
        """Return a symmetry from its centre in voxels, and rise in voxels and twist in degrees.

        Raises
        ------
        ValueError
            if they describe none.
        """
        z, y, x = (round(c * _UNIT) for c in centre)
        rise, twist = helix or (0.0, 0.0)
        turns = round(twist / 360 * (1 << TWIST_BITS))
        return cls(group, (z, y, x), tuple(frame), round(rise * _UNIT), turns)

    def to_floats(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return centre and helix as `from_floats` takes them, in no more digits than it needs."""
        centre = tuple(round(c / _UNIT, 4) for c in self.centre)
        if not self.rise:
            return centre, ()
        turn = round(360 * self.twist / (1 << TWIST_BITS), 5)
        return centre, (round(self.rise / _UNIT, 4), turn)

    @property
    def order(self) -> int:
        """Operations of the point group, the identity too."""
        return len(self._matrices)

    def moved(self, shift: Sequence[int]) -> Symmetry:
        """Return it for positions that are so many voxels larger, (z, y, x)."""
        z, y, x = (c + (s << POSITION_BITS) for c, s in zip(self.centre, shift, strict=True))
        return replace(self, centre=(z, y, x))

    def subgroups(self) -> list[Symmetry]:
        """Return the largest ones in the same frame."""
        kind, fold = self.group[0], int(self.group[1:] or 0)
        names = [f"{kind}{fold // prime}" for prime in _PRIMES if fold % prime == 0]
        if kind == "D":
            names.append(f"C{fold}")
        if kind in "TOI":
            names = ["D2"] if kind != "O" else ["T", "D4"]
        return [replace(self, group=name) for name in names if name not in ("C1", "D1")]

    @property
    def axes(self) -> list[Triple]:
        """Directions of the main axis and, of groups that have others, of some of them."""
        count = {"C": 1, "D": 2}.get(self.group[0], 3)
        columns = rotations.rotation_of(self.frame).T[[0, 2, 1]][:count]
        return [(float(z), float(y), float(x)) for z, y, x in columns]

    def describe(self) -> str:
        """Return its name and its main axis in words."""
        main = np.array(self.axes[0])
        names = [
            name
            for name, unit in zip("zyx", np.eye(3), strict=True)
            if abs(float(main @ unit)) > 1 - 1e-6
        ]
        axis = names[0] if names else "({:.3f}, {:.3f}, {:.3f})".format(*main)
        if not self.rise:
            return f"{self.group} about {axis}"
        rise, turn = self.rise / _UNIT, 360 * self.twist / 2.0**TWIST_BITS
        own = "" if self.group == "C1" else f", {self.group}"
        return f"helix about {axis}{own}: rise {rise:.3f} voxels, twist {turn:.3f}°"

    def fold(self, positions: Float64Array) -> Float64Array:
        """Return where the function of the asymmetric unit is asked for positions, (n, 3).

        Positions are rounded to 2^-POSITION_BITS voxel; what is returned is exact.
        """
        out = np.empty_like(positions)
        for part in pieces(len(positions), _PIECE):
            place = np.rint(positions[part] * _UNIT) - self.centre
            np.clip(place, -_FURTHEST, _FURTHEST, out=place)
            folded = self._folded(place)
            out[part] = (folded * 2.0**-MATRIX_BITS + self.centre) / _UNIT
        return out

    def is_own(self, positions: Float64Array) -> BoolArray:
        """Return which positions, (n, 3), are in the asymmetric unit."""
        out = np.empty(len(positions), bool)
        for part in pieces(len(positions), _PIECE):
            place = np.rint(positions[part] * _UNIT) - self.centre
            own = self._best(place) == 0
            if self.rise:
                own &= self._turns(place) == 0
            out[part] = own
        return out

    def images(self, positions: Float64Array, reach: float) -> Iterator[Float64Array]:
        """Yield the images of positions, (n, 3), under each operation; the identity is the first.

        `reach` : of a helix, how far along the axis its images go, in voxels.
        """
        place = positions - np.array(self.centre) / _UNIT
        matrices = self._matrices * 2.0**-MATRIX_BITS
        for turn in self._all_turns(reach):
            about, shift = self._screw(turn)
            for matrix in matrices:
                moved = place @ (about * 2.0**-MATRIX_BITS @ matrix).T
                yield moved + (shift * 2.0**-MATRIX_BITS + self.centre) / _UNIT

    @cached_property
    def _matrices(self) -> Float64Array:
        return rotations.matrices(self.group, self.frame)

    @cached_property
    def _axis(self) -> Float64Array:
        """The direction of the main axis, in 2^-MATRIX_BITS."""
        return rotations.turned(self.frame, (1, 0, 0), MATRIX_BITS)

    @cached_property
    def _middles(self) -> Float64Array:
        """Images of the middle of the asymmetric unit, (operations, 3), in 2^-MATRIX_BITS."""
        middle = rotations.turned(self.frame, _MIDDLES[self.group[0]], _MIDDLE_BITS)
        return np.floor(np.einsum("gij,i->gj", self._matrices, middle) * 2.0**-_MIDDLE_BITS)

    def _best(self, place: Float64Array) -> Int64Array:
        """Return the operation that brings each place to the asymmetric unit."""
        return (place @ self._middles.T).argmax(axis=1)

    def _turns(self, place: Float64Array) -> Float64Array:
        """Return how many steps of the helix each place is from the middle."""
        along = place @ self._axis
        return np.floor(along / (self.rise * 2.0**MATRIX_BITS) + 0.5)

    def _all_turns(self, reach: float) -> list[int]:
        if not self.rise:
            return [0]
        most = math.ceil(reach * _UNIT / self.rise)
        return sorted(range(-most, most + 1), key=abs)

    def _screw(self, turn: int) -> tuple[Float64Array, Float64Array]:
        """Return rotation and translation of steps of the helix, in 2^-MATRIX_BITS."""
        angle = Fraction(turn * self.twist, 1 << TWIST_BITS)
        matrix = rotations.about_main_axis(angle, self.frame)
        return matrix, turn * self.rise * self._axis

    def _folded(self, place: Float64Array) -> Float64Array:
        if not self.rise:
            return self._in_unit(place)
        out = np.empty_like(place)
        turns = self._turns(place)
        for turn in np.unique(turns):
            chosen = turns == turn
            matrix, shift = self._screw(-int(turn))
            # Rounded to the unit of positions again, so that the next products are exact.
            moved = np.rint((place[chosen] @ matrix.T + shift) * 2.0**-MATRIX_BITS)
            out[chosen] = self._in_unit(moved)
        return out

    def _in_unit(self, place: Float64Array) -> Float64Array:
        out = np.empty_like(place)
        best = self._best(place)
        for number in np.unique(best):
            chosen = best == number
            out[chosen] = place[chosen] @ self._matrices[number].T
        return out
