"""Coding the integers of one brick, voxel by voxel of a mask, each brick on its own.

A coded brick is: length of the coded words (uint32), the words of the range coder, the raw bits.

Voxels are coded in eight phases, by the parity of (z, y, x). Every voxel of one phase sees the
voxels of the earlier phases only, so that encoder and decoder compute the contexts of a phase in
one vectorised pass, in integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import constriction
import numpy as np

from ..support.array_types import BoolArray, Int32Array, Int64Array
from .coarse_to_fine import PHASES
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

IntegersT = TypeVar("IntegersT", Int32Array, Int64Array)

_UNIT = 16  # mean tokens are compared in sixteenths
_LEVELS = 24
_KNOWN = 1 << 16  # more than any sum of tokens: weights sum to 64
# Bounds of the classes of the mean token of the coded neighbours, in sixteenths: geometric.
_ROUNDED = np.rint(np.geomspace(1, _UNIT * ALPHABET / 2, _LEVELS)).astype(np.int64)
BOUNDS = _ROUNDED[np.diff(_ROUNDED, prepend=0) > 0]
CONTEXTS = len(BOUNDS) + 2  # the last one: no neighbour is coded yet


def parity_phases() -> Iterator[tuple[slice, slice, slice]]:
    """Yield the strided views of a brick that hold the eight phases, in coding order."""
    for z, y, x in PHASES:
        yield slice(z, None, 2), slice(y, None, 2), slice(x, None, 2)


def smoothed(values: IntegersT) -> IntegersT:
    """Sum over the 26 neighbours; weights 4 (faces), 2 (edges), 1 (corners), 8 at the centre."""
    for axis in range(3):
        total = 2 * values
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        total[tuple(behind)] += values[tuple(ahead)]
        total[tuple(ahead)] += values[tuple(behind)]
        values = total
    return values


def smoothed_at(values: IntegersT, phase: tuple[slice, slice, slice]) -> IntegersT:
    """Return `smoothed` at the voxels of one of the `parity_phases` alone."""
    for axis, part in enumerate(phase):
        lines = np.moveaxis(values, axis, 0)
        own, others = lines[part], lines[1 - part.start :: 2]
        total = 2 * own
        before = others[: len(own) - 1 + part.start]
        after = others[part.start :][: len(own)]
        total[1 - part.start :] += before
        total[: len(after)] += after
        values = np.moveaxis(total, 0, axis)
    return values


class Neighbourhood:
    """Tokens of one brick as far as they are coded, and the contexts that follow from them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        # The sum of tokens in the lower bits and that of weights above it, so that one pass adds
        # up both.
        self._seen = np.zeros(shape, np.int32)

    def contexts(self, phase: tuple[slice, slice, slice], here: BoolArray) -> Int64Array:
        """Return the context of each voxel of the phase that is coded (`here`), in C order."""
        sums = smoothed_at(self._seen, phase)[here].astype(np.int64)
        total, weight = sums % _KNOWN, sums // _KNOWN
        mean = (_UNIT * total) // np.maximum(weight, 1)
        context = np.searchsorted(BOUNDS, mean, side="right")
        return np.where(weight > 0, context, CONTEXTS - 1)

    def add(self, phase: tuple[slice, slice, slice], here: BoolArray, tokens: Int64Array) -> None:
        """Note the tokens of a phase as coded."""
        self._seen[phase][here] = tokens + _KNOWN


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
