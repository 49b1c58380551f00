"""Coding the integers of one brick, voxel by voxel of a mask, each brick on its own.

A coded brick is: length of the coded words (uint32), the words of the range coder, the raw bits.
"""

from __future__ import annotations

import constriction
import numpy as np

from ..support.array_types import BoolArray, Int64Array
from .adaptive_coding import by_context
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


def _phases_of(
    values: Int64Array, mask: BoolArray
) -> list[tuple[Int64Array, Int64Array, Int64Array, Int64Array]]:
    """(contexts, tokens, raw bit counts, raw bits) of each phase."""
    out = []
    neighbourhood = Neighbourhood(mask)
    for phase in parity_phases():
        here = mask[phase]
        tokens, counts, raw = tokenise(fold(values[phase][here]))
        contexts = neighbourhood.contexts(phase, here)
        neighbourhood.add(phase, here, tokens)
        out.append((contexts, tokens, counts, raw))
    return out


def gather_counts(values: Int64Array, mask: BoolArray) -> Int64Array:
    """How often each token follows each context in a brick, shape (contexts, tokens)."""
    counts = np.zeros(CONTEXTS * ALPHABET, np.int64)
    for contexts, tokens, _, _ in _phases_of(values, mask):
        counts += np.bincount(contexts * ALPHABET + tokens, minlength=counts.size)
    return counts.reshape(CONTEXTS, ALPHABET)


def encode_brick(values: Int64Array, mask: BoolArray, tables: Tables) -> bytes:
    """Code the masked voxels of a brick; `values` are signed integers, shape of the mask."""
    coder = constriction.stream.queue.RangeEncoder()
    raw_values, raw_counts = [], []
    for contexts, tokens, counts, raw in _phases_of(values, mask):
        for context, places in by_context(contexts):
            coder.encode(tokens[places].astype(np.int32), tables.models[context])
        raw_values.append(raw)
        raw_counts.append(counts)
    words = coder.get_compressed().astype("<u4").tobytes()
    bits = pack_bits(np.concatenate(raw_values), np.concatenate(raw_counts))
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
    coder = constriction.stream.queue.RangeDecoder(words)
    neighbourhood = Neighbourhood(mask)
    phases = []
    for phase in parity_phases():
        here = mask[phase]
        contexts = neighbourhood.contexts(phase, here)
        tokens = np.zeros(contexts.size, np.int64)
        for context, places in by_context(contexts):
            tokens[places] = coder.decode(tables.models[context], places.size)
        neighbourhood.add(phase, here, tokens)
        phases.append((phase, here, tokens))
    all_tokens = np.concatenate([tokens for _, _, tokens in phases])
    raw = unpack_bits(data[4 + length :], raw_bit_counts(all_tokens))
    numbers = unfold(detokenise(all_tokens, raw))
    values = np.zeros(mask.shape, np.int64)
    start = 0
    for phase, here, tokens in phases:
        values[phase][here] = numbers[start : start + tokens.size]
        start += tokens.size
    return values
