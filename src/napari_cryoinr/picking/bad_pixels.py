"""Pixels of a micrograph that show nothing: dead and saturated ones, borders, bands, hot pixels.

Detectors and programs that align frames leave borders, gaps and areas of one value. They are found
by runs of equal pixels along rows and columns, which images that show something do not have. Hot
pixels are those far from all around them.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from ..support.array_types import AnyArray, BoolArray, Float32Array

_RUN = 24  # equal pixels in a row or a column, at least
_CHANCE = 1e-3  # of a run where pixels are random: of few electrons most pixels are equal
_BLOCK = 16  # pixels along the sides of blocks, each of which has one background
_SAMPLED = 4  # every fourth pixel along each axis tells a block's median
_HOT = 8.0  # standard deviations from the background of the block
_MOST_HOT = 1e-4  # share of the pixels
_PASSES = 3


def dead_pixels(data: Float32Array) -> BoolArray | None:
    """Return which pixels lie in a run of equal ones, shape (y, x); None if there are none."""
    along, across = _in_runs(data), _in_runs(data.T)
    if along is None and across is None:
        return None
    dead = np.zeros(data.shape, bool)
    for found in (along, None if across is None else across.T):
        if found is not None:
            dead |= found
    # Nothing is left of a constant image; what remains is refused elsewhere.
    return None if dead.all() else dead


def cleaned(data: Float32Array, dead: BoolArray | None) -> Float32Array:
    """Return an image with the background in place of dead and of hot pixels.

    `dead` is None where there are none. The background is the median of a block of pixels, in
    blocks without any pixel that shows something that of the nearest one.
    """
    background, known = _block_medians(data, dead)
    if not known.all():
        nearest = ndimage.distance_transform_edt(
            ~known, return_distances=False, return_indices=True
        )
        background = background[tuple(nearest)]
    columns = np.arange(data.shape[1]) // _BLOCK
    away = np.empty_like(data)
    for row, level in enumerate(background):
        part = slice(row * _BLOCK, (row + 1) * _BLOCK)
        np.subtract(data[part], level[columns], out=away[part])
    replaced = _outliers(away, dead)
    if dead is not None:
        replaced |= dead
    out = data.copy()
    for row, level in enumerate(background):
        part = slice(row * _BLOCK, (row + 1) * _BLOCK)
        np.copyto(out[part], level[columns], where=replaced[part])
    return out


def _outliers(away: Float32Array, dead: BoolArray | None) -> BoolArray:
    """Return which pixels are hot, by their distance from the background, shape (y, x).

    A few very hot ones hide others at first. Where there are many, they are no defects: in a frame
    of few electrons each of these is far from the background.
    """
    squares = np.square(away)
    shown = away.size if dead is None else away.size - np.count_nonzero(dead)
    if dead is not None:
        squares[dead] = 0
    out = np.zeros(away.shape, bool)
    for _ in range(_PASSES):
        variance = squares.sum(dtype=np.float64, where=~out) / max(shown, 1)
        found = squares > np.float32(_HOT**2 * variance)
        if np.count_nonzero(found) > _MOST_HOT * away.size:
            break
        out = found
    return out


def _in_runs(data: AnyArray) -> BoolArray | None:
    """Return which pixels lie in a run of equal ones along the second axis; None if none do."""
    columns = data.shape[1]
    found, many = data[:, 1:] == data[:, :-1], 1
    share = np.count_nonzero(found) / found.size
    if not 0 < share < 1:
        return None
    # At most the root of it have one value, where pixels are random.
    usual = math.ceil(2 * math.log(_CHANCE / data.size) / math.log(share))
    length = min(_RUN, columns) if usual < _RUN else usual
    if length > columns:  # by chance, whole rows may be equal
        return None
    # Where so many pairs of neighbours in a row are equal, in steps that double.
    while many < length - 1:
        further = min(many, length - 1 - many)
        found = found[:, :-further] & found[:, further:]
        many += further
    if not found.any():
        return None
    inside = np.zeros(data.shape, bool)
    inside[:, : found.shape[1]] = found  # where runs begin
    reached = 1
    while reached < length:
        further = min(reached, length - reached)
        inside[:, further:] |= inside[:, :-further].copy()
        reached += further
    return inside


def _block_medians(data: Float32Array, dead: BoolArray | None) -> tuple[Float32Array, BoolArray]:
    """Return the median of every block, and in which blocks a pixel shows something."""
    counts = [-(-n // _BLOCK) for n in data.shape]
    inside = _BLOCK // _SAMPLED
    # Pixels beyond the edges, and dead ones, count as unknown.
    sample = np.full([n * inside for n in counts], np.nan, np.float32)
    taken = data[::_SAMPLED, ::_SAMPLED].astype(np.float32)
    if dead is not None:
        taken = np.where(dead[::_SAMPLED, ::_SAMPLED], np.float32(np.nan), taken)
    sample[: taken.shape[0], : taken.shape[1]] = taken
    blocks = sample.reshape(counts[0], inside, counts[1], inside).transpose(0, 2, 1, 3)
    ordered = np.sort(blocks.reshape(*counts, inside**2), axis=-1)  # NaN comes last
    known = np.isfinite(ordered).sum(-1)
    middle = np.maximum(known - 1, 0) // 2
    return np.take_along_axis(ordered, middle[..., None], -1)[..., 0], known > 0
