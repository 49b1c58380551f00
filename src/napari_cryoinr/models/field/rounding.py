"""Rounding latents so that size and error together are smallest (rate-distortion optimisation).

For every latent its rounded value, the next one towards zero and zero itself are compared by
squared error + price x bits, with the bits that the context network and its tables give; then,
block by block, whether the outer bands are worth their bits. Contexts follow from the latents
themselves, so all of it is repeated from the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...coding.tokens import raw_bit_counts, tokenise
from ...progress import Progress, Steps, drain
from ...support.array_types import Float64Array, Int64Array, IntArray
from ...support.regions import pieces
from . import latent_contexts
from .blocks import Blocks, rows_of, smallest_type
from .frequency_shells import BANDS, shells_of
from .latent_contexts import Contexts, band_magnitudes, last_bands
from .pretrained import Pretrained

_BAND_BITS = 1.5  # about what saying the last band of a block costs, more than saying none
_DEADZONE = 0.45  # below it a latent is zero at any price
FIRST_DEADZONE = 0.6  # the same before costs are known


@dataclass(frozen=True, eq=False)
class Rounded(Blocks):
    """Rounded latents.

    `charge` is price x bits, with the bits that they take by the costs of the last pass.
    """

    charge: float


def round_latents(
    scaled: Blocks, block: int, price: float, trained: Pretrained, passes: int
) -> Rounded:
    """Return integers for latents in units of the quantisation step.

    Parameters
    ----------
    scaled : real numbers; blocks without any above `FIRST_DEADZONE` need not be listed.
    price : squared error, in steps, that a bit is worth.
    passes : how often contexts are computed anew.

    Returns
    -------
    The blocks that hold any, int16 or int32.
    """
    return drain(round_steps(scaled, block, price, trained, passes))


def round_steps(
    scaled: Blocks, block: int, price: float, trained: Pretrained, passes: int
) -> Steps[Rounded]:
    """`round_latents` as a generator of progress, in shells of frequencies."""
    largest = max(
        (np.abs(scaled.latents[rows]).max() for rows in rows_of(scaled.latents)), default=0
    )
    latents = np.empty(scaled.latents.shape, smallest_type(largest))
    for rows in rows_of(latents):
        part = scaled.latents[rows]
        latents[rows] = np.where(np.abs(part) > FIRST_DEADZONE, np.rint(part), 0)
    charge = 0.0
    for _ in range(passes):
        charge = yield from _round_once_steps(scaled, latents, block, price, trained)
    some = np.flatnonzero(last_bands(latents, block))
    return Rounded(scaled.grid, scaled.numbers[some], latents[some], charge)


def _round_once_steps(
    scaled: Blocks, latents: IntArray, block: int, price: float, trained: Pretrained
) -> Steps[float]:
    """Round anew, in place, with the costs that follow from the latents as they are.

    Returns
    -------
    Price x bits of the outcome, at these costs.
    """
    listed = last_bands(latents, block)
    shells = shells_of(block)
    bands = np.zeros(int(np.prod(scaled.grid)), np.int64)
    bands[scaled.numbers] = listed
    contexts = Contexts(scaled.grid, block, bands, band_magnitudes(latents, listed, block))
    error = np.zeros((len(listed), BANDS))  # of each band of each block, beyond leaving it out
    for phase in contexts.phases():
        rows, numbers = phase.rows_in(scaled.numbers), phase.numbers
        tables = contexts.tables(trained.network, phase)
        tokens = np.empty(len(rows), np.int64)
        for part in pieces(len(rows), latent_contexts.PART):
            tokens[part] = tokenise(np.abs(latents[rows[part], numbers[part]]))[0]
            wanted = scaled.latents[rows[part], numbers[part]].astype(np.float64)
            best, cost = _cheapest(wanted, tables[part], price, trained)
            latents[rows[part], numbers[part]] = best
            np.add.at(error, (rows[part], shells.band[numbers[part]]), cost - wanted * wanted)
        contexts.add(phase, tokens)
        yield Progress("rounding", phase.shell, 3 * block - 2)
    total = np.cumsum(error, axis=1)
    total[:, 1:] += price * _BAND_BITS
    kept = total.argmin(axis=1)
    charge = float(total.min(axis=1).sum())  # cost of the outcome, beyond leaving all out
    for some in rows_of(latents):
        latents[some][shells.band > kept[some, None]] = 0
        values = latents[some].astype(np.float64)
        # Without what the squared error is smaller than that of leaving all out.
        charge += float((values * (2 * scaled.latents[some] - values)).sum())
    return charge


def _cheapest(
    wanted: Float64Array, tables: Int64Array, price: float, trained: Pretrained
) -> tuple[Int64Array, Float64Array]:
    """Return (integer, cost) for each latent of these probability tables."""
    full = np.rint(wanted).astype(np.int64)
    best = np.zeros(len(full), np.int64)
    best_cost = wanted * wanted + trained.bits[tables, 0] * price
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
    return best, best_cost
