"""The lapped basis: from latents to voxels, and to coarser voxels, along one axis at a time.

Along an axis the voxels are cut into blocks of side B, and each block has B latents. Its basis
functions reach half a block into both neighbours (a lapped orthogonal transform; Malvar and
Staelin, IEEE Trans. ASSP 37, 1989, in the factorisation of Tran, Liang and Tu, IEEE Trans. SP 51,
2003): voxels = joins(blocks(latents)), where `blocks` is an orthogonal matrix within each block
and `joins` one across each boundary. Both matrices are learned (`pretrained`). In three dimensions
the basis is the product of those of the axes.

Everything is in integers (`separable_sums`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...support.array_types import Float32Array, Float64Array, Int64Array
from ..separable_sums import MATRIX_BITS, VALUE_BITS
from .pretrained import pretrained

STORED_BITS = 16  # a basis function's 1.0 in the pretrained matrices


@dataclass(frozen=True)
class Basis:
    """Which basis: side of a block, one of `pretrained.SHAPES`, edition of the trained parts."""

    block: int
    shape: str
    edition: int


@lru_cache(maxsize=64)
def _piece(basis: Basis, first: bool, last: bool) -> Int64Array:
    """Return the functions of a block, shape (2 B, B); they reach half a block beyond it."""
    block = basis.block
    blocks, joins = pretrained(basis.edition).transforms[block, basis.shape]
    half = block // 2
    out = np.zeros((2 * block, block), np.int64)
    if first:
        out[half:block] = blocks[:half] << STORED_BITS
    else:
        out[:block] = joins[:, half:] @ blocks[:half]
    if last:
        out[block : block + half] = blocks[half:] << STORED_BITS
    else:
        out[block:] = joins[:, :half] @ blocks[half:]
    bits = 2 * STORED_BITS - MATRIX_BITS
    return (out + (1 << (bits - 1))) >> bits


def touching(block: int, count: int, start: int, stop: int) -> tuple[int, int]:
    """Return the range of blocks, out of `count`, whose functions reach voxels start to stop."""
    half = block // 2
    return max(0, (start - half) // block), min(count, -(-(stop + half) // block))


@lru_cache(maxsize=64)
def axis_matrix(
    basis: Basis, count: int, start: int, stop: int, side: int = 1, voxels: int | None = None
) -> tuple[int, int, Float64Array]:
    """Return (first block, block behind the last, matrix) for some voxels of an axis.

    Parameters
    ----------
    count : blocks along the axis.
    start, stop : voxels; where `side` is above 1, groups of that many voxels.
    side : rows are means over so many voxels; the last group may have fewer.
    voxels : of the axis; by default all that the blocks cover.

    Returns
    -------
    The matrix has a row for each voxel or group and B columns for each block; integers,
    2^MATRIX_BITS for 1.
    """
    block = basis.block
    end = count * block if voxels is None else voxels
    low, high = start * side, min(stop * side, end)
    first, last = touching(block, count, low, high)
    offset = first * block - block // 2
    rows = np.zeros(((last - first + 1) * block, (last - first) * block), np.int64)
    for number in range(first, last):
        at = (number - first) * block
        piece = _piece(basis, number == 0, number == count - 1)
        rows[at : at + 2 * block, at : at + block] += piece
    matrix = rows[low - offset : high - offset]
    if side > 1:
        starts = np.arange(0, len(matrix), side)
        sizes = np.diff(np.append(starts, len(matrix)))
        matrix = np.add.reduceat(matrix, starts, axis=0) // sizes[:, None]
    return first, last, matrix.astype(np.float64)


def as_decoded(voxels: Float32Array, step: float) -> Float32Array:
    """Round voxels that were computed in floats as `synthesise` does."""
    unit = step * 2.0**-VALUE_BITS
    return np.rint(voxels * np.float32(1 / unit)) * np.float32(unit)
