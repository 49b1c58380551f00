"""Latents of one map that predict those of another, such as the two half-maps of a particle.

Both maps have the same blocks and the same basis, so that a latent of one is the best guess at the
same latent of the other, times a gain. There is one gain for each band: what both maps share
(signal) fades with the frequency, and what they do not (noise) does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.array_types import Float64Array, Int64Array, IntArray
from .blocks import Blocks, rows_of
from .field_settings import FieldConfig
from .frequency_shells import BANDS, shells_of

GAIN_BITS = 6
MAX_GAIN = 255


def predicted(latents: IntArray, gains: Int64Array, block: int) -> Int64Array:
    """Return integers that predict the latents of another map, shape (blocks, B^3).

    Parameters
    ----------
    latents : of the reference, shape (blocks, B^3).
    gains : by band, in units of 2^-GAIN_BITS.
    """
    products = latents.astype(np.int64) * gains[shells_of(block).band]
    return (products + (1 << (GAIN_BITS - 1))) >> GAIN_BITS


@dataclass(frozen=True, eq=False)
class Reference:
    """An encoded map, member `number` of the archive."""

    number: int
    config: FieldConfig
    latents: Blocks

    def gains_for(self, other: Reference) -> Float64Array | None:
        """Return the gain of each band, between densities, that predicts another map best.

        None where the two maps have different bases.
        """
        same = ("edition", "block", "shape", "tile", "symmetry")
        if self.latents.grid != other.latents.grid or any(
            getattr(self.config, name) != getattr(other.config, name) for name in same
        ):
            return None
        mine, theirs = self.latents, other.latents
        products, squares = np.zeros((2, self.config.block**3))
        _, in_mine, in_theirs = np.intersect1d(mine.numbers, theirs.numbers, return_indices=True)
        for rows in rows_of(mine.latents):
            squares += np.square(mine.latents[rows], dtype=np.float64).sum(axis=0)
        for rows in rows_of(mine.latents[in_mine]):
            x, y = mine.latents[in_mine[rows]], theirs.latents[in_theirs[rows]]
            products += np.multiply(x, y, dtype=np.float64).sum(axis=0)
        band = shells_of(self.config.block).band
        shared, known = (np.bincount(band, sums, BANDS) for sums in (products, squares))
        steps = other.config.step / self.config.step
        return np.maximum(shared / np.maximum(known, 1e-30), 0) * steps

    def stored_gains(self, gains: Float64Array, step: float) -> Int64Array:
        """Return gains between densities as those between latents, for a map with this step."""
        exact = gains * (self.config.step / step) * 2.0**GAIN_BITS
        return np.rint(exact).clip(0, MAX_GAIN).astype(np.int64)
