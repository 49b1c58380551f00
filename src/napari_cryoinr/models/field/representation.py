"""Densities of a map of the model `field`: whole regions, coarser levels."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from ...progress import Clock, Progress, Steps, reported_steps
from ...support.array_types import BoolArray, Float32Array, Int64Array, Region
from ...support.regions import bounding_box, intersection, region_shape, relative_to
from ...symmetry.folding import unfold_steps
from ...symmetry.point_groups import GridSymmetry, box_of
from ..base import Representation
from ..separable_sums import MAX_LATENT, VALUE_BITS, synthesise
from .band_steps import UNIT, factors_of
from .field_settings import FieldConfig
from .lapped import Basis, axis_matrix, touching
from .latent_stream import Latents

_TRANSFORM_BYTES = 56  # for each voxel that is transformed at a time, latents included
_SYMMETRY_BYTES = 16  # for each voxel of a symmetric map
_CHUNK = 128  # voxels along each axis that are transformed at a time
_FEW = 1 << 18  # voxels of a symmetric map that are looked up one by one


class FieldRepresentation(Representation):
    """See `Representation`."""

    def __init__(
        self,
        config: FieldConfig,
        data: bytes,
        shape: tuple[int, int, int],
        reference: Latents | None = None,
    ) -> None:
        super().__init__(shape)
        self._config = config
        self._latents = Latents(data, config, shape, reference)
        self._basis = Basis(config.block, config.shape, config.edition)
        self._symmetry = GridSymmetry.from_ints(config.symmetry) if config.symmetry else None
        self.by_slabs = self._symmetry is None
        # One latent's density; a power of two times the step is exact.
        self._unit = config.step * 2.0**-VALUE_BITS
        self._factors: Int64Array | None = None
        if config.band_steps:
            self._factors = factors_of(config.block, config.band_steps, config.aspect)
            self._unit /= UNIT

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
        box = bounding_box(symmetry.asymmetric_unit(self._shape))
        stored = yield from self._plain_steps(box, clock)
        return (yield from unfold_steps(symmetry, stored, box, self._shape, clock))

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
            loading = self._latents.load_steps(self._window(part, side), self._last_shell(side))
            now = Progress("decoding", number, len(corners), clock.seconds)
            yield from reported_steps(loading, now)
            self._write_chunk(part, side, out[relative_to(part, region)])
            yield Progress("decoding", number + 1, len(corners), clock.seconds)
        return out

    def _window(self, part: Region, side: int) -> Region:
        """Return the blocks that reach a part, in which a voxel is the mean over `side`."""
        block = self._config.block
        z, y, x = (
            slice(*touching(block, count, p.start * side, min(p.stop * side, count * block)))
            for p, count in zip(part, self._latents.grid, strict=True)
        )
        return z, y, x

    def _kept(self, side: int) -> int:
        """Return how many of the lowest frequencies along an axis count."""
        block = self._config.block
        # Frequencies far above the Nyquist limit of the coarser grid hardly reach its means.
        return min(block, -(-block * 3 // side) + 1) if side > 1 else block

    def _last_shell(self, side: int) -> int | None:
        """Return the last shell of frequencies that is read; None for all."""
        kept = self._kept(side)
        return 3 * (kept - 1) if kept < self._config.block else None

    def _write_chunk(self, part: Region, side: int, out: Float32Array) -> None:
        """Write the voxels of a part that any latent reaches; or means over `side` of them."""
        block, grid = self._config.block, self._latents.grid
        z, y, x = self._window(part, side)
        latents = self._latents.read((z, y, x), self._last_shell(side))
        if not latents.numbers.size:
            return
        frequencies = np.nonzero(latents.latents.any(axis=0).reshape(block, block, block))
        kept = min(self._kept(side), 1 + max(int(axis.max()) for axis in frequencies))
        box, inside, matrices, offsets = [], [], [], []
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
            # From the middle of a block to that of the next one, the same two reach a voxel.
            offsets.append((low + block // 2) % block if side == 1 else 0)
        if self._factors is not None:
            steps = latents.latents.astype(np.int64)
            steps *= self._factors
            latents = replace(latents, latents=np.clip(steps, -MAX_LATENT, MAX_LATENT, out=steps))
            del steps
        volume = latents.volume((box[0], box[1], box[2]), kept)
        target = out[tuple(inside)]
        synthesise(volume, matrices, target, self._unit, self._config.base, block, offsets)
