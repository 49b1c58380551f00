"""Latents of one map that predict those of another, such as the two half-maps of a particle.

Both maps have the same blocks and the same basis, so that a latent of one is the best guess at the
same latent of the other, times a gain. There is one gain for each band: what both maps share
(signal) fades with the frequency, and what they do not (noise) does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .blocks import Blocks, rows_of
from .field_config import FieldConfig
from .frequency_shells import BANDS, Integers, Ints, shells_of

GAIN_BITS = 6
MAX_GAIN = 255


def predicted(latents: Integers, gains: Ints, block: int) -> Ints:
    """Integers that stand for the latents of another map, shape (..., B^3).

    Parameters
    ----------
    latents : of the reference, shape (..., B^3).
    gains : by band, in units of 2^-GAIN_BITS.
    """
    band = shells_of(block).band
    products = latents.astype(np.int64) * gains[band]
    return (products + (1 << (GAIN_BITS - 1))) >> GAIN_BITS


def gains_between(reference: Blocks, other: Blocks, block: int) -> npt.NDArray[np.float64]:
    """The gain of each band that predicts the other latents best (least squares)."""
    band = shells_of(block).band
    both, own = np.zeros((2, block**3))
    _, mine, others = np.intersect1d(reference.numbers, other.numbers, return_indices=True)
    for rows in rows_of(reference.latents):
        own += np.square(reference.latents[rows], dtype=np.float64).sum(axis=0)
    for start, stop in ((rows.start, rows.stop) for rows in rows_of(reference.latents[mine])):
        x, y = reference.latents[mine[start:stop]], other.latents[others[start:stop]]
        both += np.multiply(x, y, dtype=np.float64).sum(axis=0)
    shared, known = (np.bincount(band, weights=sums, minlength=BANDS) for sums in (both, own))
    return np.maximum(shared / np.maximum(known, 1e-30), 0)


@dataclass(frozen=True, eq=False)
class Reference:
    """An encoded map whose latents predict those of others.

    Attributes
    ----------
    number : of the member.
    shape : of its map, (z, y, x).
    latents : of the map.
    gains : by band, between densities; None until they are known.
    """

    number: int
    shape: tuple[int, ...]
    config: FieldConfig
    latents: Blocks
    gains: npt.NDArray[np.float64] | None = None

    def stored_gains(self, step: float) -> Ints:
        """Gains between latents of the reference and those of a map with this step."""
        assert self.gains is not None
        exact = self.gains * (self.config.step / step) * 2.0**GAIN_BITS
        return np.rint(exact).clip(0, MAX_GAIN).astype(np.int64)
