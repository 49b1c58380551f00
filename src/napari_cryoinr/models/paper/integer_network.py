"""The network as it is decoded: in integers, so that every machine gets the same voxels.

Weights and activations become integers with a power of two as their unit. They are so small that
every sum of products stays below 2^53: float64 holds it exactly, and the order of the additions,
fused operations and the device do not matter. Scaling by a power of two is exact, and rounding to
the nearest integer (ties to even) is defined by IEEE 754.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ...support.array_types import Float64Array
from ...support.devices import import_torch

ACTIVATION_BITS = 20  # activations are at most 2^20 units
_OFF = 1e-20  # less is nothing
_SUM_BITS = 51  # a matrix product is at most 2^51, its bias another 2^51


def exponent_for(largest: float) -> int:
    """Return the largest e such that largest * 2^e is at most 2^ACTIVATION_BITS.

    Of a layer all of whose units are off, one that a file can hold.
    """
    return ACTIVATION_BITS - math.frexp(max(largest, _OFF))[1]


def fold(values: Any, width: int, library: Any) -> Any:
    """Project (n, m) onto (n, width) without parameters, numpy arrays or torch tensors.

    A narrower target gets the mean of the m / width numbers that share a remainder, a wider one
    the numbers followed by zeros (the shortcut without parameters of He et al., "Deep residual
    learning", section 3.3, option A). `library` is the module numpy or torch.
    """
    rows, have = values.shape
    groups = -(-have // width)
    missing = groups * width - have
    if missing:
        zeros = [library.zeros_like(values)] * -(-missing // have)
        values = library.concatenate([values, *zeros], 1)[:, : groups * width]
    if groups == 1:
        return values
    return values.reshape(rows, groups, width).sum(1) * (1.0 / groups)


@dataclass(frozen=True, eq=False)
class Layer:
    """Stored parameters of one layer, as float64 holds them; shapes (in, out) and (out,)."""

    weight: Float64Array
    bias: Float64Array
    projection: Float64Array | None
    shortcut: bool


class IntegerNetwork:
    """The stored layers, the output layer last, with integer weights.

    Activations of input and hidden layers are integers in units of 2^-e, e of `exponents`. The
    device is that of torch, or None for numpy, which gives the same bits.
    """

    def __init__(
        self, layers: Sequence[Layer], exponents: Sequence[int], device: str | None = None
    ) -> None:
        self._device = device
        self._library = np if device is None else import_torch()
        self._exponents = exponents
        self._layers = [
            self._integer_layer(layer, exponent)
            for layer, exponent in zip(layers, exponents, strict=True)
        ]

    def __call__(self, inputs: Float64Array) -> Float64Array:
        """Return the outputs (n,) of inputs (n, input size)."""
        hidden = _saturate((self._put(inputs) * 2.0 ** self._exponents[0]).round())
        for (layer, unit, shortcut_unit), following in zip(
            self._layers, self._exponents[1:], strict=False
        ):
            out = hidden @ layer.weight + layer.bias
            out = (out * 2.0 ** (following - unit)).round().clip(min=0)
            if layer.shortcut:
                if layer.projection is None:
                    carried = fold(hidden, out.shape[1], self._library)
                else:
                    carried = hidden @ layer.projection
                out = out + (carried * 2.0 ** (following - shortcut_unit)).round()
            hidden = _saturate(out)
        last, unit, _ = self._layers[-1]
        out = ((hidden @ last.weight + last.bias) * 2.0**-unit)[:, 0]
        return np.asarray(out if self._device is None else out.cpu().numpy())

    def _put(self, array: Float64Array) -> Any:
        if self._device is None:
            return array
        return self._library.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _integer_layer(self, layer: Layer, exponent: int) -> tuple[Layer, int, int]:
        """(layer in integers, e, e): its sums and its shortcut are in units of 2^-e."""
        bits = _bits(layer)
        weight, unit = _integers(layer.weight, bits)
        limit = 2.0**_SUM_BITS
        bias = np.clip(np.rint(np.ldexp(layer.bias, exponent + unit)), -limit, limit)
        projection, projection_unit = None, 0
        if layer.projection is not None:
            integers, projection_unit = _integers(layer.projection, bits)
            projection = self._put(integers)
        integer = Layer(self._put(weight), self._put(bias), projection, layer.shortcut)
        return integer, exponent + unit, exponent + projection_unit


def _bits(layer: Layer) -> int:
    """Return how large weights may be, 2^bits, so that sums stay below 2^_SUM_BITS."""
    return _SUM_BITS - ACTIVATION_BITS - math.ceil(math.log2(layer.weight.shape[0] + 1))


def _unit(matrix: Float64Array, bits: int) -> int:
    """Return the e of the finest 2^-e in which a matrix has integers of at most 2^bits."""
    return bits - math.frexp(max(float(np.abs(matrix).max(initial=0.0)), 1e-30))[1]


def _integers(matrix: Float64Array, bits: int) -> tuple[Float64Array, int]:
    """Return (integers of at most 2^bits, e): the matrix in units of 2^-e."""
    unit = _unit(matrix, bits)
    return np.rint(np.ldexp(matrix, unit)), unit


def _saturate(values: Any) -> Any:
    limit = 2.0**ACTIVATION_BITS
    return values.clip(-limit, limit)


def activation_exponents(layers: Sequence[Layer], inputs: Float64Array) -> list[int]:
    """Return exponents that leave every activation twice the room that inputs (n, size) need.

    Where activations are tiny, as after a training that went wrong, the biases that are added to
    their products decide.
    """
    exponents = [exponent_for(max(1.0, float(np.abs(inputs).max(initial=0.0))))]
    hidden = inputs
    for layer, following in pairwise(layers):
        out = np.maximum(hidden @ layer.weight + layer.bias, 0)
        if layer.projection is not None:
            out += hidden @ layer.projection
        elif layer.shortcut:
            out += fold(hidden, out.shape[1], np)
        wanted = exponent_for(2 * float(np.abs(out).max(initial=0.0)))
        bias = math.frexp(max(float(np.abs(following.bias).max(initial=0.0)), _OFF))[1]
        exponents.append(min(wanted, _SUM_BITS - bias - _unit(following.weight, _bits(following))))
        hidden = out
    return exponents
