"""Probability tables of `inr`: Laplace distributions of each width and mean, as counts."""

from __future__ import annotations

import numpy as np

from napari_cryoinr.coding.tokens import ALPHABET, detokenise, raw_bit_counts, unfold
from napari_cryoinr.models.inr.context_model import EIGHTHS, WIDTHS, width_of
from napari_cryoinr.support.array_types import Float64Array, Int64Array

_UNIT = 1 << 20


def laplace_counts() -> Int64Array:
    """Return the counts of tokens, shape (tables, tokens)."""
    tokens = np.arange(ALPHABET)
    raw = raw_bit_counts(tokens)
    out = []
    for width in width_of(np.arange(WIDTHS, dtype=np.float64)):
        for eighth in range(EIGHTHS):
            mean = eighth / EIGHTHS
            chances = np.zeros(ALPHABET)
            for token in tokens:
                if raw[token] > 20:
                    continue
                first = detokenise(tokens[token : token + 1], np.zeros(1, np.int64))[0]
                numbers = first + np.arange(min(1 << int(raw[token]), 1 << 12))
                chances[token] = _chance(unfold(numbers) - mean, float(width)).sum()
            out.append(np.maximum(np.rint(chances * _UNIT), 1))
    return np.array(out, np.int64)


def _chance(away: Float64Array, width: float) -> Float64Array:
    """Return the chance of the interval of 1 around distances from the mean."""

    def below(value: Float64Array) -> Float64Array:
        tail = np.exp(-np.abs(value) / width) / 2
        return np.asarray(np.where(value < 0, tail, 1 - tail))

    return below(away + 0.5) - below(away - 0.5)
