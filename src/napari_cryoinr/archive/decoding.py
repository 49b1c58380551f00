"""From model, occupancy and residual to voxels: one region at a time, at any level.

Level k has a voxel for each block of 2^k voxels along each axis. The same code runs when an archive
is read and when one is made, before its goal is checked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import CinrError
from ..maps import voxel_types
from ..maps.block_means import block_mean
from ..models.base import Representation
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Float64Array, Region
from ..support.regions import grown, pieces, region_shape, relative_to, whole_region
from .fading import faded, reach_of
from .header import MemberHeader
from .residual import BRICK, Residual, brick_aligned

_MAX_LEVEL = 16
_AT_A_TIME = 1 << 22  # voxels of which it is found at a time whether they are kept
_MEAN_BYTES = 16  # for each voxel of full resolution that is averaged
_FADING_BYTES = 24  # distances, weights, and the densities that they give
_VOXEL_BYTES = 12  # densities of the model, rounded to the mode, and the result
_SLAB_VOXELS = 1 << 23
_LEAST_IN_REACH = 4  # planes of a slab for each that it depends on beyond its own


@dataclass(frozen=True, eq=False)
class Decoder:
    """Decodes one member."""

    header: MemberHeader
    # occupied voxels, shape (z, y, x); None where the model alone says what a voxel is
    mask: BoolArray | None
    representation: Representation
    residual: Residual | None = None

    def slabs(self) -> list[slice]:
        """Return slices along z that are decoded one after the other where memory matters."""
        depth, height, width = self.header.shape
        if not self.representation.by_slabs:
            return [slice(0, depth)]
        reach = 0 if self.header.keep == "volume" else reach_of(self.header)
        planes = max(1, _SLAB_VOXELS // (height * width), _LEAST_IN_REACH * reach)
        if self.residual is not None:  # whose bricks are then decoded once
            planes = -(-planes // BRICK) * BRICK
        return pieces(depth, planes)

    def read_steps(self, region: Region, clock: Clock) -> Steps[Float32Array]:
        """Decode the voxels of a region: float32, in the order (z, y, x)."""
        wanted = region
        if self.residual is not None and self.residual.whole_bricks:
            region = brick_aligned(region, self.header.shape)
        out = yield from self.base_steps(region, clock)
        if self.residual is not None:
            yield from self.refine_steps(out, region, clock)
        return out[relative_to(wanted, region)]

    def bytes_for(self, region: Region) -> int:
        """Return the memory that `read_steps` takes, its result included."""
        if self.residual is not None and self.residual.whole_bricks:
            region = brick_aligned(region, self.header.shape)
        around, _ = self.with_margin(region)
        own = _VOXEL_BYTES + (0 if self.header.keep == "volume" else _FADING_BYTES)
        return own * math.prod(region_shape(around)) + self.representation.working_bytes(around)

    def bytes_at(self, positions: Float64Array) -> int:
        """Return the memory that `at` takes, beside what is as long as the positions."""
        if self.representation.pointwise or not len(positions):
            return 0
        return 2 * self.bytes_for(self.representation.box_around(positions))

    def base_steps(self, region: Region, clock: Clock) -> Steps[Float32Array]:
        """Decode what the model alone gives for a region."""
        around, part = self.with_margin(region)
        values = yield from self.model_steps(around, clock)
        return (yield from self.kept_steps(values, around, clock))[part]

    def model_steps(self, region: Region, clock: Clock) -> Steps[Float32Array]:
        """Decode the densities of the model for a region, also where nothing is kept."""
        mask = None if self.mask is None else self.mask[region]
        if mask is not None and not mask.any():
            return np.full(mask.shape, np.float32(self.header.background))
        values = yield from self.representation.region_steps(region, mask, clock)
        if self.header.density_scale != 1.0:
            values = values * self.header.density_scale
        return voxel_types.snap(values.astype(np.float32, copy=False), self.header.mode)

    def kept_steps(self, values: Float32Array, region: Region, clock: Clock) -> Steps[Float32Array]:
        """Return the densities of the model where they are kept, else the background.

        `values` may change: what is beyond the limits is clipped in place.
        """
        depth, *plane = region_shape(region)
        reach = reach_of(self.header)
        rows = pieces(depth, max(2 * reach, _AT_A_TIME // max(1, math.prod(plane))))
        if self.header.keep == "volume" or len(rows) == 1:
            return self._kept(values, region)
        out = np.empty_like(values)
        for part in rows:
            around = slice(max(0, part.start - reach), min(depth, part.stop + reach))
            start = region[0].start
            place = (slice(start + around.start, start + around.stop), region[1], region[2])
            kept = self._kept(values[around], place)
            out[part] = kept[part.start - around.start : part.stop - around.start]
            yield Progress("decoding", part.stop, depth, clock.seconds)
        return out

    def _kept(self, values: Float32Array, region: Region) -> Float32Array:
        head, mask = self.header, None if self.mask is None else self.mask[region]
        if head.limits is not None:
            np.clip(values, *map(np.float32, head.limits), out=values)
        if head.keep == "volume":
            return values
        if mask is not None and head.keep == "contour":
            np.maximum(values, self._lowest, out=values)
        return voxel_types.snap(faded(values, mask, head), head.mode, in_place=True)

    def with_margin(self, region: Region) -> tuple[Region, Region]:
        """Return a region with what its voxels depend on, and where it lies in that."""
        if self.header.keep == "volume":
            return region, whole_region(region_shape(region))
        around = grown(region, reach_of(self.header), self.header.shape)
        return around, relative_to(region, around)

    def refine_steps(self, values: Float32Array, region: Region, clock: Clock) -> Steps[None]:
        """Add the residual to what the model gave for a region, in place."""
        if self.residual is None:
            return
        bricks = self.residual.bricks_in(region)
        for done, number in enumerate(bricks):
            self.residual.add(values, region, self.mask, self.header.threshold, number)
            yield Progress("refining", done + 1, len(bricks), clock.seconds)
        if self.mask is not None and self.header.keep == "contour" and not self.residual.exact:
            np.maximum(values, self._lowest, out=values, where=self.mask[region])

    def at(self, positions: Float64Array) -> Float32Array:
        """Return the model's densities at positions (n, 3) in voxels, also outside the volume."""
        out = np.empty(len(positions), np.float32)
        for start in range(0, len(positions), self.representation.batch):
            part = slice(start, start + self.representation.batch)
            values = self.representation.evaluate(positions[part])
            out[part] = values * self.header.density_scale
        return out

    @property
    def _lowest(self) -> np.float32:
        """Lowest density of a voxel of the mask."""
        return voxel_types.lowest_inside(self.header.threshold, self.header.mode)


def level_shape(shape: tuple[int, ...], level: int) -> tuple[int, int, int]:
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
    out = 4 * math.prod(region_shape(box))
    if decoder.residual is None and decoder.header.keep == "volume":
        short = decoder.representation.coarse_steps(box, level, Clock())
        if short is not None:
            return 3 * out
    return out + _MEAN_BYTES * math.prod(region_shape(fine)) + decoder.bytes_for(fine)


def coarse_steps(decoder: Decoder, box: Region, level: int, clock: Clock) -> Steps[Float32Array]:
    """Decode a box of a coarser level, shape (z, y, x); see `Member.read`.

    Slabs are as thick as a brick of the residual stream, so that each is decoded once.
    """
    side = 2**level
    thickness = max(1, BRICK // side)
    out = np.empty(region_shape(box), np.float32)
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
        if model.pointwise and mask is not None and decoder.header.keep == "contour":
            return _from_centres(decoder, mask, slab, side)
        whole = decoder.header.keep == "volume"
        short = model.coarse_steps(slab, level, clock) if whole else None
        if short is not None:
            means = yield from short
            return (means * decoder.header.density_scale).astype(np.float32)
    voxels = yield from decoder.read_steps(_fine(decoder, slab, side), clock)
    return block_mean(voxels, side)


def _fine(decoder: Decoder, slab: Region, side: int) -> Region:
    """Return the voxels of full resolution that a box of a coarser level covers."""
    shape = decoder.header.shape
    z, y, x = (
        slice(s.start * side, min(s.stop * side, n)) for s, n in zip(slab, shape, strict=True)
    )
    return z, y, x


def _from_centres(decoder: Decoder, mask: BoolArray, slab: Region, side: int) -> Float32Array:
    """Take the model's density at the centre of each block for the mean inside the mask."""
    fine = _fine(decoder, slab, side)
    share = block_mean(mask[fine].astype(np.float32), side)
    # Outside the mask, the mask alone says what is decoded.
    around, part = decoder.with_margin(fine)
    shape, threshold = region_shape(around), np.float32(decoder.header.threshold or 0)
    outside = faded(np.full(shape, threshold), mask[around], decoder.header)[part]
    outside[mask[fine]] = 0
    out = block_mean(outside, side)
    occupied = np.nonzero(share)
    places = np.stack([w + s.start for w, s in zip(occupied, slab, strict=True)], axis=1)
    # The last block along an axis may be cut off: its centre is that of what is left.
    ends = np.minimum((places + 1) * side, decoder.header.shape)
    out[occupied] += share[occupied] * decoder.at((places * side + ends - 1) / 2)
    return out
