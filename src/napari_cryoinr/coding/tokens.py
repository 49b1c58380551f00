"""Signed integers of any size as tokens of a small alphabet and raw bits.

A number is folded (0, -1, 1, -2, ... become 0, 1, 2, 3, ...). Below 16 it is its own token; above,
the token says the position of the highest bit and the bit behind it, and the bits that are left
follow uncoded. It is the hybrid of an entropy-coded prefix and raw suffix that image codecs use
(for example JPEG XL, ISO/IEC 18181-1, hybrid unsigned integer coding).
"""

from __future__ import annotations

import numpy as np

from ..support.array_types import Int64Array

DIRECT = 16  # numbers below this are tokens themselves
_DIRECT_BITS = 4
MAX_BITS = 36  # folded numbers have at most this many bits: float32 codes differ by less than 2^33
ALPHABET = DIRECT + 2 * (MAX_BITS - _DIRECT_BITS)


def fold(values: Int64Array) -> Int64Array:
    """Turn signed into unsigned numbers: small magnitudes become small numbers."""
    return (values << 1) ^ (values >> 63)


def unfold(numbers: Int64Array) -> Int64Array:
    """Invert `fold`."""
    return (numbers >> 1) ^ -(numbers & 1)


def tokenise(numbers: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return (tokens, number of raw bits, raw bits) of folded numbers."""
    if numbers.max(initial=0) < DIRECT:
        none = np.zeros(numbers.shape, np.int64)
        return numbers.astype(np.int64), none, none.copy()
    # float64 holds these numbers exactly, so frexp's exponent is their bit length
    top = np.frexp(np.maximum(numbers, 1).astype(np.float64))[1].astype(np.int64) - 1
    large = numbers >= DIRECT
    raw_bits = np.where(large, top - 1, 0)
    second = (numbers >> np.maximum(raw_bits, 0)) & 1
    tokens = np.where(large, DIRECT + 2 * (top - _DIRECT_BITS) + second, numbers)
    return tokens, raw_bits, numbers & ((np.int64(1) << raw_bits) - 1)


def raw_bit_counts(tokens: Int64Array) -> Int64Array:
    """Return how many raw bits follow each token."""
    return np.where(tokens < DIRECT, 0, (tokens - DIRECT) // 2 + _DIRECT_BITS - 1)


def detokenise(tokens: Int64Array, raw: Int64Array) -> Int64Array:
    """Return the folded numbers of tokens and their raw bits."""
    count = raw_bit_counts(tokens)
    head = np.where(tokens < DIRECT, tokens, 2 + ((tokens - DIRECT) & 1))
    return (head << count) | raw


def pack_bits(values: Int64Array, counts: Int64Array) -> bytes:
    """Concatenate the lowest `counts` bits of each value, highest first."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if ends.size else 0
    owner = np.repeat(np.arange(values.size), counts)
    shift = ends[owner] - 1 - np.arange(total)
    return np.packbits(((values[owner] >> shift) & 1).astype(np.uint8)).tobytes()


def unpack_bits(data: bytes, counts: Int64Array, exact: bool = True) -> Int64Array:
    """Invert `pack_bits`; unless `exact`, bytes may be left over.

    Raises
    ------
    ValueError
        if the bytes are too few or too many.
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if ends.size else 0
    needed = (total + 7) // 8
    if len(data) < needed or (exact and len(data) != needed):
        raise ValueError(f"{len(data)} bytes do not hold {total} raw bits")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=total)
    owner = np.repeat(np.arange(counts.size), counts)
    # Powers of two below 2^53: their sums in float64 are exact.
    weighted = np.ldexp(bits.astype(np.float64), (ends[owner] - 1 - np.arange(total)))
    return np.bincount(owner, weighted, minlength=counts.size).astype(np.int64)
