"""Codecs of pictures, which are given a map slice by slice, and bzip2.

A slice is a plane along z, in steps of the range of the whole map: 256 of them for JPEG, 65536 for
JPEG 2000. What is counted are the bytes of all slices, and eight for the range.
"""

from __future__ import annotations

import bz2
import struct
from typing import Any

import numpy as np

from ..support.array_types import AnyArray
from .peers import Peer, codecs

_RANGE = struct.Struct("<2f")
_LENGTH = struct.Struct("<I")
# OpenJPEG refuses more resolutions than the shorter edge of a slice can be halved.
_MOST_RESOLUTIONS = 6


def _encode_slices(voxels: AnyArray, kind: type[np.unsignedinteger[Any]], encode: Any) -> bytes:
    low, high = float(voxels.min()), float(voxels.max())
    steps = np.iinfo(kind).max
    levels = np.rint((voxels - low) * (steps / ((high - low) or 1.0))).astype(kind)
    parts = [_RANGE.pack(low, high)]
    for plane in levels:
        data = bytes(encode(np.ascontiguousarray(plane)))
        parts += [_LENGTH.pack(len(data)), data]
    return b"".join(parts)


def _decode_slices(
    data: bytes, shape: tuple[int, ...], kind: type[np.unsignedinteger[Any]], decode: Any
) -> AnyArray:
    low, high = _RANGE.unpack_from(data)
    out = np.empty(shape, np.float32)
    start = _RANGE.size
    for plane in out:
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size + length
        plane[:] = decode(data[start - length : start])
    return out * np.float32((high - low) / np.iinfo(kind).max) + np.float32(low)


def _jpeg2000(plane: AnyArray, knob: float) -> Any:
    resolutions = min(_MOST_RESOLUTIONS, int(np.log2(min(plane.shape))) + 1)
    return codecs().jpeg2k_encode(plane, level=knob, resolutions=resolutions)


# The knob of JPEG is its quality, that of JPEG 2000 a PSNR of each slice in dB.
SLICED = (
    Peer(
        "jpeg",
        lambda voxels, knob: _encode_slices(
            voxels, np.uint8, lambda plane: codecs().jpeg8_encode(plane, level=round(knob))
        ),
        lambda data, shape, dtype: _decode_slices(data, shape, np.uint8, codecs().jpeg8_decode),
        (1.0, 100.0),
        "JPEG8",
    ),
    Peer(
        "jpeg2000",
        lambda voxels, knob: _encode_slices(
            voxels, np.uint16, lambda plane: _jpeg2000(plane, knob)
        ),
        lambda data, shape, dtype: _decode_slices(data, shape, np.uint16, codecs().jpeg2k_decode),
        (10.0, 110.0),
        "JPEG2K",
    ),
)
BZIP2 = Peer(
    "bzip2",
    lambda voxels, knob: bz2.compress(voxels.tobytes(), 9),
    lambda data, shape, dtype: np.frombuffer(bz2.decompress(data), dtype).reshape(shape),
)
