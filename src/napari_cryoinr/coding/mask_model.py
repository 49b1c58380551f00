"""The chance that a voxel is set: a small network of integers that goes on learning.

Inputs are -1, 0 and 1; weights are integers; sums stay below 2²⁴, so that float32 holds them
exactly in whatever order they are added. The last layer is trained further on the voxels coded so
far, in int64 (online logistic mixing as in PAQ, M. Mahoney 2005). No step depends on the machine.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Inputs = npt.NDArray[np.int8]
Integers = npt.NDArray[np.int64]
Weights = npt.NDArray[np.int8]

UNIT = 32  # what stands for 1 in weights and in hidden values
TOP = 1023  # hidden values are cut here: 1023 · 127 · 64 < 2²⁴
CHANCE_BITS = 16  # chances are whole numbers of 2⁻¹⁶
_LOGIT_UNIT = 256  # of the table of chances
_LOGIT_TOP = 11 * _LOGIT_UNIT  # beyond, a chance would round to 0
_FEW = 64  # voxels: the gradient of fewer weighs less
_FINE = 16  # bits below 1 in the weights that go on learning


def _chances() -> Integers:
    """The logistic function of -11 … 11 in steps of 1/256, from integers alone."""
    one = 1 << 96
    # e^(1/256) by its series, in units of 2^-96
    step, term = one, one
    for k in range(1, 30):
        term = term // (_LOGIT_UNIT * k)
        step += term
    power, upper = one, []
    for _ in range(_LOGIT_TOP + 1):
        upper.append((power << CHANCE_BITS) // (one + power))
        power = power * step >> 96
    top = 1 << CHANCE_BITS
    upper = [min(value, top - 1) for value in upper]
    return np.array([top - value for value in upper[:0:-1]] + upper, np.int64)


_CHANCE = _chances()


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of three layers, (inputs, outputs) each, and biases in the units of the sums."""

    weights: tuple[Weights, Weights, Weights]
    biases: tuple[Integers, Integers, Integers]

    @classmethod
    def from_bytes(cls, data: bytes, sizes: tuple[int, int, int]) -> Network:
        """Layer by layer the weights (int8), then all biases (int32, little endian)."""
        widths = (*sizes, 1)
        weights, start = [], 0
        for rows, columns in itertools.pairwise(widths):
            part = np.frombuffer(data, np.int8, rows * columns, start)
            weights.append(part.reshape(rows, columns))
            start += part.size
        flat = np.frombuffer(data, "<i4", sum(widths[1:]), start).astype(np.int64)
        first, second, third = np.split(flat, np.cumsum(widths[1:])[:-1])
        return cls((weights[0], weights[1], weights[2]), (first, second, third))


class Predictor:
    """Chances by a network whose last layer follows what is coded."""

    def __init__(self, network: Network, slowness: int) -> None:
        """The last layer moves by the mean gradient, divided by `slowness`."""
        self._layers = [
            (weights.astype(np.float32), bias.astype(np.float32))
            for weights, bias in zip(network.weights[:2], network.biases[:2], strict=True)
        ]
        last = np.append(network.weights[2][:, 0], network.biases[2] // UNIT).astype(np.int64)
        self._last = last * (2**_FINE // UNIT)
        self._slowness = slowness
        self._hidden: Integers = np.zeros((0, last.size), np.int64)
        self._given: Integers = np.zeros(0, np.int64)

    def chances(self, inputs: Inputs) -> Integers:
        """Chances of a set voxel, whole numbers of 2⁻¹⁶ inside (0, 1), from inputs (n, inputs)."""
        (first, first_bias), (second, second_bias) = self._layers
        hidden = np.clip(inputs.astype(np.float32) @ first + first_bias, 0, TOP)
        hidden = np.clip(np.floor((hidden @ second + second_bias) / UNIT), 0, TOP)
        self._hidden = np.empty((len(inputs), self._last.size), np.int64)
        self._hidden[:, :-1] = hidden
        self._hidden[:, -1] = UNIT
        logits = (self._hidden @ self._last) // (UNIT * 2**_FINE // _LOGIT_UNIT)
        self._given = _CHANCE[np.clip(logits, -_LOGIT_TOP, _LOGIT_TOP) + _LOGIT_TOP]
        return self._given

    def learn(self, bits: npt.NDArray[np.bool_]) -> None:
        """Follow what the voxels of the last `chances` turned out to be."""
        errors = (bits.astype(np.int64) << CHANCE_BITS) - self._given
        weight = UNIT * self._slowness * max(len(bits), _FEW)
        self._last += (errors @ self._hidden) // weight
        np.clip(self._last, -(2**24), 2**24, out=self._last)


class Counts:
    """Chances of a bit by context, from how often it was set."""

    def __init__(self, clear: Integers, given: Integers) -> None:
        """Start as if each context had been seen a sixteenth of so often clear and set."""
        self._clear, self._set = clear.astype(np.int64), given.astype(np.int64)

    def chances(self, contexts: Integers) -> Integers:
        """Chances of a set bit, whole numbers of 2⁻¹⁶ inside (0, 1)."""
        top = 1 << CHANCE_BITS
        chances = top * self._set // (self._set + self._clear)
        return np.clip(chances, 1, top - 1)[contexts]

    def learn(self, contexts: Integers, bits: npt.NDArray[np.bool_]) -> None:
        """Follow what the bits turned out to be."""
        self._set += 16 * np.bincount(contexts[bits], minlength=self._set.size)
        self._clear += 16 * np.bincount(contexts[~bits], minlength=self._set.size)
