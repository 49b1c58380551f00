"""Rotations of the point groups in integers, so that every machine agrees on them.

Matrices act on (z, y, x). The main axis of a group is z; a frame turns it elsewhere. Sines and
cosines come from power series in integers of any size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ..errors import SettingsError
from ..support.array_types import Float64Array

MATRIX_BITS = 24
"""Entries of `matrices` are in 2^-MATRIX_BITS: 2000 voxels from the centre that is 1e-4 voxel."""

MOST_FOLD = 17
"""Of the groups that are looked for."""

HELIX = "helix"
"""What may be asked for in place of a group: a rise and a twist that are found."""

_BITS = 80  # of the integers that the entries come from
_ONE = 1 << _BITS
_TERMS = 40  # of a power series
_NAME = re.compile(r"([CD])([1-9][0-9]?)|([TOI])")

Matrix = tuple[tuple[int, ...], ...]


def is_group(name: str) -> bool:
    """Return whether it is the name of a point group: C1 to C99, D1 to D99, T, O or I."""
    return _NAME.fullmatch(name) is not None


def check_symmetry(name: str, *others: str) -> None:
    """Raise `SettingsError` for what is neither auto, none, one of others nor a group's name."""
    words = ("auto", "none", *others)
    if name not in words and not is_group(name):
        listed = ", ".join(words)
        raise SettingsError(
            f"symmetry = {name!r}: must be {listed}, C1 to C99, D1 to D99, T, O or I"
        )


def cosine_and_sine(turns: Fraction) -> tuple[int, int]:
    """Return both of an angle in whole turns, in 2^-_BITS."""
    part = turns - round(turns)
    angle = 2 * _pi() * part.numerator // part.denominator
    sums, term = [0, 0], _ONE
    for number in range(_TERMS):
        sums[number % 2] += -term if number % 4 > 1 else term
        term = term * angle // (_ONE * (number + 1))
    return sums[0], sums[1]


@lru_cache(maxsize=64)
def matrices(name: str, frame: Sequence[int] = ()) -> Float64Array:
    """Return the rotations of a point group, the identity first.

    Parameters
    ----------
    name : see `is_group`.
    frame : a quaternion of integers (w, z, y, x) that turns the group's main axis, z, and, of
        groups that have others, its first other axis, x, to where they are; none for no turn.

    Returns
    -------
    Shape (operations, 3, 3), integers in 2^-MATRIX_BITS, for vectors (z, y, x).

    Raises
    ------
    ValueError
        if there is no such group, or the quaternion is zero.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"symmetry {name}: C1 to C99, D1 to D99, T, O or I")
    kind, fold, cubic = found.groups()
    if cubic:
        own = _closure(_CUBIC[cubic]())
    else:
        turns = [_about_z(Fraction(k, int(fold))) for k in range(int(fold))]
        own = turns if kind == "C" else turns + [_product(turn, _HALF_TURN_X) for turn in turns]
    turned = own if not frame else [_in_frame(one, frame) for one in own]
    return _rounded(turned)


def about_main_axis(turns: Fraction, frame: Sequence[int] = ()) -> Float64Array:
    """Return the rotation about the main axis of a frame, as in `matrices`."""
    own = _about_z(turns)
    return _rounded([own if not frame else _in_frame(own, frame)])[0]


def rotation_of(frame: Sequence[int]) -> Float64Array:
    """Return the matrix of a quaternion (w, z, y, x), in floats."""
    if not frame:
        return np.eye(3)
    return np.array([[float(v) for v in row] for row in _of_quaternion(frame)])


def turned(frame: Sequence[int], vector: Sequence[int], bits: int) -> Float64Array:
    """Return a vector of integers turned by a quaternion, rounded to 2^-bits: integers, exactly."""
    rows = _of_quaternion(frame or (1, 0, 0, 0))
    exact = [sum(a * b for a, b in zip(row, vector, strict=True)) for row in rows]
    return np.array([float(round(value * (1 << bits))) for value in exact])


def quaternion_of(matrix: Float64Array, largest: int = 1 << 15) -> tuple[int, ...]:
    """Return the integers of a quaternion whose matrix is about a rotation; () for none."""
    m = matrix
    square = np.array(
        [
            1 + m[0, 0] + m[1, 1] + m[2, 2],
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
        ]
    )
    most = int(np.argmax(square))
    # Products of the largest part with the others; signs as in `_of_quaternion`.
    rows = [
        [square[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], square[1], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
        [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], square[2], m[1, 2] + m[2, 1]],
        [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], square[3]],
    ]
    found = np.array(rows[most])
    whole = np.rint(found / np.abs(found).max() * largest).astype(int)
    if not whole[1:].any():
        return ()
    whole *= 1 if whole[np.flatnonzero(whole)[0]] > 0 else -1
    return tuple(int(v) for v in whole // math.gcd(*whole.tolist()))


@lru_cache(maxsize=1)
def _pi() -> int:
    """Return pi in 2^-_BITS (Machin's formula)."""
    guard = 16
    one = _ONE << guard

    def arctangent(inverse: int) -> int:
        power, total, number = one // inverse, 0, 1
        while power:
            total += power // number if number % 4 == 1 else -(power // number)
            power //= inverse * inverse
            number += 2
        return total

    return 4 * (4 * arctangent(5) - arctangent(239)) >> guard


def _about_z(turns: Fraction) -> Matrix:
    c, s = cosine_and_sine(turns)
    return (_ONE, 0, 0), (0, c, s), (0, -s, c)


_HALF_TURN_X: Matrix = (-_ONE, 0, 0), (0, -_ONE, 0), (0, 0, _ONE)
_THIRD: Matrix = (0, _ONE, 0), (0, 0, _ONE), (_ONE, 0, 0)  # about the diagonal


def _rounded(matrices: Sequence[Matrix]) -> Float64Array:
    shift = _BITS - MATRIX_BITS
    half = 1 << (shift - 1)
    return np.array(
        [[[(v + half) >> shift for v in row] for row in one] for one in matrices], float
    )


def _tetrahedral() -> list[Matrix]:
    return [_HALF_TURN_X, _THIRD]


def _octahedral() -> list[Matrix]:
    return [((_ONE, 0, 0), (0, 0, _ONE), (0, -_ONE, 0)), _THIRD]


def _icosahedral() -> list[Matrix]:
    """Return generators with two-fold axes along z, y and x."""
    half, golden = _ONE // 2, (_ONE + math.isqrt(5 << 2 * _BITS)) // 4
    short = golden - half
    fifth = ((short, half, golden), (-half, golden, -short), (-golden, -short, half))
    return [_HALF_TURN_X, _THIRD, fifth]


_CUBIC = {"T": _tetrahedral, "O": _octahedral, "I": _icosahedral}


def _closure(generators: Sequence[Matrix]) -> list[Matrix]:
    identity: Matrix = (_ONE, 0, 0), (0, _ONE, 0), (0, 0, _ONE)
    found, place = [identity], 0
    while place < len(found):
        for generator in generators:
            product = _product(generator, found[place])
            if not any(_alike(product, known) for known in found):
                found.append(product)
        place += 1
    return found


def _product(one: Matrix, other: Matrix) -> Matrix:
    columns = list(zip(*other, strict=True))
    return tuple(
        tuple(
            (sum(a * b for a, b in zip(row, column, strict=True)) + _ONE // 2) >> _BITS
            for column in columns
        )
        for row in one
    )


def _alike(one: Matrix, other: Matrix) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        abs(a - b) < _ONE >> 40 for row, known in pairs for a, b in zip(row, known, strict=True)
    )


def _in_frame(one: Matrix, frame: Sequence[int]) -> Matrix:
    turn: Matrix = tuple(
        tuple(v.numerator * _ONE // v.denominator for v in row) for row in _of_quaternion(frame)
    )
    back = tuple(zip(*turn, strict=True))
    return _product(turn, _product(one, back))


def _of_quaternion(frame: Sequence[int]) -> list[list[Fraction]]:
    w, a, b, c = frame
    norm = w * w + a * a + b * b + c * c
    if not norm:
        raise ValueError("symmetry: the frame is zero")
    rows = [
        [w * w + a * a - b * b - c * c, 2 * (a * b - w * c), 2 * (a * c + w * b)],
        [2 * (a * b + w * c), w * w - a * a + b * b - c * c, 2 * (b * c - w * a)],
        [2 * (a * c - w * b), 2 * (b * c + w * a), w * w - a * a - b * b + c * c],
    ]
    return [[Fraction(v, norm) for v in row] for row in rows]
