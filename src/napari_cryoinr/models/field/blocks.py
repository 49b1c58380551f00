"""Latents by block, of those blocks only that hold any: most are empty where a contour is set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .frequency_shells import Ints

Grid = tuple[int, int, int]
"""Blocks along z, y and x."""
Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First block and the one behind the last, along z, y and x."""
Region = tuple[slice, slice, slice]

_PART = 1 << 19  # latents that a pass which needs little memory looks at at a time


def size_of(window: Window) -> Grid:
    """Blocks of a window along z, y and x."""
    z, y, x = (b - a for a, b in window)
    return z, y, x


@dataclass(frozen=True, eq=False)
class Blocks:
    """Latents of a grid of blocks; all of those that are not listed are zero.

    Attributes
    ----------
    grid : blocks along z, y and x.
    numbers : of the listed blocks, in C order of the grid, ascending.
    latents : of the listed blocks, shape (len(numbers), B^3).
    """

    grid: Grid
    numbers: Ints
    latents: npt.NDArray[Any]

    @property
    def places(self) -> Ints:
        """Which blocks are listed, along z, y and x; shape (3, len(numbers))."""
        return np.stack(np.unravel_index(self.numbers, self.grid)).astype(np.int64)

    def cut(self, window: Window, size: Grid, at: Sequence[int]) -> Blocks:
        """The blocks of a window, in a grid of another size where they begin at `at`."""
        places = self.places
        inside = np.ones(len(self.numbers), bool)
        for along, (start, stop) in zip(places, window, strict=True):
            inside &= (along >= start) & (along < stop)
        moved = [
            along[inside] - start + first
            for along, (start, _), first in zip(places, window, at, strict=True)
        ]
        numbers = np.ravel_multi_index(moved, size).astype(np.int64)
        return Blocks(size, numbers, self.latents[inside])

    def narrow(self) -> Blocks:
        """The same integers in as few bytes as they need."""
        kind = smallest_type(np.abs(self.latents).max(initial=0))
        return Blocks(self.grid, self.numbers, self.latents.astype(kind, copy=False))

    def dense(self) -> npt.NDArray[Any]:
        """All latents, shape (gz, gy, gx, B^3)."""
        count = self.latents.shape[1]
        out = np.zeros((*self.grid, count), self.latents.dtype)
        out.reshape(-1, count)[self.numbers] = self.latents
        return out

    def volume(self, box: Region, kept: int) -> npt.NDArray[np.float64]:
        """The lowest `kept` frequencies along each axis of a box of blocks that has all listed."""
        size = [s.stop - s.start for s in box]
        block = round(self.latents.shape[1] ** (1 / 3))
        z, y, x = (along - s.start for along, s in zip(self.places, box, strict=True))
        out = np.zeros((size[0], kept, size[1], kept, size[2], kept))
        cut = self.latents.reshape(-1, block, block, block)[:, :kept, :kept, :kept]
        out[z, :, y, :, x, :] = cut
        return out.reshape([n * kept for n in size])


def joined(several: Sequence[Blocks], grid: Grid) -> Blocks | None:
    """Blocks of one grid that have none in common; None without any."""
    several = [blocks for blocks in several if len(blocks.numbers)]
    if not several:
        return None
    numbers = np.concatenate([blocks.numbers for blocks in several])
    latents = np.concatenate([blocks.latents for blocks in several])
    order = np.argsort(numbers)
    return Blocks(grid, numbers[order], latents[order])


def added(one: Blocks, other: Blocks) -> Blocks:
    """The sums of latents of one grid."""
    numbers = np.union1d(one.numbers, other.numbers)
    kind = np.result_type(one.latents, other.latents)
    latents = np.zeros((len(numbers), one.latents.shape[1]), kind)
    for blocks in (one, other):
        latents[np.searchsorted(numbers, blocks.numbers)] += blocks.latents
    return Blocks(one.grid, numbers, latents)


def rows_of(latents: npt.NDArray[Any]) -> Iterator[slice]:
    """Rows of latents by block, shape (blocks, B^3): so many that their copies are small."""
    step = max(1, _PART // latents.shape[1])
    for start in range(0, len(latents), step):
        yield slice(start, min(start + step, len(latents)))


def smallest_type(largest: float) -> type[np.int16 | np.int32]:
    """Of integers of at most this magnitude."""
    return np.int16 if largest < np.iinfo(np.int16).max else np.int32
