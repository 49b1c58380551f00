"""A perceptron in integers: from integer features to integer outputs.

They are computed in float64, which holds them exactly, so that sums come out the same in any order:
on every machine, with any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..support.array_types import Float64Array
from ..support.regions import pieces

FRACTION = 10  # bits behind the binary point of activations and outputs
FIRST_BITS, OTHER_BITS = 16, 12  # of weights, in the first layer and in the others
_CAP = float(1 << 24)  # activations stay below, so that no sum reaches 2^53
_ROWS = 1 << 10  # inputs at a time: in the cache, and too few for BLAS to wake its threads


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Weights and biases of the layers, integers in float64, shapes (inputs, outputs)."""

    weights: tuple[Float64Array, ...]
    biases: tuple[Float64Array, ...]

    @cached_property
    def _layers(self) -> list[tuple[Float64Array, Float64Array]]:
        """Transposed weights and biases, by powers of two so that activations are integers."""
        shifts = [FIRST_BITS - FRACTION, *[OTHER_BITS] * (len(self.weights) - 1)]
        return [
            (np.ascontiguousarray(weights.T) * 2.0**-shift, bias[:, None] * 2.0**-shift)
            for weights, bias, shift in zip(self.weights, self.biases, shifts, strict=True)
        ]

    def outputs(self, features: Float64Array) -> Float64Array:
        """Return the outputs for each row of features: integers, 2^FRACTION for 1."""
        out = np.empty((len(features), len(self.biases[-1])))
        for part in pieces(len(features), _ROWS):
            values = features[part].T
            for number, (weights, bias) in enumerate(self._layers):
                if number:
                    np.clip(values, 0, _CAP, out=values)
                values = weights @ values
                values += bias
                np.floor(values, out=values)
            out[part] = values.T
        return out

    @classmethod
    def from_float(cls, weights: Sequence[Float64Array], biases: Sequence[Float64Array]) -> Self:
        """Round a trained network."""
        bits = [FIRST_BITS] + [OTHER_BITS] * (len(weights) - 1)
        rounded = [np.rint(w * 2.0**b) for w, b in zip(weights, bits, strict=True)]
        offsets = [
            np.rint(b * 2.0 ** (bit + (FRACTION if number else 0)))
            for number, (b, bit) in enumerate(zip(biases, bits, strict=True))
        ]
        return cls(tuple(rounded), tuple(offsets))
