"""Densities of a map that the model `field` stores: whole regions, coarser levels, any point."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray, Float32Array, Region
from ...support.regions import bounding_box, intersection, region_shape, relative_to
from ...symmetry.point_groups import GridSymmetry, box_of, image_view
from ..base import Representation
from .field_settings import FieldConfig
from .lapped import VALUE_BITS, Basis, axis_matrix, synthesise, touching
from .latent_stream import Latents

Shape = tuple[int, int, int]

_TRANSFORM_BYTES = 16  # for each voxel that is transformed at a time
_SYMMETRY_BYTES = 16  # for each voxel of a symmetric map
_CHUNK = 128  # voxels along each axis that are transformed at a time
_FEW = 1 << 18  # voxels of a symmetric map that are looked up one by one


class FieldRepresentation(Representation):
    """See `Representation`."""

    def __init__(
        self, config: FieldConfig, data: bytes, shape: Shape, reference: Latents | None = None
    ) -> None:
        super().__init__(shape)
        self._config = config
        self._latents = Latents(data, config, shape, reference)
        self._basis = Basis(config.block, config.shape, config.edition)
        self._symmetry = GridSymmetry.from_ints(config.symmetry) if config.symmetry else None
        # One latent's density; a power of two times the step is exact.
        self._unit = config.step * 2.0**-VALUE_BITS

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Float32Array]:
        """See `Representation.region_steps`."""
        if self._symmetry is None:
            return (yield from self._plain_steps(region, clock))
        if math.prod(region_shape(region)) > _FEW:
            return (yield from self._whole_steps(self._symmetry, clock))[region]
        indices = self._symmetry.representatives(region, self._shape)
        box = box_of(indices, self._shape)
        stored = yield from self._plain_steps(box, clock)
        z, y, x = np.unravel_index(indices, self._shape)
        return stored[z - box[0].start, y - box[1].start, x - box[2].start]

    def _whole_steps(self, symmetry: GridSymmetry, clock: Clock) -> Steps[Float32Array]:
        """Decode the whole volume: the asymmetric unit, copied to its images."""
        unit = symmetry.asymmetric_unit(self._shape)
        box = bounding_box(unit)
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
        """Count what is transformed at a time, and the asymmetric unit with its images."""
        voxels = math.prod(min(s.stop - s.start, _CHUNK) + 2 * self._config.block for s in region)
        whole = 0 if self._symmetry is None else math.prod(self._shape)
        return _TRANSFORM_BYTES * voxels + _SYMMETRY_BYTES * whole

    def coarse_steps(self, box: Region, level: int, clock: Clock) -> Steps[Float32Array] | None:
        """See `Representation.coarse_steps`; a symmetric map is read at full resolution instead."""
        if self._symmetry is not None:
            return None
        return self._plain_steps(box, clock, level)

    def _plain_steps(self, region: Region, clock: Clock, level: int = 0) -> Steps[Float32Array]:
        """Decode voxels, or means over 2^level of them along each axis, without symmetry."""
        side = 2**level
        out = np.full(region_shape(region), np.float32(self._config.base))
        starts = [range(s.start - s.start % _CHUNK, s.stop, _CHUNK) for s in region]
        corners = list(itertools.product(*starts))
        for number, corner in enumerate(corners):
            z, y, x = (slice(c, c + _CHUNK) for c in corner)
            part = intersection((z, y, x), region)
            self._write_chunk(part, side, out[relative_to(part, region)])
            yield Progress("decoding", number + 1, len(corners), clock.seconds)
        return out

    def _write_chunk(self, part: Region, side: int, out: Float32Array) -> None:
        """Write the voxels of a part that any latent reaches; or means over `side` of them."""
        block, grid = self._config.block, self._latents.grid
        z, y, x = (
            slice(*touching(block, count, p.start * side, min(p.stop * side, count * block)))
            for p, count in zip(part, grid, strict=True)
        )
        # Frequencies far above the Nyquist limit of the coarser grid hardly reach its means.
        kept = min(block, -(-block * 3 // side) + 1) if side > 1 else block
        latents = self._latents.read((z, y, x), 3 * (kept - 1) if kept < block else None)
        if not latents.numbers.size:
            return
        frequencies = np.nonzero(latents.latents.any(axis=0).reshape(block, block, block))
        kept = min(kept, 1 + max(int(axis.max()) for axis in frequencies))
        box, inside, matrices = [], [], []
        for p, window, places, count, voxels in zip(
            part, (z, y, x), latents.places, grid, self._shape, strict=True
        ):
            reached = (window.start + int(places.min())) * block - block // 2
            beyond = (window.start + int(places.max()) + 1) * block + block // 2
            low, high = max(p.start, reached // side), min(p.stop, -(-beyond // side))
            first, last, matrix = axis_matrix(self._basis, count, low, high, side, voxels)
            box.append(slice(first - window.start, last - window.start))
            inside.append(slice(low - p.start, high - p.start))
            by_block = matrix.reshape(len(matrix), -1, block)[..., :kept]
            matrices.append(by_block.reshape(len(matrix), -1))
        volume = latents.volume((box[0], box[1], box[2]), kept)
        synthesise(volume, matrices, out[tuple(inside)], self._unit, self._config.base)
