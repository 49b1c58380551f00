"""Whole numbers in as many bytes as they need, and parts of a stream with their lengths."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


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


def join_parts(parts: Sequence[bytes]) -> bytes:
    """Return the lengths of all parts but the last, and the parts."""
    return b"".join(to_varint(len(part)) for part in parts[:-1]) + b"".join(parts)


def split_parts(data: bytes, count: int) -> list[bytes]:
    """Invert `join_parts` for so many parts, at least one.

    Raises
    ------
    ValueError
        if the bytes hold no such parts.
    """
    if len(data) < count - 1:  # before anything of that many is made
        raise ValueError("a stream of parts ends too early")
    lengths, place = [], 0
    for _ in range(count - 1):
        length, read = read_varint(data[place : place + 9])
        lengths.append(length)
        place += read
    if place + sum(lengths) > len(data):
        raise ValueError("parts are longer than their stream")
    bounds = [*itertools.accumulate(lengths, initial=place), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(bounds)]
