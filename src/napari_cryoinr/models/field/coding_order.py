"""In which order the latents of a tile are coded, and in which they are kept meanwhile.

Latents are coded shell by shell, and within a shell first those of the even blocks, then those of
the odd ones (the parity of the sum of the block's three indices, so that the six face neighbours of
an odd block are even). Within such a phase it is block by block, each from the lowest number of a
latent to the highest.

They are kept by shell, band and number, and blocks by parity and from the highest last band to the
lowest. So a phase is a rectangle, or a few of them, without gaps.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ...support.array_types import AnyArray, BoolArray, Int64Array
from .frequency_shells import shells_of


@dataclass(frozen=True, eq=False)
class Columns:
    """The latents of a block in the order in which they are kept."""

    numbers: Int64Array
    lower: Int64Array  # `Shells.lower` of these, as places in this order, shape (9, B^3)
    starts: list[int]  # of each shell, and the end
    bands: list[list[tuple[int, int, int]]]  # of each shell: (band, first place, place behind)
    by_number: list[Int64Array]  # of each shell: places from its first one, by number


@lru_cache(maxsize=32)
def columns_of(block: int) -> Columns:
    """Return the columns of blocks of this side."""
    shells = shells_of(block)
    numbers = np.lexsort((shells.band, shells.shell))
    places = np.empty(shells.count + 1, np.int64)
    places[numbers], places[-1] = np.arange(shells.count), shells.count
    starts = [0, *np.cumsum(shells.sizes).tolist()]
    bands, by_number = [], []
    for start, stop in itertools.pairwise(starts):
        own = shells.band[numbers[start:stop]]
        edges = [0, *(np.flatnonzero(np.diff(own)) + 1).tolist(), len(own)]
        bands.append([(int(own[a]), start + a, start + b) for a, b in itertools.pairwise(edges)])
        by_number.append(np.argsort(numbers[start:stop]))
    return Columns(numbers, places[shells.lower[:, numbers]], starts, bands, by_number)


@dataclass(frozen=True, eq=False)
class Phase:
    """Latents that are coded together.

    Attributes
    ----------
    shell : of their frequencies.
    odd : parity of their blocks.
    first : place of the first block of this parity.
    order : places of the blocks from that on, by the number of the block.
    listed : numbers of the blocks, ascending.
    members : numbers of the latents of the shell, ascending.
    coded : whether a latent is coded, shape (blocks, latents).
    """

    shell: int
    odd: bool
    first: int
    order: Int64Array
    listed: Int64Array
    members: Int64Array
    coded: BoolArray

    @cached_property
    def _places(self) -> tuple[AnyArray, ...]:
        return np.nonzero(self.coded)

    def rows_in(self, blocks: Int64Array) -> Int64Array:
        """Return the place of the block of each latent, in the order of coding.

        `blocks` ascend, and those of the phase are among them.
        """
        return np.searchsorted(blocks, self.listed)[self._places[0]]

    @property
    def numbers(self) -> Int64Array:
        """The number of each latent in its block, in the order of coding."""
        return self.members[self._places[1]]

    def spread(self, values: AnyArray) -> AnyArray:
        """Return values of the coded latents by block and latent, 0 for the others.

        Blocks and latents ascend.
        """
        out = np.zeros(self.coded.shape, values.dtype)
        out[self.coded] = values
        return out
