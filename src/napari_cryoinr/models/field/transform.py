"""The lapped basis in floats, for the solver: a window of blocks to voxels and back, by slabs.

A slab is some planes of voxels along z. Whatever is done to voxels is done to one slab after the
other, so that only the latents are ever there as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...support.devices import import_torch
from .blocks import Grid, Region, Window
from .lapped import MATRIX_BITS, Basis, axis_matrix, touching

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
    window : of blocks.
    region : voxels of the map.

    Attributes
    ----------
    shape : of the volume of latents.
    slabs : the parts of the region, in ascending order.
    planes : of the volume of latents, those that reach each slab; a slab and the next one share
        some, those with one slab between them none.
    """

    def __init__(
        self, basis: Basis, blocks: Grid, window: Window, region: Region, device: str
    ) -> None:
        planes, band = _ON_CPU if device == "cpu" else _ON_OTHERS
        z, self._y, self._x = (
            _Axis(basis, count, reach, part, band, device)
            for count, reach, part in zip(blocks, window, region, strict=True)
        )
        self.shape = (z.latents, self._y.latents, self._x.latents)
        self._z = list(z.bands(max(planes, _LEAST // _area(region))))
        self.slabs: list[Region] = [
            (slice(region[0].start + s.start, region[0].start + s.stop), region[1], region[2])
            for s, _, _ in self._z
        ]
        self.planes = [rows for _, rows, _ in self._z]

    def synthesise(self, slab: int, latents: Sequence[Tensor]) -> Tensor:
        """Voxels of one slab of the sum of some volumes of latents."""
        _, rows, matrix = self._z[slab]
        total = latents[0][rows]
        for other in latents[1:]:
            total = total + other[rows]
        planes = (matrix @ total.flatten(1)).unflatten(1, total.shape[1:])
        return self._along_x(self._x.to_voxels, self._along_y(self._y.to_voxels, planes))

    def analyse(self, slab: int, voxels: Tensor) -> Tensor:
        """Products of the voxels of one slab with the basis functions: planes of latents."""
        matrix = self._z[slab][2]
        rows = self._along_y(self._y.to_latents, self._along_x(self._x.to_latents, voxels))
        return (matrix.T @ rows.flatten(1)).unflatten(1, rows.shape[1:])

    def _along_y(self, bands: list[_Band], values: Tensor) -> Tensor:
        z, _, x = values.shape
        out = values.new_empty(z, bands[-1][0].stop, x)
        for target, source, matrix in bands:
            out[:, target] = matrix @ values[:, source]
        return out

    def _along_x(self, bands: list[_Band], values: Tensor) -> Tensor:
        torch = import_torch()
        z, y, _ = values.shape
        rows = values.flatten(0, 1)
        out = values.new_empty(z * y, bands[-1][0].stop)
        for target, source, matrix in bands:
            torch.mm(rows[:, source], matrix.T, out=out[:, target])
        return out.unflatten(0, (z, y))


def _area(region: Region) -> int:
    """Voxels of a plane."""
    return (region[1].stop - region[1].start) * (region[2].stop - region[2].start)


class _Axis:
    """One axis: its matrix, which is a band about the diagonal, in parts without the zeros.

    `reach` are the blocks of the window, `part` the voxels of the region.
    """

    def __init__(
        self, basis: Basis, count: int, reach: tuple[int, int], part: slice, band: int, device: str
    ) -> None:
        self._basis, self._count, self._reach, self._part = basis, count, reach, part
        self._device = device
        self.latents = (reach[1] - reach[0]) * basis.block
        self.to_voxels = list(self.bands(band))
        self.to_latents = list(self._bands_of_latents(band))

    def bands(self, size: int) -> Iterator[_Band]:
        """(voxels, latents that reach them, matrix) of about so many voxels."""
        block, part = self._basis.block, self._part
        # From the middle of a block to that of another, few blocks reach a band.
        step = max(1, round(size / block)) * block
        for start in range(part.start - (part.start + block // 2) % block, part.stop, step):
            low, high = max(start, part.start), min(start + step, part.stop)
            reach = touching(block, self._count, low, high)
            first, last = max(reach[0], self._reach[0]), min(reach[1], self._reach[1])
            yield *self._places(low, high, first, last), self._matrix(low, high, first, last)

    def _bands_of_latents(self, size: int) -> Iterator[_Band]:
        """(latents, voxels that they reach, transposed matrix) of about so many latents."""
        block = self._basis.block
        step = max(1, round(size / block))
        for first in range(*self._reach, step):
            last = min(first + step, self._reach[1])
            low = max(self._part.start, first * block - block // 2)
            high = min(self._part.stop, last * block + block // 2)
            voxels, latents = self._places(low, high, first, last)
            yield latents, voxels, self._matrix(low, high, first, last).T.contiguous()

    def _places(self, low: int, high: int, first: int, last: int) -> tuple[slice, slice]:
        start, block = self._part.start, self._basis.block
        latents = slice((first - self._reach[0]) * block, (last - self._reach[0]) * block)
        return slice(low - start, high - start), latents

    def _matrix(self, low: int, high: int, first: int, last: int) -> Tensor:
        """Of some voxels and blocks."""
        torch = import_torch()
        block = self._basis.block
        begin, _, matrix = axis_matrix(self._basis, self._count, low, high)
        matrix = matrix[:, (first - begin) * block : (last - begin) * block]
        return torch.from_numpy((matrix * 2.0**-MATRIX_BITS).astype(np.float32)).to(self._device)
