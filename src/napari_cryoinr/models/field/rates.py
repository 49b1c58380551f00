"""What latents cost, and rounding them so that size and error together are smallest.

Rate-distortion optimised quantisation: for every latent its rounded value, the next one towards
zero and zero itself are weighed by squared error + price x bits, with the bits that the context
network and its tables give; then, block by block, whether the outer bands are worth their bits.
Contexts follow from the latents themselves, so it is repeated from the outcome.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...entropy.tokens import raw_bit_counts, tokenise
from .contexts import Contexts, band_magnitudes, last_bands
from .pretrained import Pretrained
from .shells import BANDS, shells_of

Floats = npt.NDArray[np.float32]
Latents = npt.NDArray[np.int32]
Grid = tuple[int, int, int]

_BAND_BITS = 1.5  # about what saying the last band of a block costs, more than saying none
_DEADZONE = 0.45  # below it a latent is zero at any price
_FIRST_DEADZONE = 0.6  # the same before costs are known


def round_latents(
    scaled: Floats, grid: Grid, block: int, price: float, trained: Pretrained, passes: int
) -> Latents:
    """Integers for latents in units of the quantisation step.

    Parameters
    ----------
    scaled : shape (blocks, B^3), blocks of `grid` in C order.
    price : squared error, in steps, that a bit is worth.
    passes : how often contexts are computed anew.
    """
    nearest = np.rint(scaled).astype(np.int32)
    latents = np.where(np.abs(scaled) > _FIRST_DEADZONE, nearest, np.int32(0))
    for _ in range(passes):
        latents = _round_once(scaled, nearest, latents, grid, block, price, trained)
    return latents


def _round_once(
    scaled: Floats,
    nearest: Latents,
    latents: Latents,
    grid: Grid,
    block: int,
    price: float,
    trained: Pretrained,
) -> Latents:
    bands = last_bands(latents, block)
    if not bands.any():
        return latents
    shells = shells_of(block)
    contexts = Contexts(grid, block, bands, band_magnitudes(latents, bands, block))
    out = np.zeros_like(latents)
    error = np.zeros((len(bands), BANDS))
    for shell, blocks, numbers in contexts.phases():
        tables = trained.network.choose(contexts.features(shell, blocks, numbers))
        contexts.add(shell, blocks, numbers, tokenise(np.abs(latents[blocks, numbers]))[0])
        wanted = scaled[blocks, numbers].astype(np.float64)
        full = nearest[blocks, numbers].astype(np.int64)
        zero_cost = trained.bits[tables, 0] * price
        best = np.zeros(len(full), np.int64)
        best_cost = wanted * wanted + zero_cost
        some = np.flatnonzero(np.abs(wanted) > _DEADZONE)
        for less in (0, 1):
            value = full[some] - less * np.sign(full[some])
            value = np.where(value == 0, np.sign(wanted[some]).astype(np.int64), value)
            tokens = tokenise(np.abs(value))[0]
            bits = trained.bits[tables[some], tokens] + raw_bit_counts(tokens) + 1
            cost = (wanted[some] - value) ** 2 + price * bits
            better = cost < best_cost[some]
            best[some[better]] = value[better]
            best_cost[some[better]] = cost[better]
        out[blocks, numbers] = best
        # What each band of each block costs beyond leaving it out.
        extra = best_cost - wanted * wanted
        error += np.bincount(
            blocks * BANDS + shells.band[numbers], weights=extra, minlength=error.size
        ).reshape(error.shape)
    total = np.cumsum(error, axis=1)
    total[:, 1:] += price * _BAND_BITS
    kept = total.argmin(axis=1)
    out[shells.band > kept[:, None]] = 0
    return out
