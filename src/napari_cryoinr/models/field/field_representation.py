"""Densities of a map that the model `field` stores: whole regions, coarser levels, any point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray
from ...symmetry.point_groups import GridSymmetry, box_of, image_view
from ..interpolation import spline_through
from .field_config import FieldConfig
from .lapped import VALUE_BITS, Basis, Floats, axis_matrix, synthesise, touching
from .latent_stream import Latents

Floats32 = npt.NDArray[np.float32]
Region = tuple[slice, slice, slice]
Shape = tuple[int, int, int]

_TRANSFORM_BYTES = 16  # for each voxel that is transformed at a time
_SYMMETRY_BYTES = 16  # for each voxel of a symmetric map
_CHUNK = 128  # voxels along each axis that are transformed at a time
_SLAB = 1 << 21  # voxels whose representatives are looked up at a time


class FieldRepresentation:
    """See `napari_cryoinr.models.base.Representation`."""

    batch = 1 << 16
    pointwise = False

    def __init__(
        self, config: FieldConfig, data: bytes, shape: Shape, reference: Latents | None = None
    ) -> None:
        self._config = config
        self._shape = shape
        self._latents = Latents(data, config, shape, reference)
        self._basis = Basis(config.block, config.shape, config.edition)
        self._symmetry = GridSymmetry.from_ints(config.symmetry) if config.symmetry else None
        # One latent's density; a power of two times the step is exact.
        self._unit = config.step * 2.0**-VALUE_BITS

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Floats32]:
        """See `Representation.region_steps`."""
        if self._symmetry is None:
            return (yield from self._plain_steps(region, clock))
        size = [s.stop - s.start for s in region]
        if tuple(size) == self._shape:
            return (yield from self._whole_steps(self._symmetry, clock))
        rows = max(1, _SLAB // max(1, size[1] * size[2]))
        starts = range(region[0].start, region[0].stop, rows)
        slabs = [(slice(z, min(z + rows, region[0].stop)), region[1], region[2]) for z in starts]
        # Twice through the representatives: what they enclose is decoded once, in between.
        boxes = []
        for number, slab in enumerate(slabs):
            boxes.append(box_of(self._symmetry.representatives(slab, self._shape), self._shape))
            yield Progress("decoding", number, 2 * len(slabs), clock.seconds)
        box = _union(boxes)
        stored = yield from self._plain_steps(box, clock)
        out = np.empty(size, np.float32)
        for number, slab in enumerate(slabs):
            indices = self._symmetry.representatives(slab, self._shape)
            out[slab[0].start - region[0].start : slab[0].stop - region[0].start] = stored[
                _inside(indices, self._shape, box)
            ]
            yield Progress("decoding", len(slabs) + number, 2 * len(slabs), clock.seconds)
        return out

    def _whole_steps(self, symmetry: GridSymmetry, clock: Clock) -> Steps[Floats32]:
        """The whole volume: the asymmetric unit, copied to its images."""
        unit = symmetry.asymmetric_unit(self._shape)
        box = _bounding_box(unit)
        stored = yield from self._plain_steps(box, clock)
        out = np.empty(self._shape, np.float32)
        inside = unit[box]
        # What is in the box but not in the unit is replaced by images of the unit afterwards.
        out[box] = stored
        for number, operation in enumerate(symmetry.operations[1:]):
            part, view = image_view(out, operation, box)
            np.copyto(view, stored[part], where=inside[part])
            yield Progress("decoding", number + 2, len(symmetry), clock.seconds)
        return out

    def working_bytes(self, region: Region) -> int:
        """What is transformed at a time, and the asymmetric unit with its images."""
        voxels = math.prod(min(s.stop - s.start, _CHUNK) + 2 * self._config.block for s in region)
        whole = 0 if self._symmetry is None else math.prod(self._shape)
        return _TRANSFORM_BYTES * voxels + _SYMMETRY_BYTES * whole

    def coarse_steps(self, box: Region, level: int, clock: Clock) -> Steps[Floats32] | None:
        """See `Representation.coarse_steps`; a symmetric map is read at full resolution instead."""
        if self._symmetry is not None:
            return None
        return self._plain_steps(box, clock, level)

    def evaluate(self, positions: Floats) -> Floats:
        """Cubic B-spline through the voxels, which has two continuous derivatives."""
        return spline_through(self, self._shape, positions)

    def _plain_steps(self, region: Region, clock: Clock, level: int = 0) -> Steps[Floats32]:
        """Voxels, or means over 2^level of them along each axis, without symmetry."""
        side = 2**level
        out = np.full([s.stop - s.start for s in region], np.float32(self._config.base))
        starts = [range(s.start - s.start % _CHUNK, s.stop, _CHUNK) for s in region]
        parts = [(z, y, x) for z in starts[0] for y in starts[1] for x in starts[2]]
        for number, corner in enumerate(parts):
            part = tuple(
                slice(max(c, s.start), min(c + _CHUNK, s.stop))
                for c, s in zip(corner, region, strict=True)
            )
            self._chunk((part[0], part[1], part[2]), side, out[_from(part, region)])
            yield Progress("decoding", number + 1, len(parts), clock.seconds)
        return out

    def _chunk(self, part: Region, side: int, out: Floats32) -> None:
        """Write the voxels of a part that any latent reaches."""
        block, grid = self._config.block, self._latents.grid
        ranges = [
            touching(block, count, p.start * side, min(p.stop * side, count * block))
            for p, count in zip(part, grid, strict=True)
        ]
        # Frequencies far above the Nyquist limit of the coarser grid hardly reach its means.
        kept = min(block, -(-block * 3 // side) + 1) if side > 1 else block
        last_shell = 3 * (kept - 1) if kept < block else None
        latents = self._latents.read((ranges[0], ranges[1], ranges[2]), last_shell)
        if latents is None:
            return
        used = _box_around(latents.places)
        frequencies = latents.latents.any(axis=0).reshape(block, block, block)
        kept = min(kept, max(s.stop for s in _bounding_box(frequencies)))
        if not kept:
            return
        place, matrices = [], []
        for axis in range(3):
            first = ranges[axis][0] + used[axis].start
            count = used[axis].stop - used[axis].start
            low = max(part[axis].start, (first * block - block // 2) // side)
            high = min(part[axis].stop, -(-((first + count) * block + block // 2) // side))
            place.append(slice(low, high))
            matrix = _axis(self._basis, grid[axis], low, high, side, self._shape[axis])
            # The matrix begins at the first block that reaches these voxels.
            skipped = first - touching(block, grid[axis], low * side, high * side)[0]
            columns = matrix[:, skipped * block : (skipped + count) * block]
            blocks = columns.reshape(len(columns), count, block)[:, :, :kept]
            matrices.append(blocks.reshape(len(columns), -1))
        synthesise(
            latents.volume(used, kept),
            (matrices[0], matrices[1], matrices[2]),
            out[_from(place, part)],
            self._unit,
            self._config.base,
        )


def _from(part: Sequence[slice], whole: Sequence[slice]) -> Region:
    """A part as seen from the first voxel of the whole."""
    z, y, x = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True))
    return z, y, x


def _box_around(places: npt.NDArray[np.int64]) -> Region:
    """The smallest box that holds some places, shape (3, n)."""
    z, y, x = (slice(int(axis.min()), int(axis.max()) + 1) for axis in places)
    return z, y, x


def _bounding_box(mask: npt.NDArray[np.bool_]) -> Region:
    """Where a mask holds; empty where it does nowhere."""
    out = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        where = np.flatnonzero(mask.any(axis=others))
        out.append(slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0))
    return out[0], out[1], out[2]


@lru_cache(maxsize=64)
def _axis(basis: Basis, count: int, start: int, stop: int, side: int, voxels: int) -> Floats:
    return axis_matrix(basis, count, start, stop, side, voxels)[2]


def _union(boxes: list[Region]) -> Region:
    z, y, x = (
        slice(min(box[a].start for box in boxes), max(box[a].stop for box in boxes))
        for a in range(3)
    )
    return z, y, x


def _inside(
    indices: npt.NDArray[np.int64], shape: Shape, box: Region
) -> tuple[npt.NDArray[np.int64], ...]:
    """Linear indices into the volume as places within a box."""
    rest, x = np.divmod(indices, shape[2])
    z, y = np.divmod(rest, shape[1])
    return z - box[0].start, y - box[1].start, x - box[2].start
