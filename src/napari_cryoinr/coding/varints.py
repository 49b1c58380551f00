"""Whole numbers in as many bytes as they need."""

from __future__ import annotations


def to_varint(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def read_varint(data: bytes) -> tuple[int, int]:
    """Return the number at the start of some bytes, and how many bytes it took."""
    number = 0
    for place, byte in enumerate(data[:9]):
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            return number, place + 1
    raise ValueError("a length is damaged")
