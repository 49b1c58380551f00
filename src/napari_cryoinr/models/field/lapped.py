"""The lapped basis: from latents to voxels, and to coarser voxels, along one axis at a time.

Along an axis the voxels are cut into blocks of side B, and each block has B latents. Its basis
functions reach half a block into both neighbours (a lapped orthogonal transform; Malvar and
Staelin, IEEE Trans. ASSP 37, 1989, in the factorisation of Tran, Liang and Tu, IEEE Trans. SP 51,
2003): voxels = joins(blocks(latents)), where `blocks` is an orthogonal matrix within each block
and `joins` one across each boundary. Both matrices are learned (`pretrained`). In three dimensions
the basis is the product of those of the axes.

Everything is in integers that float64 holds exactly, so that the voxels are the same on every
machine, whatever the order of sums.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...support.array_types import Float32Array, Float64Array, FloatArray, Int64Array
from ...support.regions import pieces
from .pretrained import pretrained

MATRIX_BITS = 12  # a basis function's 1.0
STORED_BITS = 16  # the same in the pretrained matrices
VALUE_BITS = 8  # a latent's 1 while it is transformed
MAX_LATENT = 1 << 20
# The magnitudes of a row sum to less than 5 along each axis, less than 2^7 in all: with latents of
# at most 2^10 no sum reaches 2^53.
_DIGIT_BITS = 10
_BAND = 32  # voxels of an axis at a time: few blocks reach them
_PIECE = 1 << 16  # voxels
_ROUNDED_BITS = 3 * MATRIX_BITS - VALUE_BITS


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


def synthesise(
    latents: Float64Array,
    matrices: Sequence[Float64Array],
    out: FloatArray,
    unit: float = 1.0,
    base: float = 0.0,
) -> None:
    """Compute voxels from latents: integers, exactly, times `unit` plus `base`.

    Parameters
    ----------
    latents : integers along (z, y, x); along each axis block by block, B frequencies each.
    matrices : of the axes z, y, x; see `axis_matrix`.
    out : where the voxels are written, (z, y, x).
    unit : what 2^-VALUE_BITS of a latent stands for.
    """
    if not out.size:
        return
    digits = [latents]
    scale = 2.0**_DIGIT_BITS
    if np.abs(latents).max(initial=0) > scale:
        # Larger ones in two digits, so that a voxel does not depend on the latents of others.
        high = np.floor(latents * (1 / scale) + 0.5)
        digits = [high, latents - high * scale]
    along_z, along_y, along_x = (list(bands_of(matrix, _BAND)) for matrix in matrices)
    planes = [_across(along_y, _across(along_x, digit, 2), 1) for digit in digits]
    # In pieces that stay in the cache.
    lines = max(1, _PIECE // (_BAND * out.shape[2]))
    for rows, columns, matrix in along_z:
        for part in pieces(out.shape[1], lines):
            sums = [matrix @ plane[columns, part].reshape(matrix.shape[1], -1) for plane in planes]
            values = _rounded(sums)
            values *= unit
            values += base
            with np.errstate(over="ignore"):  # infinite beyond float32, and clipped by `snap`
                out[rows, part] = values.reshape(out[rows, part].shape)


def bands_of(
    matrix: Float64Array, size: int, offset: int = 0, unit: int = 1
) -> Iterator[tuple[slice, slice, Float64Array]]:
    """Yield (rows, columns, part) of a matrix: `size` rows at a time, and what is not zero there.

    The first part lacks `offset` rows. Columns come in whole groups of `unit`.
    """
    starts = [0, *range(size - offset, len(matrix), size)]
    for start, stop in itertools.pairwise([*starts, len(matrix)]):
        used = np.flatnonzero(matrix[start:stop].any(axis=0)) // unit * unit
        columns = slice(int(used[0]), int(used[-1]) + unit) if len(used) else slice(0, unit)
        yield slice(start, stop), columns, np.ascontiguousarray(matrix[start:stop, columns])


def _across(
    bands: list[tuple[slice, slice, Float64Array]], values: Float64Array, axis: int
) -> Float64Array:
    """Return products with a matrix along the axis 1 or 2."""
    shape = list(values.shape)
    shape[axis] = bands[-1][0].stop
    out = np.empty(shape)
    for rows, columns, matrix in bands:
        if axis == 2:
            np.matmul(values[..., columns], matrix.T, out=out[..., rows])
        else:
            np.matmul(matrix, values[:, columns], out=out[:, rows])
    return out


def _rounded(sums: list[Float64Array]) -> Float64Array:
    """Return sums of one digit or two, times 2^VALUE_BITS and rounded to integers."""
    *high, low = sums
    low += 2.0 ** (_ROUNDED_BITS - 1)
    if not high:
        return np.floor(low * 2.0**-_ROUNDED_BITS)
    carried = high[0] + np.floor(low * 2.0**-_DIGIT_BITS)
    return np.floor(carried * 2.0 ** (_DIGIT_BITS - _ROUNDED_BITS))


def as_decoded(voxels: Float32Array, step: float) -> Float32Array:
    """Round voxels that were computed in floats as `synthesise` does."""
    unit = step * 2.0**-VALUE_BITS
    return np.rint(voxels * np.float32(1 / unit)) * np.float32(unit)
