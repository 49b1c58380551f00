"""Probability tables: one per context, made of stored integer counts."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import constriction
import numpy as np

from ..support.array_types import Float64Array, Int64Array
from .adaptive_coding import by_context
from .tokens import ALPHABET

_FEW = 30  # symbols for each context: fewer are read by one call that makes a model for each
_TOP = 4095  # counts are scaled to at most this: finer would cost more bytes than it saves


@dataclass(frozen=True, eq=False)
class Tables:
    """Token counts by context, shape (contexts, tokens)."""

    counts: Int64Array

    @classmethod
    def from_counts(cls, counts: Int64Array) -> Tables:
        """Make tables of observed counts, scaled to what is stored; seen tokens stay possible."""
        used = np.flatnonzero(counts.any(axis=0))
        columns = max(2, used[-1] + 1) if used.size else 2  # the coder needs two symbols
        counts = counts[:, :columns]
        top = np.maximum(counts.max(axis=1, keepdims=True), 1)
        scaled = np.maximum((counts * _TOP) // np.maximum(top, _TOP), counts > 0)
        return cls(scaled.astype(np.int64))

    def to_bytes(self) -> bytes:
        """Write uint8 rows and columns, then the counts as uint16, token by token, deflated."""
        rows, columns = self.counts.shape
        body = self.counts.astype("<u2").T.tobytes()
        return bytes([rows, columns]) + zlib.compress(body, 9)

    @classmethod
    def from_bytes(cls, data: bytes, contexts: int) -> Tables:
        """Read what `to_bytes` wrote.

        Raises
        ------
        ValueError, zlib.error
            if the bytes are no such table.
        """
        if len(data) < 2:
            raise ValueError("a table ends too early")
        rows, columns = data[0], data[1]
        if rows != contexts or not 2 <= columns <= ALPHABET:
            raise ValueError(f"a table of {rows} × {columns} is impossible")
        body = zlib.decompressobj().decompress(data[2:], 2 * rows * columns + 1)
        counts = np.frombuffer(body, "<u2").reshape(columns, rows).T
        return cls(counts.astype(np.int64))

    @cached_property
    def models(self) -> list[constriction.stream.model.Categorical]:
        """One entropy model per context.

        The library turns probabilities into integers by IEEE additions and multiplications alone
        (`perfect=False`), and ours are small integers: every machine gets the same integers.
        """
        return [
            constriction.stream.model.Categorical(row, perfect=False) for row in self._probabilities
        ]

    @cached_property
    def _probabilities(self) -> Float64Array:
        """Those of the entropy models, not normalised, shape (contexts, tokens)."""
        least = np.where(self.counts.any(axis=1, keepdims=True), 1e-3, 1.0)
        return np.maximum(self.counts, least).astype(np.float64, order="C")

    def encode(self, coder: Any, contexts: Int64Array, symbols: Int64Array) -> None:
        """Give a range encoder one symbol for each context."""
        narrow = symbols.astype(np.int32)
        for context, places in by_context(contexts):
            coder.encode(narrow[places], self.models[context])

    def decode(self, coder: Any, contexts: Int64Array) -> Int64Array:
        """Take one symbol for each context from a range decoder."""
        out = np.empty(contexts.size, np.int64)
        if contexts.size < _FEW * np.count_nonzero(np.bincount(contexts)):
            order = np.argsort(contexts.astype(np.uint16), kind="stable")
            family = constriction.stream.model.Categorical(perfect=False)
            out[order] = coder.decode(family, self._probabilities[contexts[order]])
            return out
        for context, places in by_context(contexts):
            out[places] = coder.decode(self.models[context], places.size)
        return out
