"""Sums of products of functions along the axes, in integers: from latents to voxels.

Everything is in integers that float64 holds exactly, so that the voxels are the same on every
machine, whatever the order of sums.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from ..support.array_types import Float64Array, FloatArray
from ..support.regions import pieces

MATRIX_BITS = 12  # a basis function's 1.0
VALUE_BITS = 8  # a latent's 1 while it is transformed
MAX_LATENT = 1 << 20
# The magnitudes of a row sum to less than 5 along each axis, less than 2^7 in all: with latents of
# at most 2^10 no sum reaches 2^53.
_DIGIT_BITS = 10
_BAND = 32  # voxels of an axis at a time: few columns reach them
_PIECE = 1 << 16  # voxels
_ROUNDED_BITS = 3 * MATRIX_BITS - VALUE_BITS


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
        if axis == 2:  # as one matrix, whose lines are those of all planes
            lines = values.reshape(-1, values.shape[2])[:, columns]
            np.matmul(lines, matrix.T, out=out.reshape(-1, shape[2])[:, rows])
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
