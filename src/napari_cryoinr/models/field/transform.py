"""The lapped basis in floats, for the solver: a window of blocks to voxels and back, by slabs.

A slab is some planes of voxels along z. Voxels are worked on slab by slab, so that only the latents
are held as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...support.array_types import Float64Array, Region
from ...support.devices import import_torch
from ..separable_sums import MATRIX_BITS, bands_of
from .blocks import Grid
from .lapped import Basis, axis_matrix

if TYPE_CHECKING:
    from torch import Tensor

    _Band = tuple[slice, slice, Tensor]

# Planes of a slab and voxels of a band along y and x, about. On a processor they stay in the cache,
# and the less they reach beyond the diagonal the fewer products; a GPU wants few large ones.
_ON_CPU = (16, 32)
_ON_OTHERS = (128, 64)
_LEAST = 1 << 17  # voxels of a slab, about: the less, the more calls


class Transform:
    """Voxels of a region from latents of a window of blocks, as volumes, and back.

    Latents of blocks outside the window are zero.

    Parameters
    ----------
    blocks : of the map, along z, y, x.
    window : in blocks.
    region : in voxels of the map.
    kept : how many of the lowest frequencies along each axis have latents; by default all.

    Attributes
    ----------
    shape : of the volume of latents.
    slabs : the parts of the region, in ascending order.
    planes : of the volume of latents, those that reach each slab; a slab and the next one share
        some, those with one slab between them none.
    """

    def __init__(
        self,
        basis: Basis,
        blocks: Grid,
        window: Region,
        region: Region,
        device: str,
        kept: int | None = None,
    ) -> None:
        planes, band = _ON_CPU if device == "cpu" else _ON_OTHERS
        block, torch = basis.block, import_torch()
        side = block if kept is None else kept
        matrices = []
        for count, reach, part in zip(blocks, window, region, strict=True):
            first, _, matrix = axis_matrix(basis, count, part.start, part.stop)
            columns = slice((reach.start - first) * block, (reach.stop - first) * block)
            by_block = matrix[:, columns].reshape(len(matrix), -1, block)[..., :side]
            matrices.append(by_block.reshape(len(matrix), -1) * 2.0**-MATRIX_BITS)

        def bands(
            matrix: Float64Array, size: float, offset: int = 0, unit: int = 1, of: int = block
        ) -> list[_Band]:
            rows = max(1, round(size / block)) * of
            return [
                (target, source, torch.from_numpy(part.astype(np.float32)).to(device))
                for target, source, part in bands_of(matrix, rows, offset, unit)
            ]

        z, y, x = matrices
        # From the middle of a block to that of another, few blocks reach a band.
        in_z, in_y, in_x = ((part.start + block // 2) % block for part in region)
        self.shape = (z.shape[1], y.shape[1], x.shape[1])
        self._z = bands(z, max(planes, _LEAST / (len(y) * len(x))), in_z, side)
        self._y, self._x = bands(y, band, in_y), bands(x, band, in_x)
        self._to_y, self._to_x = bands(y.T, band, of=side), bands(x.T, band, of=side)
        start = region[0].start
        self.slabs: list[Region] = [
            (slice(start + rows.start, start + rows.stop), region[1], region[2])
            for rows, _, _ in self._z
        ]
        self.planes = [columns for _, columns, _ in self._z]

    def synthesise(self, slab: int, latents: Tensor) -> Tensor:
        """Return the voxels of one slab."""
        _, columns, matrix = self._z[slab]
        latents = latents[columns]
        planes = (matrix @ latents.flatten(1)).unflatten(1, latents.shape[1:])
        return _along_x(self._x, _along_y(self._y, planes))

    def analyse(self, slab: int, voxels: Tensor) -> Tensor:
        """Return the products of the voxels of one slab with the basis: planes of latents."""
        matrix = self._z[slab][2]
        rows = _along_y(self._to_y, _along_x(self._to_x, voxels))
        return (matrix.T @ rows.flatten(1)).unflatten(1, rows.shape[1:])


def _along_y(bands: Sequence[_Band], values: Tensor) -> Tensor:
    z, _, x = values.shape
    out = values.new_empty(z, bands[-1][0].stop, x)
    for target, source, matrix in bands:
        out[:, target] = matrix @ values[:, source]
    return out


def _along_x(bands: Sequence[_Band], values: Tensor) -> Tensor:
    z, y, _ = values.shape
    rows = values.flatten(0, 1)
    out = values.new_empty(z * y, bands[-1][0].stop)
    for target, source, matrix in bands:
        import_torch().mm(rows[:, source], matrix.T, out=out[:, target])
    return out.unflatten(0, (z, y))
