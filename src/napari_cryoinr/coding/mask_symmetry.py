"""Turns by quarters that leave a mask as it is, as many symmetric maps have them.

A turn goes about the voxel at half of each size, where reconstruction programs put the axes: two-
and fourfold axes along the edges of the box map voxels to voxels. Outside the volume is EMPTY.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from .mask_contexts import REACH, Indices, Mask, Shape, strides

Turn = npt.NDArray[np.int64]
_NEARLY = 0.95  # of the set voxels must be kept by a turn that is worth a try
_DOUBT = 1000  # voxels: a turn is dropped early only if it misses by more than this


def _turns() -> list[Turn]:
    """The 23 rotations of the cube beside the identity, as signed permutations (3, 3)."""
    found = []
    for axes, signs in itertools.product(
        itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)
    ):
        turn = np.eye(3, dtype=np.int64)[list(axes)] * np.array(signs)[:, None]
        if round(np.linalg.det(turn)) == 1:
            found.append(turn)
    return found[1:]


TURNS = _turns()


def fits(turn: Turn, shape: Shape) -> bool:
    """Whether the turn only swaps axes of one size."""
    return bool(np.array_equal(np.abs(turn) @ np.array(shape), shape))


def turned(turn: Turn, places: tuple[Indices, Indices, Indices], shape: Shape) -> list[Indices]:
    """Where the turn takes voxels (z, y, x): at most one voxel outside the volume."""
    centre = np.array(shape) // 2
    shift = centre - turn @ centre
    return [
        int(sign) * places[axis] + shift[row]
        for row, axis, sign in zip(
            range(3), np.abs(turn).argmax(axis=1), turn.sum(axis=1), strict=True
        )
    ]


def kept(turn: Turn, mask: Mask, places: tuple[Indices, Indices, Indices]) -> int:
    """How many of the set voxels, at `places`, the turn takes to set voxels."""
    images = turned(turn, places, mask.shape)
    inside = np.ones(len(places[0]), bool)
    for image, size in zip(images, mask.shape, strict=True):
        inside &= (image >= 0) & (image < size)
    z, y, x = (image[inside] for image in images)
    return int(np.count_nonzero(mask[z, y, x]))


def symmetries(mask: Mask) -> tuple[list[int], list[int]]:
    """Numbers of the turns that keep the mask: exactly, and nearly or exactly.

    They are sought layer by layer, so that memory stays small.
    """
    fitting = [number for number, turn in enumerate(TURNS) if fits(turn, mask.shape)]
    total, same = 0, dict.fromkeys(fitting, 0)
    for z, layer in enumerate(mask):
        y, x = np.nonzero(layer)
        total += y.size
        places = (np.full(y.size, z), y, x)
        for number in fitting:
            same[number] += kept(TURNS[number], mask, places)
        fitting = [n for n in fitting if same[n] >= _NEARLY * total - _DOUBT]
    exact = [number for number in fitting if total and same[number] == total]
    return exact, [number for number in fitting if total and same[number] >= _NEARLY * total]


class Images:
    """Looks up what is known of a voxel's images in a widened grid of states."""

    def __init__(self, numbers: list[int], shape: Shape, wide: Shape) -> None:
        self._shape, self._step = shape, strides(wide)
        self._turns = [TURNS[number] for number in numbers]

    def known(
        self, states: npt.NDArray[np.int8], places: tuple[Indices, Indices, Indices]
    ) -> npt.NDArray[np.int8]:
        """The state of the first image that is known; UNKNOWN where none is."""
        found = np.zeros(len(places[0]), np.int8)
        for turn in self._turns:
            z, y, x = turned(turn, places, self._shape)
            flat = z * self._step[0] + y * self._step[1] + x + REACH * self._step.sum()
            found = np.where(found == 0, states[flat], found)
        return found
