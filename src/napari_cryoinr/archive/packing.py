"""JSON data in few bytes: what the headers of small archives are written with.

The data are walked and coded arithmetically. Each *place*, the path of keys that leads to a value,
has counts of its own of what is found there: a list, a table, the value that was there the last
time or some times ago, the value that another place had last, or a new one of some kind. Before
that, the same walk rehearses examples, so that keys and usual values cost next to nothing. The
examples are thereby part of the format: what is packed with some is unpacked with the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from .arithmetic import COST, Adaptive, Coder, Decoder, Encoder, Learned, uniform
from .spelling import Speller, size, ways

_KINDS = ["table", "list", "null", "false", "true", "int", "decimal", "single", "double"]
_KINDS += ["hex", "text", "again", "copy"]
_STEP = 24
_RECENT = 32
_MAX_DEPTH = 16
_MAX_PLACES = 4096
_MAX_KEY = 255
_FREE_UNITS, _UNITS_PER_BYTE = 4096, 8
_Key = tuple[type, str]


Examples = Callable[[], Sequence[Any]]
"""What gives the examples, always the same: the rehearsal is kept."""


def pack(data: Any, examples: Examples) -> bytes:
    """JSON data as bytes.

    Raises
    ------
    ValueError
        for numbers that are not finite, and for data too deep or too odd.
    """
    encoder = Encoder()
    walk = _rehearsed(examples).onwards(encoder, None)
    walk.value("", data)
    packed = encoder.finish()
    # Readers refuse to make more of a byte than an honest file does.
    return packed.ljust((walk.speller.units - _FREE_UNITS) // _UNITS_PER_BYTE + 1, b"\0")


def unpack(packed: bytes, examples: Examples) -> Any:
    """The inverse of `pack`.

    Raises
    ------
    ValueError
        if the bytes are damaged, as far as that can be seen; not everything can.
    """
    limit = _FREE_UNITS + _UNITS_PER_BYTE * len(packed)
    return _rehearsed(examples).onwards(Decoder(packed), limit).value("", None)


@cache
def _rehearsed(examples: Examples) -> _Walk:
    walk = _Walk(Speller())
    for example in examples():
        walk.value("", example)
    return walk


class _Walk:
    """One walk over data, together with what it learns of them."""

    def __init__(self, speller: Speller) -> None:
        self.speller = speller
        self._coder: Coder = speller.coder
        self._models: Learned[Any, Adaptive] = Learned.counts(_STEP)
        self._places: dict[str, None] = {}  # that had a value
        # Of each place, the last first.
        self._recent: Learned[str, list[_Key]] = Learned(list, list.copy)
        self._items: dict[_Key, Any] = {}
        # Places that had it last.
        self._holders: Learned[_Key, dict[str, None]] = Learned(dict, dict.copy)

    def onwards(self, coder: Coder, limit: int | None) -> _Walk:
        """A walk with what this one learned; `limit` ends the decoding of endless data."""
        walk = _Walk(self.speller.onwards(coder, limit))
        walk._models, walk._recent = self._models.onwards(), self._recent.onwards()
        walk._holders = self._holders.onwards()
        walk._places, walk._items = self._places.copy(), self._items.copy()
        return walk

    def value(self, place: str, item: Any, depth: int = 0) -> Any:
        """Code one value; gives it back, or the decoded one."""
        self.speller.spend()
        if depth > _MAX_DEPTH:
            raise ValueError("the data are too deep")
        symbol = self._symbol(place, item) if self._coder.encoding else None
        kind, argument = self._models[place].code(self._coder, symbol, self._spell_symbol)
        if kind == "table":
            return self._table(place, item, depth)
        if kind == "list":
            return self._list(place, item, depth)
        if kind == "again":
            recent = self._recent[place]
            if argument >= len(recent):
                raise ValueError(f"{place} did not have as many values before")
            item = self._items[recent[argument]]
        elif kind == "copy":
            item = self._items[self._recent[argument][0]]
        else:
            item = getattr(self.speller, f"spell_{kind}")(place, item)
        self._remember(place, item)
        return item

    def _symbol(self, place: str, item: Any) -> tuple[str, Any]:
        """The way to code it that takes the fewest bits, as far as can be told beforehand.

        In integers: the rehearsal must choose alike on every machine.
        """
        if isinstance(item, dict):
            return "table", None
        if isinstance(item, list | tuple):
            return "list", None
        key, model = _key(item), self._models[place]
        choices: list[tuple[str, Any]] = [(kind, None) for kind in ways(item)]
        if key in self._recent[place]:
            choices.append(("again", self._recent[place].index(key)))
        choices += [("copy", other) for other in self._holders[key] if other != place]
        escape = model.cost(None) + COST * 4

        def cost(choice: tuple[str, Any]) -> int:
            kind, argument = choice
            spelled = escape + (0 if argument is None else COST * 6)
            return (model.cost(choice) or spelled) + COST * size(kind, item)

        return min(choices, key=cost)

    def _spell_symbol(self, symbol: Any) -> Any:
        kind, argument = symbol or ("", None)
        kind = _KINDS[uniform(self._coder, _KINDS.index(kind or "text"), len(_KINDS))]
        if kind == "again":
            argument = uniform(self._coder, argument or 0, _RECENT)
        elif kind == "copy":
            places = list(self._places)
            if not places:
                raise ValueError("there is nothing to copy yet")
            number = places.index(argument) if argument else 0
            argument = places[uniform(self._coder, number, len(places))]
        return kind, argument

    def _remember(self, place: str, item: Any) -> None:
        if place not in self._places:
            self._places[place] = None
            if len(self._places) > _MAX_PLACES:
                raise ValueError("the data have too many different fields")
        key, recent = _key(item), self._recent[place]
        if recent:
            del self._holders[recent[0]][place]
        if key in recent:
            recent.remove(key)
        recent.insert(0, key)
        del recent[_RECENT:]
        self._items[key] = item
        self._holders[key][place] = None

    def _table(self, place: str, item: Any, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        keys = iter(item) if self._coder.encoding else None
        key: Any = ""
        while True:
            model = self._models[place, key]
            key = next(keys, None) if keys is not None else None
            key = model.code(self._coder, key, self._spell_key)
            if key is None:
                return out
            inner = item[key] if self._coder.encoding else None
            out[key] = self.value(f"{place}.{key}", inner, depth + 1)

    def _spell_key(self, key: str | None) -> str | None:
        self.speller.spend()
        if uniform(self._coder, key is not None, 2):
            key = self.speller.spell_text("", key)
            if len(key) > _MAX_KEY:
                raise ValueError(f"a key of {len(key)} letters is too long")
            return key
        return None

    def _list(self, place: str, item: Any, depth: int) -> list[Any]:
        place += "[]"
        count = self.value(f"{place}#", len(item) if self._coder.encoding else None, depth + 1)
        if not isinstance(count, int):
            raise ValueError("the length of a list is no number")
        inner = item if self._coder.encoding else (None for _ in range(count))
        return [self.value(place, one, depth + 1) for one in inner]


def _key(item: Any) -> _Key:
    return type(item), repr(item)  # 0.0 is neither -0.0 nor False
