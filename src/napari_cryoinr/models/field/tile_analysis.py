"""Latents of one tile at a time: they depend on voxels half a block beyond it, and on no others.

The basis is orthonormal, so where every voxel counts the latents are its products with the voxels.
Where the map ends within a block, the voxels that are missing are those before the end, mirrored.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...progress import Steps
from ...support.array_types import Float32Array, Region
from ...support.devices import import_torch
from ...support.regions import relative_to
from ..separable_sums import MAX_LATENT
from .blocks import Blocks
from .encoder import PRICE
from .lapped import Basis
from .latent_stream import blocks_of, tile_side, tiles_of
from .pretrained import pretrained
from .rounding import FIRST_DEADZONE, round_steps
from .transform import Transform


class TileAnalysis:
    """Analyses a map tile by tile, in one basis.

    Parameters
    ----------
    read : returns the voxels of a region (z, y, x), less `base`, as float32.

    Attributes
    ----------
    tiles : in blocks, in the order in which they are stored.
    """

    def __init__(
        self,
        read: Callable[[Region], Float32Array],
        shape: tuple[int, int, int],
        basis: Basis,
        device: str,
    ) -> None:
        self._read, self._shape = read, shape
        self._basis, self._device = basis, device
        self._blocks = blocks_of(shape, basis.block)
        self.tiles = list(tiles_of(self._blocks, tile_side(basis.block, shape)))

    def latents(self, tile: Region) -> Float32Array:
        """Return the latents of a tile, as a volume."""
        torch, block = import_torch(), self._basis.block
        half = block // 2
        z, y, x = (
            slice(max(0, part.start * block - half), min(count * block, part.stop * block + half))
            for part, count in zip(tile, self._blocks, strict=True)
        )
        around: Region = (z, y, x)
        z, y, x = (
            slice(part.start, min(part.stop, n))
            for part, n in zip(around, self._shape, strict=True)
        )
        missing = [(0, part.stop - own.stop) for part, own in zip(around, (z, y, x), strict=True)]
        values = np.pad(self._read((z, y, x)), missing, "symmetric")
        transform = Transform(self._basis, self._blocks, tile, around, self._device)
        out = torch.zeros(transform.shape, device=self._device)
        for number, (slab, planes) in enumerate(
            zip(transform.slabs, transform.planes, strict=True)
        ):
            part = np.ascontiguousarray(values[relative_to(slab, around)])
            out[planes] += transform.analyse(number, torch.from_numpy(part).to(self._device))
        found: Float32Array = out.cpu().numpy()
        return found

    def rounded_steps(self, latents: Float32Array, step: float, passes: int) -> Steps[Blocks]:
        """Return the latents of a tile in units of a step, rounded as `round_latents` does."""
        block = self._basis.block
        scaled = Blocks.above(latents / np.float32(step), block, FIRST_DEADZONE)
        np.clip(scaled.latents, 1 - MAX_LATENT, MAX_LATENT - 1, out=scaled.latents)
        trained = pretrained(self._basis.edition)
        return (yield from round_steps(scaled, block, PRICE, trained, passes))
