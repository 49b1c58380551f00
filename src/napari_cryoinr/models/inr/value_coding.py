"""Signed integers coded by the probability tables that were chosen for them."""

from __future__ import annotations

import numpy as np

from ...coding.adaptive_coding import Coder
from ...coding.probability_tables import Tables
from ...coding.tokens import detokenise, fold, raw_bit_counts, tokenise, unfold
from ...support.array_types import Int64Array
from ..separable_sums import MAX_LATENT


def code_values(
    coder: Coder, tables: Tables, chosen: Int64Array, values: Int64Array | None
) -> Int64Array:
    """Code values in either direction and return them; None where they are read.

    `chosen` : the number of the table of each.
    """
    tokens = raw = None
    if values is not None:
        tokens, _, raw = tokenise(fold(values))
    tokens = coder.with_tables(tables, chosen, tokens)
    raw = coder.raw(raw_bit_counts(tokens), raw)
    found = unfold(detokenise(tokens, raw))
    if np.abs(found).max(initial=0) >= 2 * MAX_LATENT:
        raise ValueError("a number is out of range")
    return found
