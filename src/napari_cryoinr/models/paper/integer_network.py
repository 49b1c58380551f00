"""The network as it is decoded: in integers, so that every machine gets the same voxels.

Weights and activations become integers with a power of two as their unit. They are so small that
every sum of products stays below 2^53: float64 holds it exactly, and the order of the additions,
fused operations and the device do not matter. Scaling by a power of two is exact, and rounding to
the nearest integer (ties to even) is defined by IEEE 754.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .shortcuts import fold

Array = npt.NDArray[np.float64]

ACTIVATION_BITS = 20  # activations are at most 2^20 units
_SUM_BITS = 51  # a matrix product is at most 2^51, its bias another 2^51


def exponent_for(largest: float) -> int:
    """The largest e such that largest * 2^e is at most 2^ACTIVATION_BITS."""
    return ACTIVATION_BITS - math.frexp(max(largest, 1e-30))[1]


@dataclass(frozen=True, eq=False)
class Layer:
    """Stored parameters of one layer, as float64 holds them; shapes (in, out) and (out,)."""

    weight: Array
    bias: Array
    projection: Array | None
    shortcut: bool


@dataclass(frozen=True)
class Arithmetic:
    """The few functions that numpy and torch name differently."""

    put: Callable[[Array], Any]
    get: Callable[[Any], Array]
    pad: Callable[[Any, int], Any]


def numpy_arithmetic() -> Arithmetic:
    return Arithmetic(
        put=lambda a: a, get=lambda a: a, pad=lambda a, n: np.pad(a, ((0, 0), (0, n)))
    )


def torch_arithmetic(device: str) -> Arithmetic:
    """float64 on a torch device; the results equal those of numpy bit for bit."""
    import torch
    from torch.nn.functional import pad

    return Arithmetic(
        put=lambda a: torch.from_numpy(np.ascontiguousarray(a)).to(device),
        get=lambda a: a.cpu().numpy(),
        pad=lambda a, n: pad(a, (0, n)),
    )


class IntegerNetwork:
    """The layers with integer weights.

    Parameters
    ----------
    layers : the stored parameters, the output layer last.
    exponents : activations of input and hidden layers are integers in units of 2^-e.
    arithmetic : numpy's or torch's.
    """

    def __init__(
        self, layers: Sequence[Layer], exponents: Sequence[int], arithmetic: Arithmetic
    ) -> None:
        self._arithmetic = arithmetic
        self._exponents = list(exponents)
        self._steps = [
            _IntegerLayer(layer, exponent, arithmetic)
            for layer, exponent in zip(layers, exponents, strict=True)
        ]

    def __call__(self, inputs: Array) -> Array:
        """Outputs (n,) of inputs (n, input size)."""
        hidden = self._arithmetic.put(inputs)
        hidden = _saturate((hidden * 2.0 ** self._exponents[0]).round())
        for index, step in enumerate(self._steps[:-1]):
            hidden = step.hidden(hidden, self._exponents[index + 1], self._arithmetic.pad)
        return self._arithmetic.get(self._steps[-1].output(hidden))[:, 0]


class _IntegerLayer:
    def __init__(self, layer: Layer, exponent: int, arithmetic: Arithmetic) -> None:
        self._in = exponent
        fan_in_bits = math.ceil(math.log2(layer.weight.shape[0] + 1))
        weight_bits = _SUM_BITS - ACTIVATION_BITS - fan_in_bits
        self._weight, unit = _integers(layer.weight, weight_bits, arithmetic)
        self._unit = exponent + unit  # sums are in units of 2^-_unit
        limit = 2.0**_SUM_BITS
        bias = np.clip(np.rint(np.ldexp(layer.bias, self._unit)), -limit, limit)
        self._bias = arithmetic.put(bias)
        self._shortcut = layer.shortcut
        self._projection, self._projection_unit = None, 0
        if layer.projection is not None:
            self._projection, unit = _integers(layer.projection, weight_bits, arithmetic)
            self._projection_unit = exponent + unit

    def output(self, hidden: Any) -> Any:
        return (hidden @ self._weight + self._bias) * 2.0**-self._unit

    def hidden(self, hidden: Any, exponent: int, pad: Callable[[Any, int], Any]) -> Any:
        out = hidden @ self._weight + self._bias
        out = (out * 2.0 ** (exponent - self._unit)).round().clip(min=0)
        if self._projection is not None:
            carried = hidden @ self._projection
            out = out + (carried * 2.0 ** (exponent - self._projection_unit)).round()
        elif self._shortcut:
            carried = fold(hidden, out.shape[1], pad)
            out = out + (carried * 2.0 ** (exponent - self._in)).round()
        return _saturate(out)


def _integers(matrix: Array, bits: int, arithmetic: Arithmetic) -> tuple[Any, int]:
    """(integers of at most 2^bits, e): the matrix in units of 2^-e."""
    unit = bits - math.frexp(max(float(np.abs(matrix).max(initial=0.0)), 1e-30))[1]
    return arithmetic.put(np.rint(np.ldexp(matrix, unit))), unit


def _saturate(values: Any) -> Any:
    limit = 2.0**ACTIVATION_BITS
    return values.clip(-limit, limit)


def activation_exponents(layers: Sequence[Layer], inputs: Array) -> list[int]:
    """Exponents that leave every activation twice the room that these inputs (n, size) need."""
    exponents = [exponent_for(max(1.0, float(np.abs(inputs).max(initial=0.0))))]
    hidden = inputs
    pad = numpy_arithmetic().pad
    for layer in layers[:-1]:
        out = np.maximum(hidden @ layer.weight + layer.bias, 0)
        if layer.projection is not None:
            out = out + hidden @ layer.projection
        elif layer.shortcut:
            out = out + fold(hidden, out.shape[1], pad)
        exponents.append(exponent_for(2 * float(np.abs(out).max(initial=0.0))))
        hidden = out
    return exponents
