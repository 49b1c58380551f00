"""Which frequencies a block of latents has, in which order they are coded, and their neighbours.

A block of side B holds B^3 latents, one for each triple (u, v, w) of frequencies 0..B-1 along z, y
and x; latent number n is (u B + v) B + w. They are coded by *shells* u + v + w = 0, 1, 2, ...: all
lower neighbours of a latent lie in earlier shells, in its own block and in every other one, so
that a whole shell is coded at once. *Bands* group them by radius instead; a block says once which
is the last band where it holds anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...support.array_types import Int64Array

BANDS = 16  # band 0 is a block without any latent, 1 the mean, 11 the Nyquist frequency of an axis
_PER_NYQUIST = 10
_DIRECT = ((-1, 0, 0), (0, -1, 0), (0, 0, -1))
_DOUBLE = ((-2, 0, 0), (0, -2, 0), (0, 0, -2))
_DIAGONAL = ((-1, -1, 0), (-1, 0, -1), (0, -1, -1))


@dataclass(frozen=True, eq=False)
class Shells:
    """Frequencies of a block; arrays by latent number, length B^3."""

    count: int  # latents in a block, B^3
    band: Int64Array  # 1 to BANDS - 1, growing with the radius
    shell: Int64Array  # u + v + w
    sizes: Int64Array  # latents in each shell
    radius: Int64Array  # in units of the Nyquist frequency, times 64
    square: Int64Array  # of the radius, times 64
    # Neighbours of lower frequency, shape (9, B^3): three direct ones, three two steps away, three
    # diagonal ones; B^3 where there is none.
    lower: Int64Array


@lru_cache(maxsize=32)
def shells_of(block: int) -> Shells:
    """Return the frequencies of a block of this side."""
    axis = np.arange(block)
    triples = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    squares = (triples**2).sum(axis=1)
    shell = triples.sum(axis=1)
    # The square root is correctly rounded by IEEE 754, so that every machine gets these integers.
    radius = np.sqrt(squares.astype(np.float64)) / block
    band = 1 + np.minimum(np.floor(radius * _PER_NYQUIST + 0.5), BANDS - 2).astype(np.int64)

    there = triples + np.array(_DIRECT + _DOUBLE + _DIAGONAL)[:, None, :]
    inside = (there >= 0).all(axis=2)
    lower = (there[..., 0] * block + there[..., 1]) * block + there[..., 2]
    return Shells(
        block**3,
        band,
        shell,
        np.bincount(shell),
        np.floor(64 * radius).astype(np.int64),
        np.floor(64 * radius * radius).astype(np.int64),
        np.where(inside, lower, block**3),
    )
