"""The sizes of DeepEM's layers for a box.

Zhu, Ouyang and Mao (BMC Bioinformatics 18:348, 2017, "Design of the DeepEM model" and table 1) give
the sizes for two proteins, KLH and 19S. `layers_for` describes the choice for other boxes.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from ....errors import SettingsError

MAPS = (6, 12, 12)  # of the three convolutions
POOLS = (3, 2, 2)  # sides of the averaged squares after each
NAMES = ("c1", "c3", "c5", "output")
SMALLEST = 16  # pixels of the smallest box whose sizes divide
USUAL = 28  # pixels of the input's side, except in the published networks
_KLH, _19S = (272, (51, 21, 10)), (160, (20, 10, 4))  # sides and kernels


class Layers(NamedTuple):
    """The eight layers: input, C1, S2, C3, S4, C5, S6, output."""

    side: int  # pixels of the input along x and y
    kernels: tuple[int, int, int]  # sides of the convolutions C1, C3 and C5
    binning: int = 1  # pixels of the micrograph per pixel of the input, along x and y

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
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the parameters; convolutions are (maps, maps before, y, x)."""
        found: dict[str, tuple[int, ...]] = {}
        before = 1
        for name, maps, kernel in zip(NAMES, MAPS, self.kernels, strict=False):
            found[f"{name}.weight"] = (maps, before, kernel, kernel)
            found[f"{name}.bias"] = (maps,)
            before = maps
        last = self.sides[-1][1]
        return found | {"output.weight": (before, last, last), "output.bias": (1,)}


def layers_for(box: float) -> Layers:
    """Choose the layers for a box.

    Boxes of 272 and 160 pixels get the published networks of KLH and 19S. For others

    - the micrograph is binned by the whole number nearest to a 28th of the box, which leaves enough
      pixels to recognise a particle, and few enough to train 20 epochs and to pick quickly;
    - the input's side is the binned box, rounded to whole pixels;
    - the pools stay 3, 2 and 2, the maps 6, 12 and 12;
    - of all kernels with which every size divides, those are taken whose shares of their layers'
      inputs are nearest to KLH's (least sum of squares of the logarithms of the ratios).

    Raises
    ------
    SettingsError
        For boxes below 16 pixels, which leave nothing for the last layers.
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
    """Choose the kernels for an input as `layers_for` says; of two equally near, the smaller."""
    wanted = _shares(Layers(*_KLH))

    def distance(layers: Layers) -> float:
        pairs = zip(_shares(layers), wanted, strict=True)
        return round(sum(math.log(share / other) ** 2 for share, other in pairs), 9)

    def divides(layers: Layers) -> bool:
        sizes = zip(layers.sides, POOLS, strict=True)
        return all(after > 0 and after % pool == 0 for (after, _), pool in sizes)

    ranges = (range(1, side // before + 1) for before in (1, POOLS[0], POOLS[0] * POOLS[1]))
    candidates = (Layers(side, (c1, c3, c5)) for c1, c3, c5 in product(*ranges))
    return min(filter(divides, candidates), key=distance).kernels


def _shares(layers: Layers) -> list[float]:
    """Return each kernel's share of the side of its input."""
    inputs = (layers.side, *(pooled for _, pooled in layers.sides))
    return [kernel / given for kernel, given in zip(layers.kernels, inputs, strict=False)]
