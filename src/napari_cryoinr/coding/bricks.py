"""Coding the integers of one brick, voxel by voxel of a mask, each brick on its own.

A coded brick is: length of the coded words (uint32), the words of the range coder, the raw bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import constriction
import numpy as np

from ..support.array_types import BoolArray, Int64Array
from .neighbour_contexts import CONTEXTS, Neighbourhood, parity_phases
from .probability_tables import Tables
from .tokens import (
    ALPHABET,
    detokenise,
    fold,
    pack_bits,
    raw_bit_counts,
    tokenise,
    unfold,
    unpack_bits,
)


def _phases_of(tokens: Int64Array, mask: BoolArray) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Yield (contexts, tokens) of each phase."""
    neighbourhood = Neighbourhood(mask.shape)
    for phase in parity_phases():
        here = mask[phase]
        symbols = tokens[phase][here]
        yield neighbourhood.contexts(phase, here), symbols
        neighbourhood.add(phase, here, symbols)


def encode_tokens(coder: Any, tokens: Int64Array, mask: BoolArray, tables: Tables) -> None:
    """Give a range encoder the tokens of the masked voxels of a brick."""
    for contexts, symbols in _phases_of(tokens, mask):
        tables.encode(coder, contexts, symbols)


def decode_tokens(coder: Any, mask: BoolArray, tables: Tables) -> Int64Array:
    """Take what `encode_tokens` gave from a range decoder; zero outside the mask."""
    tokens = np.zeros(mask.shape, np.int64)
    neighbourhood = Neighbourhood(mask.shape)
    for phase in parity_phases():
        here = mask[phase]
        symbols = tables.decode(coder, neighbourhood.contexts(phase, here))
        neighbourhood.add(phase, here, symbols)
        tokens[phase][here] = symbols
    return tokens


def _coding_order(mask: BoolArray) -> Int64Array:
    """Return the indices (C order) of the masked voxels as they are coded."""
    numbers = np.arange(mask.size).reshape(mask.shape)
    return np.concatenate([numbers[phase][mask[phase]] for phase in parity_phases()])


def gather_counts(values: Int64Array, mask: BoolArray) -> Int64Array:
    """Return how often each token follows each context in a brick, shape (contexts, tokens)."""
    counts = np.zeros(CONTEXTS * ALPHABET, np.int64)
    for contexts, symbols in _phases_of(tokenise(fold(values))[0], mask):
        counts += np.bincount(contexts * ALPHABET + symbols, minlength=counts.size)
    return counts.reshape(CONTEXTS, ALPHABET)


def encode_brick(values: Int64Array, mask: BoolArray, tables: Tables) -> bytes:
    """Code the masked voxels of a brick; `values` are signed integers, shape of the mask."""
    coder = constriction.stream.queue.RangeEncoder()
    tokens, counts, raw = tokenise(fold(values))
    encode_tokens(coder, tokens, mask, tables)
    words = coder.get_compressed().astype("<u4").tobytes()
    order = _coding_order(mask)
    bits = pack_bits(raw.reshape(-1)[order], counts.reshape(-1)[order])
    return len(words).to_bytes(4, "little") + words + bits


def decode_brick(data: bytes, mask: BoolArray, tables: Tables) -> Int64Array:
    """Decode what `encode_brick` made; zero outside the mask.

    Raises
    ------
    ValueError, AssertionError
        if the bytes are no such brick; the latter is what the range coder raises.
    """
    length = int.from_bytes(data[:4], "little")
    if len(data) < 4 or length % 4 or length > len(data) - 4:
        raise ValueError("a coded brick ends too early")
    words = np.frombuffer(data[4 : 4 + length], "<u4").astype(np.uint32)
    order = _coding_order(mask)
    coder = constriction.stream.queue.RangeDecoder(words)
    tokens = decode_tokens(coder, mask, tables).reshape(-1)[order]
    raw = unpack_bits(data[4 + length :], raw_bit_counts(tokens))
    values = np.zeros(mask.shape, np.int64)
    values.reshape(-1)[order] = unfold(detokenise(tokens, raw))
    return values
