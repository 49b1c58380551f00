"""Coarser levels of a map: level k has a voxel for each block of 2^k voxels along each axis."""

from __future__ import annotations

import math

import numpy as np

from ..errors import CinrError
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Region
from .decoding import Decoder
from .residual import BRICK

_MAX_LEVEL = 16
_MEAN_BYTES = 16  # for each voxel of full resolution that is averaged


def level_shape(shape: tuple[int, int, int], level: int) -> tuple[int, int, int]:
    """Return the shape (z, y, x) at a level; the last block along an axis may be cut off.

    Raises
    ------
    CinrError
        For a level that is out of range.
    """
    if not 0 <= level <= _MAX_LEVEL:
        raise CinrError(f"level {level}: must be 0 (full resolution) to {_MAX_LEVEL}")
    z, y, x = (-(-n // 2**level) for n in shape)
    return z, y, x


def coarse_bytes(decoder: Decoder, box: Region, level: int) -> int:
    """Return the memory that `coarse_steps` takes, its result included."""
    side = 2**level
    z = slice(box[0].start, min(box[0].start + max(1, BRICK // side), box[0].stop))
    fine = _fine(decoder, (z, box[1], box[2]), side)
    out = 4 * math.prod(s.stop - s.start for s in box)
    if decoder.residual is None and decoder.mask is None:
        short = decoder.representation.coarse_steps(box, level, Clock())
        if short is not None:
            return 3 * out
    return out + _MEAN_BYTES * math.prod(s.stop - s.start for s in fine) + decoder.bytes_for(fine)


def coarse_steps(decoder: Decoder, box: Region, level: int, clock: Clock) -> Steps[Float32Array]:
    """Decode a box of a coarser level, shape (z, y, x); see `Member.read`.

    Slabs are as thick as a brick of the residual stream, so that each is decoded once.
    """
    side = 2**level
    thickness = max(1, BRICK // side)
    out = np.empty([s.stop - s.start for s in box], np.float32)
    first = box[0].start
    while first < box[0].stop:
        last = min((first // thickness + 1) * thickness, box[0].stop)
        slab = (slice(first, last), box[1], box[2])
        rows = slice(first - box[0].start, last - box[0].start)
        out[rows] = yield from _slab_steps(decoder, slab, level, clock)
        yield Progress("decoding", rows.stop, len(out), clock.seconds)
        first = last
    return out


def _slab_steps(decoder: Decoder, slab: Region, level: int, clock: Clock) -> Steps[Float32Array]:
    side = 2**level
    model, mask = decoder.representation, decoder.mask
    if decoder.residual is None:
        if model.pointwise and mask is not None:
            return _from_centres(decoder, mask, slab, side)
        short = None if mask is not None else model.coarse_steps(slab, level, clock)
        if short is not None:
            means = yield from short
            return (means * decoder.scale).astype(np.float32)
    voxels = yield from decoder.read_steps(_fine(decoder, slab, side), clock)
    return block_mean(voxels, side)


def _fine(decoder: Decoder, slab: Region, side: int) -> Region:
    """Return the voxels of full resolution that a box of a coarser level covers."""
    z, y, x = (
        slice(s.start * side, min(s.stop * side, n))
        for s, n in zip(slab, decoder.shape, strict=True)
    )
    return z, y, x


def _from_centres(decoder: Decoder, mask: BoolArray, slab: Region, side: int) -> Float32Array:
    """Mix the model's density at the centre of each block with the background, by occupancy."""
    share = block_mean(mask[_fine(decoder, slab, side)].astype(np.float32), side)
    out = np.full(share.shape, np.float32(decoder.background))
    occupied = np.nonzero(share)
    places = np.stack([w + s.start for w, s in zip(occupied, slab, strict=True)], axis=1)
    # The last block along an axis may be cut off: its centre is that of what is left.
    ends = np.minimum((places + 1) * side, decoder.shape)
    part = share[occupied]
    out[occupied] = part * decoder.at((places * side + ends - 1) / 2) + (1 - part) * out[occupied]
    return out


def block_mean(values: Float32Array, side: int) -> Float32Array:
    """Average over blocks of side^3 voxels; blocks at the end may be smaller."""
    total = values.astype(np.float64)
    count = np.ones((1, 1, 1))
    for axis, size in enumerate(values.shape):
        starts = np.arange(0, size, side)
        total = np.add.reduceat(total, starts, axis=axis)
        sizes = np.diff(np.append(starts, size))
        count = count * sizes.reshape([-1 if a == axis else 1 for a in range(3)])
    return (total / count).astype(np.float32)
