"""A volume, bit for bit, as bytes: lossless coding without a model.

A stream is: version (uint8), squared radius of the shells (uint32), whether the margins wrap around
and whether trailing zero bits are coded (uint8, bits 0-2 for z, y, x, bit 3), number of special
values (uint8), number of operations (uint8), codes of the special values (int64 each), the
operations (uint8, 3 int32 each), then the stream of channel.py.
"""

from __future__ import annotations

import struct

import numpy as np

from ...maps import voxel_types
from ...progress import Clock, Progress, Steps
from ...support.array_types import Float32Array
from ...symmetry.point_groups import ROTATIONS, SIGNED_PERMUTATIONS, GridSymmetry
from .channel import Reader, Writer
from .copies import MAX_OPERATIONS, Operation, find_steps
from .number_coding import Format
from .orbits import NO_SHELLS, Orbits, find_shells, shells_fit
from .surroundings import Options
from .walk import Walk

_HEAD = struct.Struct("<BIBBB")
_OPERATION = struct.Struct("<B3i")
_VERSION = 1
_FURTHEST = 1 << 20  # voxels, of a translation
_SAMPLES = 200_000
_COMMON = 0.004  # share of the voxels from which a value is special
_TRAILING = 1.5  # mean of trailing zero bits from which they are coded; 1 is that of chance


def encode_steps(
    data: Float32Array, mode: int, symmetry: GridSymmetry | None, clock: Clock
) -> Steps[bytes]:
    """Code a volume.

    Parameters
    ----------
    data : finite densities that the mode can hold exactly, shape (z, y, x).
    mode : of MRC: 0, 1, 2, 6 or 12.
    symmetry : operations under which the voxels may repeat, where they are known; those about the
        middle of the box, and those that repeat values exactly, are found anyway.
    """
    data = np.ascontiguousarray(data, np.float32)
    specials = _specials(data, mode)
    yield Progress("lossless", 0, data.size, clock.seconds)
    hints = [] if symmetry is None else [_hint(*o) for o in symmetry.operations[1:]]
    operations = yield from find_steps(data, mode, Format(mode).bits, hints, clock)
    yield Progress("lossless", 0, data.size, clock.seconds)
    shells = find_shells(data)
    yield Progress("lossless", 0, data.size, clock.seconds)
    wraps, trailing = _wrapping(data), _trailing_zeros(data, mode)
    options = Options(specials, wraps, trailing)
    writer = Writer()
    orbits = _orbits(data.shape, operations, shells)
    walk = Walk(writer, data.shape, mode, options, orbits, data)
    for progress in walk.steps(clock):
        yield Progress(
            "lossless", progress.step, progress.steps, clock.seconds, bytes_so_far=writer.size
        )
    bits = sum(on << i for i, on in enumerate((*wraps, trailing)))
    head = _HEAD.pack(_VERSION, shells, bits, len(specials), len(operations))
    head += struct.pack(f"<{len(specials)}q", *specials)
    return head + b"".join(_OPERATION.pack(*o) for o in operations) + writer.to_bytes()


def decode_steps(
    stream: bytes, shape: tuple[int, ...], mode: int, clock: Clock
) -> Steps[Float32Array]:
    """The inverse of `encode_steps`, given the same shape and mode.

    Raises
    ------
    ValueError, AssertionError, struct.error
        if the bytes are no such stream.
    """
    version, shells, bits, count, turns = _HEAD.unpack_from(stream)
    if version != _VERSION or bits > 15 or count > 2 or turns > MAX_OPERATIONS:
        raise ValueError("a lossless stream of an unknown kind")
    if shells != NO_SHELLS and not shells_fit(shape):
        raise ValueError("a lossless stream with shells in a volume that is too thin")
    specials = struct.unpack_from(f"<{count}q", stream, _HEAD.size)
    start = _HEAD.size + 8 * count
    operations = tuple(
        _OPERATION.unpack_from(stream, start + i * _OPERATION.size) for i in range(turns)
    )
    for number, *vector in operations:
        if number >= len(SIGNED_PERMUTATIONS) or max(map(abs, vector)) > _FURTHEST:
            raise ValueError("a lossless stream with an impossible symmetry")
    low, high = Format(mode).limits()
    if not all(low <= special <= high for special in specials):
        raise ValueError("a lossless stream with impossible special values")
    yield Progress("lossless", 0, int(np.prod(shape)), clock.seconds)
    reader = Reader(stream[start + turns * _OPERATION.size :])
    orbits = _orbits(shape, operations, shells)
    wraps = (bool(bits & 1), bool(bits & 2), bool(bits & 4))
    options = Options(specials, wraps, bool(bits & 8) and mode == 2)
    out = yield from Walk(reader, shape, mode, options, orbits, None).steps(clock)
    reader.finish()
    return out


def has_shells(stream: bytes) -> bool:
    """Whether densities depend on the distance from the middle alone, beyond some distance."""
    shells: int = _HEAD.unpack_from(stream)[1]
    return shells != NO_SHELLS


def _orbits(
    shape: tuple[int, ...], operations: tuple[Operation, ...], shells: int
) -> Orbits | None:
    return Orbits(shape, operations, shells) if operations or shells != NO_SHELLS else None


def _hint(number: int, z: int, y: int, x: int) -> Operation:
    return SIGNED_PERMUTATIONS.index(ROTATIONS[number]), z, y, x


def _wrapping(data: Float32Array) -> tuple[bool, bool, bool]:
    """Which axes go on at their other end, as those of maps from Fourier transforms do."""
    z, y, x = (_wraps(data, axis) for axis in range(3))
    return z, y, x


def _wraps(data: Float32Array, axis: int) -> bool:
    n = data.shape[axis]
    if n < 8 or n % 2:
        return False
    ends = data.take([n - 2, n - 1, 0, 1], axis).astype(np.float64)
    inner, across, outer = np.abs(np.diff(ends, axis=axis)).mean(
        tuple(a for a in range(3) if a != axis)
    )
    return bool(0 < across < 1.2 * max(inner, outer))


def _trailing_zeros(data: Float32Array, mode: int) -> bool:
    """Whether the numbers end in more zero bits than by chance."""
    if mode != 2:
        return False
    flat = data.reshape(-1)
    bits = flat[:: max(1, flat.size // _SAMPLES)].view(np.int32).astype(np.int64)
    bits = bits[(bits & 0x7F800000) != 0]
    lowest = (bits | 0x800000) & -(bits | 0x800000)
    return bits.size > 0 and float(np.log2(lowest).mean()) > _TRAILING


def _specials(data: Float32Array, mode: int) -> tuple[int, ...]:
    """Codes of the at most two values that are very frequent."""
    flat = data.reshape(-1)
    sample = voxel_types.to_codes(flat[:: max(1, flat.size // _SAMPLES)], mode)
    codes, counts = np.unique(sample, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:2]
    return tuple(int(c) for c in codes[order][counts[order] > max(3, _COMMON * sample.size)])
