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
_BAND = 16  # voxels of an axis at a time, about: few columns reach them
_PIECE = 1 << 15  # voxels
_ROUNDED_BITS = 3 * MATRIX_BITS - VALUE_BITS

_Band = tuple[slice, slice, Float64Array]
"""Rows of a matrix, the columns that are not zero there, and this part of it."""


def synthesise(
    latents: Float64Array,
    matrices: Sequence[Float64Array],
    out: FloatArray,
    unit: float = 1.0,
    base: float = 0.0,
    block: int = _BAND,
    offsets: Sequence[int] = (0, 0, 0),
) -> None:
    """Compute voxels from latents: integers, exactly, times `unit` plus `base`.

    Parameters
    ----------
    latents : integers along (z, y, x); along each axis block by block, B frequencies each.
    matrices : of the axes z, y, x; see `axis_matrix`.
    out : where the voxels are written, (z, y, x).
    unit : what 2^-VALUE_BITS of a latent stands for.
    block, offsets : along each axis, the columns that count change after so many voxels, for the
        first time after so many less than that. It matters to the time alone.
    """
    if not out.size:
        return
    digits = [latents]
    scale = 2.0**_DIGIT_BITS
    if np.abs(latents).max(initial=0) > scale:
        # Larger ones in two digits, so that a voxel does not depend on the latents of others.
        high = np.floor(latents * (1 / scale) + 0.5)
        digits = [high, latents - high * scale]
    size = max(1, round(_BAND / block)) * block
    along_z, along_y, along_x = (
        list(bands_of(matrix, size, offset))
        for matrix, offset in zip(matrices, offsets, strict=True)
    )
    stages = [_Planes(digit, along_y, along_x) for digit in digits]
    # In pieces that stay in the cache.
    lines = max(1, _PIECE // (size * out.shape[2]))
    for rows, columns, matrix in along_z:
        planes = [stage.read(columns) for stage in stages]
        for part in pieces(out.shape[1], lines):
            sums = [matrix @ plane[:, part].reshape(matrix.shape[1], -1) for plane in planes]
            values = _rounded(sums)
            values *= unit
            values += base
            with np.errstate(over="ignore"):  # infinite beyond float32, and clipped by `snap`
                out[rows, part] = values.reshape(out[rows, part].shape)


def bands_of(matrix: Float64Array, size: int, offset: int = 0, unit: int = 1) -> Iterator[_Band]:
    """Yield (rows, columns, part) of a matrix: `size` rows at a time, and what is not zero there.

    The first part lacks `offset` rows. Columns come in whole groups of `unit`.
    """
    starts = [0, *range(size - offset, len(matrix), size)]
    for start, stop in itertools.pairwise([*starts, len(matrix)]):
        used = np.flatnonzero(matrix[start:stop].any(axis=0)) // unit * unit
        columns = slice(int(used[0]), int(used[-1]) + unit) if len(used) else slice(0, unit)
        yield slice(start, stop), columns, np.ascontiguousarray(matrix[start:stop, columns])


class _Planes:
    """Sums of planes of latents along x and y, of which only a few are there at a time."""

    def __init__(self, latents: Float64Array, along_y: list[_Band], along_x: list[_Band]) -> None:
        self._latents, self._along_y, self._along_x = latents, along_y, along_x
        self._known, self._sums = slice(0, 0), np.empty((0, 0, 0))

    def read(self, planes: slice) -> Float64Array:
        """Return the sums of some planes; those of the call before are not made again."""
        known, there = self._known, 0
        sums = np.empty((planes.stop - planes.start, _rows(self._along_y), _rows(self._along_x)))
        if known.start <= planes.start < known.stop:
            there = min(known.stop, planes.stop) - planes.start
            first = planes.start - known.start
            sums[:there] = self._sums[first : first + there]
        if there < len(sums):
            rows = _along_x(self._along_x, self._latents[planes.start + there : planes.stop])
            for target, source, matrix in self._along_y:
                np.matmul(matrix, rows[:, source], out=sums[there:, target])
        self._known, self._sums = planes, sums
        return sums


def _rows(bands: list[_Band]) -> int:
    """Return how many rows there are in all bands."""
    return bands[-1][0].stop


def _along_x(bands: list[_Band], values: Float64Array) -> Float64Array:
    """Return products with a matrix along x."""
    lines = values.reshape(-1, values.shape[2])  # of all planes
    out = np.empty((len(lines), _rows(bands)))
    for rows, columns, matrix in bands:
        np.matmul(lines[:, columns], matrix.T, out=out[:, rows])
    return out.reshape(*values.shape[:2], -1)


def _rounded(sums: list[Float64Array]) -> Float64Array:
    """Return sums of one digit or two, times 2^VALUE_BITS and rounded to integers; changes them."""
    *high, low = sums
    if high:
        low += 2.0 ** (_ROUNDED_BITS - 1)
        low *= 2.0**-_DIGIT_BITS
        high[0] += np.floor(low, out=low)
        high[0] *= 2.0 ** (_DIGIT_BITS - _ROUNDED_BITS)
        return np.floor(high[0], out=high[0])
    low *= 2.0**-_ROUNDED_BITS
    low += 0.5
    return np.floor(low, out=low)
