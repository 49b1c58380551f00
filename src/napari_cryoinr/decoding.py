"""From model, occupancy and residual to voxels: one region at a time.

The same code runs when an archive is read and when one is made, before its goal is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import voxel_codes
from .models.base import Representation
from .occupancy import Mask
from .progress import Clock, Progress, Steps
from .residual import Region, Residual

Floats = npt.NDArray[np.float32]
_PLANES_AT_A_TIME = 1 << 20  # voxels whose occupied ones are looked up in one go


@dataclass(frozen=True, eq=False)
class Decoder:
    """Decodes one member.

    Attributes
    ----------
    mask : occupancy of the whole volume, shape (z, y, x).
    threshold : density that every occupied voxel exceeds; None where all are occupied.
    background : density of all other voxels.
    scale : density of a normalised density of 1.
    mode : MRC mode of the voxels, which limits the values they can take.
    """

    mask: Mask
    threshold: float | None
    background: float
    scale: float
    mode: int
    representation: Representation
    residual: Residual | None = None

    def whole(self) -> Region:
        """The region that is the whole volume."""
        z, y, x = self.mask.shape
        return slice(0, z), slice(0, y), slice(0, x)

    def read_steps(self, region: Region, clock: Clock) -> Steps[Floats]:
        """Voxels of a region, float32, in the order (z, y, x)."""
        out = yield from self.base_steps(region, clock)
        if self.residual is not None:
            yield from self.refine_steps(out, region, clock)
        return out

    def base_steps(self, region: Region, clock: Clock) -> Steps[Floats]:
        """What the model alone gives for a region."""
        mask = self.mask[region]
        out = np.full(mask.shape, np.float32(self.background))
        total, done = int(np.count_nonzero(mask)), 0
        first = [part.start for part in region]
        for where in _occupied(mask, self.representation.batch):
            positions = np.stack([w + f for w, f in zip(where, first, strict=True)], axis=1)
            out[where] = self._densities(positions.astype(np.float64))
            done += len(positions)
            yield Progress("decoding", done, total, clock.seconds)
        return out

    def refine_steps(self, values: Floats, region: Region, clock: Clock) -> Steps[None]:
        """Add the residual to what the model gave for a region, in place."""
        if self.residual is None:
            return
        bricks = list(self.residual.bricks_in(region))
        for done, number in enumerate(bricks):
            self.residual.add(values, region, self.mask, number)
            yield Progress("refining", done + 1, len(bricks), clock.seconds)
        if self.threshold is not None and not self.residual.exact:
            low = np.float32(voxel_codes.just_above(self.threshold, self.mode))
            np.maximum(values, low, out=values, where=self.mask[region])

    def at(self, positions: npt.NDArray[np.float64]) -> Floats:
        """The model's densities at positions (n, 3) in voxels, wherever they are."""
        out = np.empty(len(positions), np.float32)
        for start in range(0, len(positions), self.representation.batch):
            part = slice(start, start + self.representation.batch)
            out[part] = self.representation.evaluate(positions[part]) * self.scale
        return out

    def _densities(self, positions: npt.NDArray[np.float64]) -> Floats:
        """Densities of occupied voxels: what their mode can hold, above the threshold."""
        values = (self.representation.evaluate(positions) * self.scale).astype(np.float32)
        values = voxel_codes.snap(values, self.mode)
        if self.threshold is None:
            return values
        return np.maximum(values, np.float32(voxel_codes.just_above(self.threshold, self.mode)))


def _occupied(mask: Mask, batch: int) -> Iterator[tuple[npt.NDArray[np.intp], ...]]:
    """Indices of the voxels where the mask holds, a batch at a time, in C order."""
    planes = max(1, _PLANES_AT_A_TIME // max(1, mask[0].size)) if mask.size else 1
    for start in range(0, mask.shape[0], planes):
        z, y, x = np.nonzero(mask[start : start + planes])
        for first in range(0, z.size, batch):
            part = slice(first, first + batch)
            yield z[part] + start, y[part], x[part]
