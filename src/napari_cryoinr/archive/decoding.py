"""From model, occupancy and residual to voxels: one region at a time.

The same code runs when an archive is read and when one is made, before its goal is checked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..maps import voxel_types
from ..models.base import SPLINE_MARGIN, Representation
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Float64Array, Region
from .residual import Residual

_VOXEL_BYTES = 12  # densities of the model, rounded to the mode, and the result


@dataclass(frozen=True, eq=False)
class Decoder:
    """Decodes one member.

    Attributes
    ----------
    shape : voxels along z, y, x.
    mask : occupied voxels of the whole volume, shape (z, y, x); None where the model alone says
        what a voxel is.
    threshold : density that every voxel of the mask exceeds; None where there is none.
    background : density of all other voxels.
    scale : density of a normalised density of 1.
    mode : MRC mode of the voxels, which limits the values they can take.
    """

    shape: tuple[int, int, int]
    mask: BoolArray | None
    threshold: float | None
    background: float
    scale: float
    mode: int
    representation: Representation
    residual: Residual | None = None

    def whole(self) -> Region:
        """Return the region that is the whole volume."""
        z, y, x = self.shape
        return slice(0, z), slice(0, y), slice(0, x)

    def read_steps(self, region: Region, clock: Clock) -> Steps[Float32Array]:
        """Decode the voxels of a region: float32, in the order (z, y, x)."""
        out = yield from self.base_steps(region, clock)
        if self.residual is not None:
            yield from self.refine_steps(out, region, clock)
        return out

    def bytes_for(self, region: Region) -> int:
        """Return the memory that `read_steps` takes, its result included."""
        voxels = math.prod(s.stop - s.start for s in region)
        return _VOXEL_BYTES * voxels + self.representation.working_bytes(region)

    def bytes_at(self, positions: Float64Array) -> int:
        """Return the memory that `at` takes, beside what is as long as the positions."""
        if self.representation.pointwise or not len(positions):
            return 0
        low = np.maximum(np.floor(positions.min(axis=0)).astype(int) - SPLINE_MARGIN, 0)
        high = np.minimum(
            np.ceil(positions.max(axis=0)).astype(int) + SPLINE_MARGIN + 1, self.shape
        )
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return 2 * self.bytes_for((z, y, x))

    def base_steps(self, region: Region, clock: Clock) -> Steps[Float32Array]:
        """Decode what the model alone gives for a region."""
        mask = None if self.mask is None else self.mask[region]
        if mask is not None and not mask.any():
            return np.full(mask.shape, np.float32(self.background))
        values = yield from self.representation.region_steps(region, mask, clock)
        if self.scale != 1.0:
            values = values * self.scale
        found = voxel_types.snap(values.astype(np.float32, copy=False), self.mode)
        if mask is None:
            return found
        np.maximum(found, self._lowest, out=found)
        found[~mask] = np.float32(self.background)
        return found

    def refine_steps(self, values: Float32Array, region: Region, clock: Clock) -> Steps[None]:
        """Add the residual to what the model gave for a region, in place."""
        if self.residual is None:
            return
        bricks = list(self.residual.bricks_in(region))
        for done, number in enumerate(bricks):
            self.residual.add(values, region, self.mask, number)
            yield Progress("refining", done + 1, len(bricks), clock.seconds)
        if self.mask is not None and not self.residual.exact:
            np.maximum(values, self._lowest, out=values, where=self.mask[region])

    def at(self, positions: Float64Array) -> Float32Array:
        """Return the model's densities at positions (n, 3) in voxels, also outside the volume."""
        out = np.empty(len(positions), np.float32)
        for start in range(0, len(positions), self.representation.batch):
            part = slice(start, start + self.representation.batch)
            out[part] = self.representation.evaluate(positions[part]) * self.scale
        return out

    @property
    def _lowest(self) -> np.float32:
        """Lowest density of a voxel of the mask."""
        return voxel_types.lowest_inside(self.threshold, self.mode)
