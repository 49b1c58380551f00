"""Small networks of one map in its stream: rounded weights, or differences from known ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...coding.adaptive_coding import Coder, Decoder, Encoder
from ...coding.integer_network import FIRST_BITS, FRACTION, OTHER_BITS, IntegerNetwork
from ...coding.probability_tables import Tables
from ...support.array_types import Float64Array, Int64Array
from .context_model import EIGHTHS, FEATURE_SCALE, WIDTHS, ContextModel
from .value_coding import code_values

HIDDEN = 12  # units of the synthesis network
UNIT_BITS = 6  # weights are in 2^-6; no more than the first layer of integers can hold
_LARGEST_WEIGHT = 1 << 24  # times a largest activation and the units of a layer: below 2^53
_WIDTH_BITS = 6  # of the number of a width


def pack_numbers(groups: Sequence[Int64Array], tables: Tables) -> bytes:
    """Code groups of integers, each with the width that suits it."""
    coder = Encoder()
    for numbers in groups:
        _code_group(coder, len(numbers), tables, numbers)
    return coder.to_bytes()


def unpack_numbers(data: bytes, counts: Sequence[int], tables: Tables) -> list[Int64Array]:
    """Invert `pack_numbers` for groups of so many integers.

    Raises
    ------
    ValueError, AssertionError
        if the bytes hold no such groups.
    """
    coder = Decoder(data)
    out = [_code_group(coder, count, tables, None) for count in counts]
    coder.check_end()
    return out


def _code_group(coder: Coder, count: int, tables: Tables, numbers: Int64Array | None) -> Int64Array:
    width = None
    if numbers is not None:
        mean = float(np.abs(numbers).mean()) if count else 0.0
        width = np.array([np.clip(round(4 * (np.log2(mean + 2.0**-4) + 4.5)), 0, WIDTHS - 1)])
    found = coder.raw(np.array([_WIDTH_BITS]), width)
    chosen = np.full(count, EIGHTHS * min(int(found[0]), WIDTHS - 1))
    return code_values(coder, tables, chosen, numbers)


def synthesis_sizes(levels: int) -> list[int]:
    """Return the numbers of weights and biases of the synthesis network, layer by layer."""
    return [levels * HIDDEN, HIDDEN, HIDDEN, 1]


def synthesis_network(groups: Sequence[Int64Array], levels: int) -> IntegerNetwork:
    """Return the synthesis network of rounded weights and biases, in `UNIT_BITS`."""
    shapes = [(levels, HIDDEN), (HIDDEN, 1)]
    floats = [np.asarray(group, np.float64) * 2.0**-UNIT_BITS for group in groups]
    weights = [floats[2 * n].reshape(shape) for n, shape in enumerate(shapes)]
    biases = [floats[2 * n + 1] for n in range(len(shapes))]
    return _with_integer_features(weights, biases)


def _with_integer_features(
    weights: Sequence[Float64Array], biases: Sequence[Float64Array]
) -> IntegerNetwork:
    """Return a network whose features are integers, 2^FRACTION for 1."""
    scaled = [weights[0] * 2.0**-FRACTION, *weights[1:]]
    return IntegerNetwork.from_float(scaled, biases)


def changed(model: ContextModel, groups: Sequence[Int64Array], bits: int) -> ContextModel:
    """Return a context model whose layers differ by (weights, biases), in 2^-bits.

    Raises
    ------
    ValueError
        if a weight becomes so large that sums would not be exact.
    """
    weights, biases = [], []
    for number, (old, bias) in enumerate(
        zip(model.network.weights, model.network.biases, strict=True)
    ):
        unit = 2.0 ** ((OTHER_BITS if number else FIRST_BITS) - bits)
        # The features of the first layer are integers.
        own = unit if number else unit / FEATURE_SCALE
        weights.append(old + groups[2 * number].reshape(old.shape) * own)
        place = unit * 2.0**FRACTION if number else unit
        biases.append(bias + groups[2 * number + 1] * place)
        if np.abs(weights[-1]).max() > _LARGEST_WEIGHT:
            raise ValueError("a weight of the context network is too large")
    return ContextModel(IntegerNetwork(tuple(weights), tuple(biases)), model.tables)


def context_sizes(model: ContextModel) -> list[int]:
    """Return the numbers of weights and biases of a context model, layer by layer."""
    network = model.network
    pairs = zip(network.weights, network.biases, strict=True)
    return [group.size for pair in pairs for group in pair]
