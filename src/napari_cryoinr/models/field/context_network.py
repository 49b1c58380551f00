"""The context network: from the features of a latent to the number of its probability table.

A perceptron of two hidden layers in integers. They are computed in float64, which holds them
exactly, so that sums come out the same in any order: on every machine, with any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...support.array_types import Float64Array, Int64Array
from ...support.regions import pieces

FRACTION = 10  # bits behind the binary point of activations
_INPUT_SHIFT = 16 - FRACTION  # weights of the first layer have 16, those of the others 12
_SHIFT = 12
_CAP = float(1 << 24)  # activations stay below, so that no sum reaches 2^53
_ROWS = 1 << 10  # latents at a time: in the cache, and too few for BLAS to wake its threads


@dataclass(frozen=True, eq=False)
class ContextNetwork:
    """Weights and biases of the three layers, integers in float64, shapes (inputs, outputs)."""

    weights: tuple[Float64Array, ...]
    biases: tuple[Float64Array, ...]
    tables: int

    @cached_property
    def _layers(self) -> list[tuple[Float64Array, Float64Array]]:
        """Transposed weights and biases, by powers of two so that activations are integers."""
        shifts = [_INPUT_SHIFT, *[_SHIFT] * (len(self.weights) - 1)]
        return [
            (np.ascontiguousarray(weights.T) * 2.0**-shift, bias[:, None] * 2.0**-shift)
            for weights, bias, shift in zip(self.weights, self.biases, shifts, strict=True)
        ]

    def choose(self, features: Float64Array) -> Int64Array:
        """Return the number of the probability table for each row of features."""
        out = np.empty(len(features), np.int64)
        for part in pieces(len(features), _ROWS):
            values = features[part].T
            for number, (weights, bias) in enumerate(self._layers):
                if number:
                    np.clip(values, 0, _CAP, out=values)
                values = weights @ values
                values += bias
                np.floor(values, out=values)
            tables = np.floor((values[0] + (1 << (FRACTION - 1))) * 2.0**-FRACTION)
            out[part] = np.clip(tables, 0, self.tables - 1)
        return out

    @classmethod
    def from_float(
        cls, weights: list[Float64Array], biases: list[Float64Array], tables: int
    ) -> ContextNetwork:
        """Round a trained network; its output is the number of the table."""
        bits = [16] + [_SHIFT] * (len(weights) - 1)
        rounded = [np.rint(w * 2.0**b) for w, b in zip(weights, bits, strict=True)]
        offsets = [
            np.rint(b * 2.0 ** (bit + (FRACTION if number else 0)))
            for number, (b, bit) in enumerate(zip(biases, bits, strict=True))
        ]
        return cls(tuple(rounded), tuple(offsets), tables)
