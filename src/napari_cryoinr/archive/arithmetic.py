"""Arithmetic coding with adaptive counts, in integers only.

Encoder, decoder and rehearsal have the same face, so that one function, called with any of them,
describes how something is written, how it is read, and how counts are prepared beforehand. The
coder is the range coder of G. N. N. Martin (1979) with carries.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_TOP, _BOTTOM = 1 << 32, 1 << 24
_MAX_COUNTS = 1 << 13
_ESCAPE = 1
COST = 16  # parts of a bit in which costs are told


class Coder(Protocol):
    """`narrow` says which share of the probability, start to start + size of total, was chosen.

    Where `encoding` holds the caller knows the symbol; elsewhere `target` tells which share it is.
    """

    encoding: bool

    def target(self, total: int) -> int: ...

    def narrow(self, start: int, size: int, total: int) -> None: ...


class Rehearsal:
    """Codes into nothing."""

    encoding = True

    def target(self, total: int) -> int:
        raise NotImplementedError

    def narrow(self, start: int, size: int, total: int) -> None:
        """Forget it."""


class Encoder:
    """Codes into bytes."""

    encoding = True

    def __init__(self) -> None:
        self._low, self._range = 0, _TOP
        self._out = bytearray()

    def target(self, total: int) -> int:
        raise NotImplementedError

    def narrow(self, start: int, size: int, total: int) -> None:
        unit = self._range // total
        self._add(start * unit)
        self._range = size * unit
        while self._range < _BOTTOM:
            self._shift()
            self._range <<= 8

    def _add(self, amount: int) -> None:
        self._low += amount
        if self._low < _TOP:
            return
        self._low -= _TOP
        place = len(self._out) - 1
        while self._out[place] == 255:
            self._out[place] = 0
            place -= 1
        self._out[place] += 1

    def _shift(self) -> None:
        self._out.append(self._low >> 24)
        self._low = (self._low << 8) & (_TOP - 1)

    def finish(self) -> bytes:
        """The bytes; zeros at their end, which the decoder supplies by itself, are left out."""
        for zeros in range(32, -1, -1):
            up = -self._low % (1 << zeros)
            if up < self._range:
                self._add(up)
                break
        for _ in range(4):
            self._shift()
        return bytes(self._out).rstrip(b"\0")


class Decoder:
    """Reads what `Encoder` wrote; behind the last byte follow zeros without end."""

    encoding = False

    def __init__(self, data: bytes) -> None:
        self._data, self._place, self._range, self._code = data, 0, _TOP, 0
        for _ in range(4):
            self._shift()

    def _shift(self) -> None:
        byte = self._data[self._place] if self._place < len(self._data) else 0
        self._place += 1
        self._code = (self._code << 8) | byte

    def target(self, total: int) -> int:
        return min(self._code // (self._range // total), total - 1)

    def narrow(self, start: int, size: int, total: int) -> None:
        unit = self._range // total
        self._code -= start * unit
        self._range = size * unit
        while self._range < _BOTTOM:
            self._shift()
            self._range <<= 8


def uniform(coder: Coder, value: int, total: int) -> int:
    """Code an integer from 0 to total - 1, all alike; a total of at most 2^16."""
    if not coder.encoding:
        value = coder.target(total)
    coder.narrow(value, 1, total)
    return value


def digits(coder: Coder, value: int, base: int, count: int) -> int:
    """Code an integer of `count` digits, the highest first, as many at a time as fit."""
    at_once = 12 if base == 2 else 4
    out = 0
    while count > 0:
        taken = min(count, at_once)
        count -= taken
        total = base**taken
        out = out * total + uniform(coder, value // base**count % total, total)
    return out


class Adaptive:
    """Counts of symbols in one context.

    A symbol that was not seen before is announced by an escape and then spelled.

    Attributes
    ----------
    step : what each sight of a symbol adds to its count; the escape always counts 1.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        self.counts: dict[Hashable, int] = {}
        self._total = 0

    def code(self, coder: Coder, symbol: Any, spell: Callable[[Any], Any]) -> Any:
        """Code a symbol, or decode one; `spell` codes or decodes one that is new here."""
        if self.counts:
            total = self._total + _ESCAPE
            known = symbol in self.counts
            target = 0 if coder.encoding else coder.target(total)
            start = 0
            for other, count in self.counts.items():
                if (known and other == symbol) if coder.encoding else target < start + count:
                    coder.narrow(start, count, total)
                    self._saw(other)
                    return other
                start += count
            coder.narrow(start, _ESCAPE, total)
        symbol = spell(symbol)
        self._saw(symbol)
        return symbol

    def copy(self) -> Adaptive:
        """Counts that go on from here on their own."""
        out = Adaptive(self.step)
        out.counts, out._total = self.counts.copy(), self._total
        return out

    def cost(self, symbol: Hashable) -> int:
        """What a symbol takes, or the escape if it is None, in parts of a bit; 0 if unknown."""
        count = _ESCAPE if symbol is None else self.counts.get(symbol, 0)
        total = self._total + _ESCAPE
        return _log2(total) - _log2(count) if count else 0

    def _saw(self, symbol: Hashable) -> None:
        self.counts[symbol] = self.counts.get(symbol, 0) + self.step
        self._total += self.step
        if self._total > _MAX_COUNTS:
            # What was seldom seen is forgotten, so that a context never grows large.
            self.counts = {other: count // 2 for other, count in self.counts.items() if count > 1}
            self._total = sum(self.counts.values())


class Learned(dict[K, V]):
    """A table whose entries begin as copies of those of an earlier one, when they are asked for.

    Whatever was learned before is kept for the next time: copying it all would take longer than
    most data need.
    """

    def __init__(self, new: Callable[[], V], copy: Callable[[V], V]) -> None:
        super().__init__()
        self._new, self._copy = new, copy
        self._earlier: dict[K, V] = {}

    def __missing__(self, key: K) -> V:
        earlier = self._earlier.get(key)
        value = self[key] = self._new() if earlier is None else self._copy(earlier)
        return value

    def onwards(self) -> Learned[K, V]:
        """A table that begins as this one is; this one is not to be touched any more."""
        out: Learned[K, V] = Learned(self._new, self._copy)
        out._earlier = {**self._earlier, **self}
        return out

    @classmethod
    def counts(cls, step: int) -> Learned[Any, Adaptive]:
        """A table of `Adaptive` counts."""
        return Learned(lambda: Adaptive(step), Adaptive.copy)


def _log2(number: int) -> int:
    """The binary logarithm in parts of a bit, by integers: the same on every machine."""
    return int((number**COST).bit_length())
