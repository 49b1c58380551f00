"""What the walk over a volume writes to or reads from: one interface, both directions.

The walk (walk.py) states each number with its context; the writer codes the number it is given, the
reader returns the number it finds. So the encoder and the decoder run the same code. Probabilities
adapt: they follow from the counts of what was coded before, so that no table is stored.

A stream is: lengths of its three parts (uint64 each: numbers, coded words, raw bits), the parts.
"""

from __future__ import annotations

import struct
from typing import Protocol

import constriction
import numpy as np

from ...support.array_types import Float64Array, Int64Array

_LENGTHS = struct.Struct("<QQQ")
_STEP = 24  # what one occurrence adds to the count that every symbol starts with


class Table:
    """Adaptive probabilities of `symbols` symbols in each of `contexts` contexts."""

    def __init__(self, contexts: int, symbols: int) -> None:
        self._counts = np.ones((contexts, symbols), np.int64)

    def model(self, context: int) -> constriction.stream.model.Categorical:
        """The entropy model of a context now.

        The library turns probabilities into integers by IEEE additions and multiplications alone
        (`perfect=False`), and ours are integers: every machine gets the same model.
        """
        counts = self._counts[context]
        return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False)

    def learn(self, contexts: Int64Array, symbols: Int64Array) -> None:
        """Count what was coded; old counts are halved before they grow beyond what fits."""
        rows, columns = self._counts.shape
        seen = np.bincount(contexts * columns + symbols, minlength=rows * columns)
        self._counts += _STEP * seen.reshape(rows, columns)
        while self._counts.max() >= 1 << 24:
            self._counts = (self._counts + 1) >> 1


class Channel(Protocol):
    """Both directions of a stream; what is None when reading is what is read."""

    def symbols(
        self, table: Table, contexts: Int64Array, symbols: Int64Array | None
    ) -> Int64Array: ...

    def raw(self, counts: Int64Array, values: Int64Array | None) -> Int64Array: ...

    def floats(self, values: Float64Array | None) -> Float64Array: ...


class Writer:
    """Collects a stream."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()
        self._raw: list[bytes] = []
        self._floats: list[bytes] = []

    def symbols(self, table: Table, contexts: Int64Array, symbols: Int64Array | None) -> Int64Array:
        assert symbols is not None
        for context, chosen in _by_context(contexts):
            self._coder.encode(symbols[chosen].astype(np.int32), table.model(context))
        table.learn(contexts, symbols)
        return symbols

    def raw(self, counts: Int64Array, values: Int64Array | None) -> Int64Array:
        """The lowest `counts` bits of each value, those of equal count together."""
        assert values is not None
        bits = [np.zeros(0, np.uint8)]
        for count, chosen in _by_context(counts):
            if count:
                octets = values[chosen].astype(">u8").view(np.uint8).reshape(-1, 8)
                octets = octets[:, 8 - (count + 7) // 8 :]
                bits.append(np.unpackbits(octets, axis=1)[:, -count:].ravel())
        self._raw.append(np.packbits(np.concatenate(bits)).tobytes())
        return values

    def floats(self, values: Float64Array | None) -> Float64Array:
        """A list of at most 255 numbers as the reader will see them, with 36 bits of mantissa."""
        assert values is not None
        octets = values.astype("<f8").view(np.uint8).reshape(-1, 8).copy()
        octets[:, :2] = 0
        self._floats.append(struct.pack("<B", values.size) + octets[:, 2:].tobytes())
        return octets.reshape(-1).view("<f8").astype(np.float64)

    def to_bytes(self) -> bytes:
        words = self._coder.get_compressed().astype("<u4").tobytes()
        parts = [b"".join(self._floats), words, b"".join(self._raw)]
        return _LENGTHS.pack(*(len(part) for part in parts)) + b"".join(parts)

    @property
    def size(self) -> int:
        """Bytes so far, without those of the coded words that are not flushed."""
        words = 4 * int(self._coder.num_words())
        return _LENGTHS.size + words + sum(map(len, self._raw)) + sum(map(len, self._floats))


class Reader:
    """The inverse of `Writer`.

    Raises
    ------
    ValueError, AssertionError
        while reading, if the bytes are no such stream; the latter is what the range coder raises.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) < _LENGTHS.size:
            raise ValueError("a lossless stream ends too early")
        floats, words, raw = _LENGTHS.unpack_from(data)
        if _LENGTHS.size + floats + words + raw != len(data) or words % 4:
            raise ValueError("the parts of a lossless stream do not fit its length")
        start = _LENGTHS.size
        self._floats = data[start : start + floats]
        coded = np.frombuffer(data, "<u4", words // 4, start + floats).astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(coded)
        self._raw = np.frombuffer(data, np.uint8, raw, start + floats + words)

    def symbols(self, table: Table, contexts: Int64Array, symbols: Int64Array | None) -> Int64Array:
        out = np.zeros(contexts.size, np.int64)
        for context, chosen in _by_context(contexts):
            out[chosen] = self._coder.decode(table.model(context), chosen.size)
        table.learn(contexts, out)
        return out

    def raw(self, counts: Int64Array, values: Int64Array | None) -> Int64Array:
        total = int(counts.sum())
        length = (total + 7) // 8
        if length > self._raw.size:
            raise ValueError("a lossless stream has too few raw bits")
        bits = np.unpackbits(self._raw[:length], count=total)
        self._raw = self._raw[length:]
        out = np.zeros(counts.size, np.int64)
        start = 0
        for count, chosen in _by_context(counts):
            if count:
                mine = bits[start : start + count * chosen.size].reshape(-1, count)
                start += mine.size
                whole = np.zeros((chosen.size, 8 * ((count + 7) // 8)), np.uint8)
                whole[:, -count:] = mine
                octets = np.zeros((chosen.size, 8), np.uint8)
                packed = np.packbits(whole, axis=1)
                octets[:, 8 - packed.shape[1] :] = packed
                out[chosen] = octets.view(">u8")[:, 0].astype(np.int64)
        return out

    def floats(self, values: Float64Array | None) -> Float64Array:
        size = self._floats[0] if self._floats else 0
        if len(self._floats) < 1 + 6 * size:
            raise ValueError("a lossless stream has too few numbers")
        octets = np.zeros((size, 8), np.uint8)
        octets[:, 2:] = np.frombuffer(self._floats, np.uint8, 6 * size, 1).reshape(-1, 6)
        out = octets.reshape(-1).view("<f8").astype(np.float64)
        self._floats = self._floats[1 + 6 * size :]
        if not (np.abs(out) < 1e30).all():
            raise ValueError("a lossless stream has impossible numbers")
        return out

    def finish(self) -> None:
        """Check that everything was read.

        Raises
        ------
        ValueError
            if something is left.
        """
        if self._floats or self._raw.size:
            raise ValueError("a lossless stream has bytes left over")


def _by_context(contexts: Int64Array) -> list[tuple[int, Int64Array]]:
    """(context, where it is) of each context that occurs, ascending."""
    if not contexts.size:
        return []
    order = np.argsort(contexts.astype(np.uint8), kind="stable")
    ends = np.cumsum(np.bincount(contexts))
    return [
        (context, order[start:end])
        for context, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True))
        if end > start
    ]
