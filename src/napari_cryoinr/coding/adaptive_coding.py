"""Adaptive entropy coding, written once for both directions.

Code that codes a volume states every symbol with its context. `Encoder` codes the symbols it is
given and returns them; `Decoder` is given None and returns what it reads. So the encoder and the
decoder run the same lines. Probabilities follow the counts of what was coded before: no table is
stored. A stream consists of the 32-bit words of a range coder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import constriction
import numpy as np

from ..support.array_types import Int64Array

if TYPE_CHECKING:
    from .probability_tables import Tables

_OCCURRENCE = 24  # what one occurrence adds to the count of 1 that every symbol starts with
_RAW_BITS = 16  # coded at a time; the range coder has probabilities of 24 bits


def by_context(contexts: Int64Array) -> Iterator[tuple[int, Int64Array]]:
    """Yield (context, places) for every context (below 65,536) that occurs, ascending."""
    sizes = np.bincount(contexts)
    narrow = contexts.astype(np.uint8 if len(sizes) <= 256 else np.uint16)  # a radix sort
    order = np.argsort(narrow, kind="stable")
    for context, (end, size) in enumerate(zip(np.cumsum(sizes), sizes, strict=True)):
        if size:
            yield context, order[end - size : end]


class Table:
    """Adaptive probabilities of `symbols` symbols in each of `contexts` contexts."""

    def __init__(self, contexts: int, symbols: int) -> None:
        self._counts = np.ones((contexts, symbols), np.int64)

    def model(self, context: int) -> constriction.stream.model.Categorical:
        """Return the entropy model of a context at present.

        The library turns probabilities into integers by IEEE additions and multiplications alone
        (`perfect=False`), and the counts are integers: every machine gets the same model.
        """
        counts = self._counts[context].astype(np.float64)
        return constriction.stream.model.Categorical(counts, perfect=False)

    def learn(self, contexts: Int64Array, symbols: Int64Array) -> None:
        """Count coded symbols; counts are halved before they outgrow the coder's precision."""
        seen = np.bincount(contexts * self._counts.shape[1] + symbols, minlength=self._counts.size)
        self._counts += _OCCURRENCE * seen.reshape(self._counts.shape)
        while self._counts.max() >= 1 << 24:
            self._counts = (self._counts + 1) >> 1


class Coder(ABC):
    """One direction of a stream."""

    def symbols(self, table: Table, contexts: Int64Array, symbols: Int64Array | None) -> Int64Array:
        """Code one symbol for each context; None where they are read."""
        out = np.empty(contexts.size, np.int64)
        for context, places in by_context(contexts):
            given = None if symbols is None else symbols[places]
            out[places] = self._code(table.model(context), given, places.size)
        table.learn(contexts, out)
        return out

    def raw(self, counts: Int64Array, values: Int64Array | None) -> Int64Array:
        """Code the lowest `counts` (0 to 32) bits of each value; None where they are read."""
        high, low = np.maximum(counts - _RAW_BITS, 0), np.minimum(counts, _RAW_BITS)
        out = self._uniform(low, values)
        if high.any():
            out |= self._uniform(high, None if values is None else values >> _RAW_BITS) << _RAW_BITS
        return out

    def with_tables(
        self, tables: Tables, contexts: Int64Array, symbols: Int64Array | None
    ) -> Int64Array:
        """Code one symbol for each context by tables that do not change; None where read."""
        out = np.empty(contexts.size, np.int64)
        for context, places in by_context(contexts):
            given = None if symbols is None else symbols[places]
            out[places] = self._code(tables.models[context], given, places.size)
        return out

    @abstractmethod
    def _code(self, model: Any, values: Int64Array | None, size: int) -> Int64Array: ...

    def _uniform(self, counts: Int64Array, values: Int64Array | None) -> Int64Array:
        out = np.zeros(counts.size, np.int64)
        for count, places in by_context(counts):
            if count:
                given = None if values is None else values[places] & ((1 << count) - 1)
                model = constriction.stream.model.Uniform(1 << count)
                out[places] = self._code(model, given, places.size)
        return out


class Encoder(Coder):
    """Collects a stream."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def _code(self, model: Any, values: Int64Array | None, size: int) -> Int64Array:
        assert values is not None
        self._coder.encode(values.astype(np.int32), model)
        return values

    def to_bytes(self) -> bytes:
        """Return the stream."""
        return self._coder.get_compressed().astype("<u4").tobytes()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return 4 * int(self._coder.num_words())


class Decoder(Coder):
    """Reads a stream; reading may raise AssertionError for bytes that are no stream."""

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise ValueError("a coded stream does not consist of whole words")
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def _code(self, model: Any, values: Int64Array | None, size: int) -> Int64Array:
        return self._coder.decode(model, size).astype(np.int64)

    def check_end(self) -> None:
        """Raise ValueError unless everything was read."""
        if not self._coder.maybe_exhausted():
            raise ValueError("a coded stream has bytes left over")
