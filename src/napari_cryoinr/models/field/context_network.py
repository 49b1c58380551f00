"""The context network: from the features of a latent to the number of its probability table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...coding.integer_network import FRACTION, IntegerNetwork
from ...support.array_types import Float64Array, Int64Array


@dataclass(frozen=True, eq=False)
class ContextNetwork:
    """A network of one output, which is the number of one of so many tables."""

    network: IntegerNetwork
    tables: int

    def choose(self, features: Float64Array) -> Int64Array:
        """Return the number of the probability table for each row of features."""
        values = self.network.outputs(features)[:, 0]
        tables = np.floor((values + (1 << (FRACTION - 1))) * 2.0**-FRACTION)
        return np.clip(tables, 0, self.tables - 1).astype(np.int64)
