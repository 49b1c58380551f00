"""From what is known around latents to their probability tables, in integers.

A latent has a Laplace distribution about a predicted mean. The network says its width, and how much
of each signed mean of neighbours the predicted mean holds; so turning all signs round turns the
prediction round. The mean is in eighths: its integer part shifts the symbol, the rest is one of the
numbers of the table, the width the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...coding.integer_network import FRACTION, IntegerNetwork
from ...coding.probability_tables import Tables
from ...support.array_types import Float64Array, Int64Array
from .contexts import FIRST_FIXED, MEAN_UNIT, logarithm

WIDTHS = 48  # of the distributions; see `width_of`
EIGHTHS = 8
FEATURE_SCALE = 64  # features are so large, about: a network in floats sees such parts of them
_MEAN_SHIFT = FRACTION + MEAN_UNIT.bit_length() - 1 - 3  # from gates times means to eighths
_LARGEST_MEAN = 1 << 20  # in eighths


def width_of(number: Float64Array) -> Float64Array:
    """Return the widths (mean distance from the mean) of the distributions of some number."""
    return np.asarray(2.0 ** (number / 4 - 4.5))


@dataclass(frozen=True, eq=False)
class ContextModel:
    """The network, and the tables by width and eighth: `EIGHTHS` for each width."""

    network: IntegerNetwork
    tables: Tables

    def choose(
        self, sizes: Int64Array, signed: Int64Array, fixed: Float64Array
    ) -> tuple[Int64Array, Int64Array]:
        """Return (table, shift) of each node.

        Parameters
        ----------
        sizes, signed : those of `LevelContexts.means`.
        fixed : `fixed_features` of the phase.
        """
        features = np.empty((sizes.shape[1], FIRST_FIXED + len(fixed)))
        features[:, :FIRST_FIXED] = logarithm(sizes).T
        features[:, FIRST_FIXED:] = fixed
        found = self.network.outputs(features).astype(np.int64)
        width = (found[:, 0] + (1 << (FRACTION - 1))) >> FRACTION
        means = (found[:, 1:].T * signed).sum(axis=0)
        eighths = (means + (1 << (_MEAN_SHIFT - 1))) >> _MEAN_SHIFT
        eighths = np.clip(eighths, -_LARGEST_MEAN, _LARGEST_MEAN)
        return EIGHTHS * np.clip(width, 0, WIDTHS - 1) + eighths % EIGHTHS, eighths // EIGHTHS
