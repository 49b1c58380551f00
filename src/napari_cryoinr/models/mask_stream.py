"""The stream of a mask: the point group of the mask, then the mask coded with its help.

A stream is: number of integers that give the group (uint8: 0, 4 or 8), these (int32 each; see
`GridSymmetry.to_ints`), the coded mask (see `coding.masks`).
"""

from __future__ import annotations

import math

import numpy as np

from ..coding.masks import decode_mask, encode_mask
from ..progress import Clock, drain
from ..support.array_types import BoolArray, Int64Array
from ..symmetry.detection import detect_symmetry_steps
from ..symmetry.point_groups import GridSymmetry

_FLAWS = 0.03  # voxels, relative to those of the mask, that a symmetry may have wrong


def pack_mask(mask: BoolArray) -> bytes:
    """The stream of a mask, with the symmetry of the mask where that makes it smaller."""
    best = bytes([0]) + encode_mask(mask)
    tolerance = math.sqrt(_FLAWS * np.count_nonzero(mask) / mask.size)
    found = detect_symmetry_steps(
        mask.astype(np.float32), None, (1.0, 1.0, 1.0), tolerance, Clock()
    )
    symmetry = drain(found)
    if symmetry is not None:
        integers = np.array(symmetry.to_ints(), "<i4")
        coded = encode_mask(mask, _owners(symmetry, mask.shape))
        best = min(best, bytes([integers.size]) + integers.tobytes() + coded, key=len)
    return best


def unpack_mask(data: bytes, shape: tuple[int, ...]) -> BoolArray:
    """The mask of a stream.

    Raises
    ------
    ValueError, AssertionError
        if the bytes are no such stream; AssertionError is what the range coder raises.
    """
    count = data[0] if data else 0
    if count not in (0, 4, 8) or len(data) < 1 + 4 * count:
        raise ValueError("no stream of a mask")
    symmetry = GridSymmetry.from_ints(np.frombuffer(data, "<i4", count, 1).tolist())
    owners = None if len(symmetry) == 1 else _owners(symmetry, shape)
    return decode_mask(data[1 + 4 * count :], shape, owners)


def _owners(symmetry: GridSymmetry, shape: tuple[int, ...]) -> Int64Array:
    z, y, x = (slice(0, n) for n in shape)
    return symmetry.representatives((z, y, x), shape)
