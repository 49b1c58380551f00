"""Single JSON values spelled out: numbers digit by digit or bit by bit, texts letter by letter."""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal
from typing import Any

from .arithmetic import Adaptive, Coder, Learned, Rehearsal, digits, uniform

_MAX_INT = 1024
_MAX_SINGLE = 3.4e38
_NUMBER_STEP, _TEXT_STEP = 4, 1
_END = 256
_START = b"\xff"  # no letter of UTF-8
_ORDER = 3
_HEX = re.compile(r"(?:[0-9a-f]{2}){4,64}")


class Speller:
    """Spells values, and learns how they usually are.

    Each way is a method of a place, whose values resemble each other, and a value; it gives the
    value back, or the decoded one.

    Attributes
    ----------
    units : how many values and letters were coded; decoding ends when they reach `limit`.
    """

    def __init__(self) -> None:
        self.coder: Coder = Rehearsal()
        self.units = 0
        self.limit: int | None = None
        self._numbers: Learned[Any, Adaptive] = Learned.counts(_NUMBER_STEP)
        self._texts: Learned[bytes, Adaptive] = Learned.counts(_TEXT_STEP)

    def onwards(self, coder: Coder, limit: int | None) -> Speller:
        """One that goes on from here with another coder."""
        out = Speller()
        out.coder, out.limit = coder, limit
        out._numbers, out._texts = self._numbers.onwards(), self._texts.onwards()
        return out

    def spend(self) -> None:
        """Count one unit."""
        self.units += 1
        if self.limit is not None and self.units > self.limit:
            raise ValueError("more is packed than its bytes can hold")

    def spell_null(self, place: str, item: Any) -> None:
        return None

    def spell_false(self, place: str, item: Any) -> bool:
        return False

    def spell_true(self, place: str, item: Any) -> bool:
        return True

    def _number(self, place: str, what: str, value: Any, total: int) -> int:
        """A small number with counts of its own."""
        model = self._numbers[place, what]
        return model.code(self.coder, value, lambda new: uniform(self.coder, new or 0, total))

    def spell_int(self, place: str, item: Any) -> int:
        item = item or 0
        size = abs(item).bit_length()
        if size > _MAX_INT:
            raise ValueError(f"an integer of {size} bits is too large")
        code = self._number(place, "int", 2 * size + (item < 0), 2 * _MAX_INT + 2)
        size, negative = divmod(code, 2)
        top = 1 << size >> 1
        out = top + digits(self.coder, abs(item) - top, 2, max(0, size - 1))
        return -out if negative else out

    def spell_decimal(self, place: str, item: Any) -> float:
        whole, exponent = _shortest(item or 0.0)
        size = len(str(abs(whole))) if whole else 0
        code = self._number(place, "digits", 2 * size + (whole < 0), 36)
        size, negative = divmod(code, 2)
        if not size:
            return 0.0
        # The power of ten of the first digit varies less than that of the last.
        exponent = self._number(place, "power", exponent + size + 512, 1024) - 512 - size
        first = 1 + uniform(self.coder, abs(whole) // 10 ** (size - 1) - 1, 9)
        number = first * 10 ** (size - 1) + digits(self.coder, abs(whole), 10, size - 1)
        out = float(f"{'-' if negative else ''}{number}e{exponent}")
        return _finite(out)

    def spell_single(self, place: str, item: Any) -> float:
        bits = int.from_bytes(struct.pack(">f", 0.0 if item is None else item), "big")
        head = self._number("", "single", bits >> 23, 512)
        bits = head << 23 | digits(self.coder, bits & 0x7FFFFF, 2, 23)
        return _finite(struct.unpack(">f", bits.to_bytes(4, "big"))[0])

    def spell_double(self, place: str, item: Any) -> float:
        bits = int.from_bytes(struct.pack(">d", 0.0 if item is None else item), "big")
        bits = digits(self.coder, bits, 2, 64)
        return _finite(struct.unpack(">d", bits.to_bytes(8, "big"))[0])

    def spell_hex(self, place: str, item: Any) -> str:
        raw = bytes.fromhex(item or "")
        size = self._number(place, "hex", len(raw), 65)
        return bytes(
            uniform(self.coder, raw[i] if self.coder.encoding else 0, 256) for i in range(size)
        ).hex()

    def spell_text(self, place: str, item: Any) -> str:
        """Text, letter by letter, each in the context of those before it."""
        raw = [*(item or "").encode("utf-8", "surrogatepass"), _END]
        out = bytearray()
        while True:
            self.spend()
            letter = self._letter(
                (_START + out[-_ORDER:])[-_ORDER:], raw[len(out)] if self.coder.encoding else None
            )
            if letter == _END:
                return out.decode("utf-8", "surrogatepass")
            out.append(letter)

    def _letter(self, context: bytes, letter: Any) -> int:
        """By its three predecessors, or two, or one, or none: whatever was seen before."""

        def shorter(new: Any) -> int:
            if context:
                return self._letter(context[1:], new)
            return uniform(self.coder, new or 0, 257)

        return self._texts[context].code(self.coder, letter, shorter)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _shortest(number: float) -> tuple[int, int]:
    """(m, e) with the fewest digits for which m · 10^e rounds to the number."""
    sign, figures, exponent = Decimal(repr(number)).normalize().as_tuple()
    whole = int("".join(map(str, figures)))
    return (-whole if sign else whole), int(exponent)


def ways(item: Any) -> tuple[str, ...]:
    """In which ways a new value can be spelled."""
    if item is None:
        return ("null",)
    if isinstance(item, bool):
        return ("true",) if item else ("false",)
    if isinstance(item, int):
        return ("int",)
    if isinstance(item, str):
        return ("hex", "text") if _HEX.fullmatch(item) else ("text",)
    if not isinstance(item, float):
        raise ValueError(f"{type(item).__name__} is no JSON data")
    _finite(item)
    kinds = ["double"]
    if item or math.copysign(1, item) > 0:
        kinds.append("decimal")
    if abs(item) < _MAX_SINGLE and struct.unpack("<f", struct.pack("<f", item))[0] == item:
        kinds.append("single")
    return tuple(kinds)


def size(kind: str, item: Any) -> int:
    """About how many bits a value takes beside its kind."""
    if kind == "int":
        return abs(item).bit_length() + 2
    if kind == "decimal":
        return 10 * len(str(abs(_shortest(item)[0]))) // 3 + 6
    if kind == "hex":
        return 4 * len(item)
    if kind == "text":
        return 5 * len(item) + 5
    return {"single": 28, "double": 64}.get(kind, 0)
