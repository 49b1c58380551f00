"""The sizes of DeepEM's layers for a box.

Zhu, Ouyang and Mao (BMC Bioinformatics 18:348, 2017, "Design of the DeepEM model" and table 1) give
the sizes for two proteins, KLH and 19S. `layers_for` says what is done for other boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ....errors import SettingsError

MAPS = (6, 12, 12)  # of the three convolutions
POOLS = (3, 2, 2)  # sides of what is averaged after each
NAMES = ("c1", "c3", "c5", "output")
SMALLEST = 16  # pixels of the smallest box whose sizes divide
USUAL = 28  # pixels that a network sees along one side, unless it is one of the published ones
_KLH, _19S = (272, (51, 21, 10)), (160, (20, 10, 4))  # sides and kernels

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layers:
    """The eight layers: input, C1, S2, C3, S4, C5, S6, output.

    Attributes
    ----------
    side : pixels of the input along x and y.
    kernels : sides of the convolutions C1, C3 and C5.
    binning : pixels of the micrograph per pixel of the input, along x and y.
    """

    side: int
    kernels: tuple[int, int, int]
    binning: int = 1

    @property
    def sides(self) -> tuple[tuple[int, int], ...]:
        """Of the maps of C1 and S2, of C3 and S4, of C5 and S6."""
        found, side = [], self.side
        for kernel, pool in zip(self.kernels, POOLS, strict=True):
            after = side - kernel + 1
            side = after // pool
            found.append((after, side))
        return tuple(found)

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of the parameters; convolutions are (maps, maps before, y, x)."""
        found: dict[str, Shape] = {}
        before = 1
        for name, maps, kernel in zip(NAMES, MAPS, self.kernels, strict=False):
            found[f"{name}.weight"] = (maps, before, kernel, kernel)
            found[f"{name}.bias"] = (maps,)
            before = maps
        last = self.sides[-1][1]
        found["output.weight"] = (before, last, last)
        found["output.bias"] = (1,)
        return found

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def layers_for(box: float) -> Layers:
    """The layers for a box; the same for the same box.

    Boxes of 272 and 160 pixels get the published networks of KLH and 19S. For others

    - the micrograph is binned by the whole number nearest to a 28th of the box: what is left is
      large enough to see a particle, and small enough for 20 epochs to train and quick to pick;
    - the input's side is the binned box, rounded to whole pixels;
    - the pools stay 3, 2 and 2, the maps 6, 12 and 12;
    - of all kernels with which every size divides, those are taken whose shares of their layers'
      inputs are nearest to KLH's (least sum of squares of the logarithms of the ratios).

    Raises
    ------
    SettingsError
        for boxes below 16 pixels: nothing would be left for the last layers.
    """
    for side, kernels in (_KLH, _19S):
        if box == side:
            return Layers(side, kernels)
    if box < SMALLEST:
        raise SettingsError(
            f"box = {box:g}: deepem's layers need at least {SMALLEST} pixels; use the network"
            " modern or micrographs with smaller pixels"
        )
    binning = max(1, round(box / USUAL))
    side = round(box / binning)
    return Layers(side, _kernels(side), binning)


@lru_cache
def _kernels(side: int) -> tuple[int, int, int]:
    """The kernels for an input, as `layers_for` says; of two that are as near, the smaller."""
    wanted = _shares(*_KLH)

    def distance(kernels: tuple[int, int, int]) -> float:
        pairs = zip(_shares(side, kernels), wanted, strict=True)
        return round(sum(math.log(share / other) ** 2 for share, other in pairs), 9)

    return min(_dividing(side, POOLS), key=distance)


def _shares(side: int, kernels: tuple[int, int, int]) -> list[float]:
    """Each kernel's share of what it is applied to."""
    inputs = (side, *(pooled for _, pooled in Layers(side, kernels).sides))
    return [kernel / given for kernel, given in zip(kernels, inputs, strict=False)]


def _dividing(side: int, pools: tuple[int, ...]) -> Iterator[Any]:
    """All kernels, one for each pool, with which every size divides."""
    if not pools:
        yield ()
        return
    for kernel in range(1, side + 1):
        after = side - kernel + 1
        if after % pools[0] == 0:
            for others in _dividing(after // pools[0], pools[1:]):
                yield (kernel, *others)
