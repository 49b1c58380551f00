"""Latents by block, of those blocks only that hold any: most are empty where a contour is set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .shells import Ints

Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First block and the one behind the last, along z, y and x."""

_PART = 1 << 19  # latents that are looked at at a time


def size_of(window: Window) -> tuple[int, int, int]:
    """Blocks of a window along z, y, x."""
    z, y, x = (b - a for a, b in window)
    return z, y, x


def whole(grid: tuple[int, int, int]) -> Window:
    """The window of all blocks."""
    z, y, x = grid
    return (0, z), (0, y), (0, x)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Latents of the blocks of a window; all of those that are not listed are zero.

    Attributes
    ----------
    window : of the blocks of a map.
    places : numbers of the listed blocks in C order of the window, ascending.
    values : their latents, shape (len(places), B^3).
    """

    window: Window
    places: Ints
    values: npt.NDArray[Any]

    @classmethod
    def of(cls, latents: npt.NDArray[Any], window: Window) -> Blocks:
        """Of all latents of a window, shape (gz, gy, gx, B^3)."""
        flat = latents.reshape(-1, latents.shape[3])
        places = np.flatnonzero(flat.any(axis=1))
        return cls(window, places, flat[places])

    @property
    def grid(self) -> tuple[int, int, int]:
        """Blocks of the window along z, y, x."""
        return size_of(self.window)

    def indices(self) -> tuple[Ints, Ints, Ints]:
        """Which blocks of the map are listed, along z, y and x."""
        z, y, x = (
            index + start
            for index, (start, _) in zip(
                np.unravel_index(self.places, self.grid), self.window, strict=True
            )
        )
        return z, y, x

    def cut(self, window: Window) -> Blocks:
        """The same latents in another window, as far as it reaches."""
        indices = self.indices()
        inside = np.ones(len(self.places), bool)
        for index, (start, stop) in zip(indices, window, strict=True):
            inside &= (index >= start) & (index < stop)
        chosen = [i[inside] - start for i, (start, _) in zip(indices, window, strict=True)]
        places = np.ravel_multi_index(chosen, size_of(window)).astype(np.int64)
        return Blocks(window, places, self.values[inside])

    def dense(self) -> npt.NDArray[Any]:
        """All latents of the window, shape (gz, gy, gx, B^3)."""
        count = self.values.shape[1]
        out = np.zeros((*self.grid, count), self.values.dtype)
        out.reshape(-1, count)[self.places] = self.values
        return out


def parts_of(values: npt.NDArray[Any]) -> Iterator[slice]:
    """Rows of latents by block, half a million latents at a time: for passes with little memory."""
    step = max(1, _PART // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        yield slice(start, min(start + step, len(values)))
