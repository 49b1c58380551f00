"""Latents by block; blocks without any are not listed, which most are above a contour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...support.array_types import AnyArray, Int64Array, Region
from ...support.regions import pieces, region_shape

Grid = tuple[int, int, int]
"""Blocks along z, y and x."""

_PART = 1 << 19  # latents that are looked at together where memory matters


@dataclass(frozen=True, eq=False)
class Blocks:
    """Latents of a grid of blocks; all of those that are not listed are zero."""

    grid: Grid
    numbers: Int64Array  # of the listed blocks, in C order of the grid, ascending
    latents: AnyArray  # of the listed blocks, shape (len(numbers), B^3)

    @classmethod
    def above(cls, volume: AnyArray, block: int, least: float) -> Blocks:
        """Return the blocks of a volume (gz B, gy B, gx B) with a magnitude above `least`."""
        gz, gy, gx = (n // block for n in volume.shape)
        chosen, latents = [], []
        for z in range(gz):
            row = to_blocks(volume[z * block : (z + 1) * block], block).reshape(gy * gx, -1)
            chosen.append(np.abs(row).max(axis=1) > least)
            latents.append(row[chosen[-1]])
        numbers = np.flatnonzero(np.concatenate(chosen))
        return cls((gz, gy, gx), numbers, np.concatenate(latents))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.numbers.nbytes + self.latents.nbytes

    @property
    def places(self) -> Int64Array:
        """Which blocks are listed, along z, y and x; shape (3, len(numbers))."""
        return np.stack(np.unravel_index(self.numbers, self.grid)).astype(np.int64)

    def regrid(self, own: Region, other: Region) -> Blocks:
        """Return the blocks that lie in another region too, on its grid.

        Parameters
        ----------
        own, other : regions of the map, in blocks: that of this grid and the other one.
        """
        size = region_shape(other)
        places = [
            along + mine.start - theirs.start
            for along, mine, theirs in zip(self.places, own, other, strict=True)
        ]
        inside = np.all([(p >= 0) & (p < n) for p, n in zip(places, size, strict=True)], axis=0)
        numbers = np.ravel_multi_index([p[inside] for p in places], size).astype(np.int64)
        return Blocks(size, numbers, self.latents[inside])

    def with_frequencies(self, block: int) -> Blocks:
        """Return the same latents, those of higher frequencies, up to a side of a block, zero."""
        side = round(self.latents.shape[1] ** (1 / 3))
        if side == block:
            return self
        out = np.zeros((len(self.latents), block, block, block), self.latents.dtype)
        out[:, :side, :side, :side] = self.latents.reshape(-1, side, side, side)
        return Blocks(self.grid, self.numbers, out.reshape(-1, block**3))

    def dense(self) -> AnyArray:
        """Return all latents, shape (gz, gy, gx, B^3)."""
        count = self.latents.shape[1]
        out = np.zeros((*self.grid, count), self.latents.dtype)
        out.reshape(-1, count)[self.numbers] = self.latents
        return out

    def volume(self, box: Region, kept: int, kind: npt.DTypeLike = np.float64) -> AnyArray:
        """Return a box of blocks that has all listed ones, as a volume.

        Of each block it holds the lowest `kept` frequencies along each axis.
        """
        gz, gy, gx = region_shape(box)
        block = round(self.latents.shape[1] ** (1 / 3))
        z, y, x = (along - s.start for along, s in zip(self.places, box, strict=True))
        out = np.zeros((gz, kept, gy, kept, gx, kept), kind)
        cut = self.latents.reshape(-1, block, block, block)[:, :kept, :kept, :kept]
        for rows in rows_of(self.latents):
            out[z[rows], :, y[rows], :, x[rows], :] = cut[rows]
        return out.reshape(gz * kept, gy * kept, gx * kept)


def to_blocks(volume: AnyArray, block: int) -> AnyArray:
    """Return the latents of a volume (gz B, gy B, gx B) by block, shape (gz, gy, gx, B^3)."""
    gz, gy, gx = (n // block for n in volume.shape)
    cut = volume.reshape(gz, block, gy, block, gx, block)
    return cut.transpose(0, 2, 4, 1, 3, 5).reshape(gz, gy, gx, block**3)


def sum_of(several: Sequence[Blocks]) -> Blocks:
    """Return the sums of the latents of one grid."""
    numbers = np.unique(np.concatenate([blocks.numbers for blocks in several]))
    kind = np.result_type(*(blocks.latents for blocks in several))
    latents = np.zeros((len(numbers), several[0].latents.shape[1]), kind)
    for blocks in several:
        latents[np.searchsorted(numbers, blocks.numbers)] += blocks.latents
    return Blocks(several[0].grid, numbers, latents)


def no_blocks(grid: Grid, block: int) -> Blocks:
    """Return a grid whose latents are all zero."""
    return Blocks(grid, np.empty(0, np.int64), np.empty((0, block**3), np.int16))


def rows_of(latents: AnyArray) -> list[slice]:
    """Return slices of the rows of latents (blocks, B^3), so few that their copies are small."""
    return pieces(len(latents), max(1, _PART // latents.shape[1]))


def smallest_type(largest: float) -> type[np.int16 | np.int32]:
    """Return the type of integers up to this magnitude."""
    return np.int16 if largest < np.iinfo(np.int16).max else np.int32
