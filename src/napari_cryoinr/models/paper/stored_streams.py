"""The streams of the model `paper`: weights in the order of the layers, and the mask."""

from __future__ import annotations

import gzip
import io
import math
import zlib

import numpy as np

from ...support.array_types import BoolArray, Float32Array, Float64Array
from ...support.checksums import MAX_DEFLATE_RATIO
from .integer_network import Layer
from .paper_settings import PaperConfig


def pack(numbers: Float32Array, kind: str) -> bytes:
    """Return float16 or float32 numbers, deflated byte plane by byte plane.

    The planes of the exponents compress.
    """
    limit = float(np.finfo(kind).max)
    stored = np.clip(numbers, -limit, limit).astype(np.dtype(kind).newbyteorder("<"))
    planes = np.frombuffer(stored.tobytes(), np.uint8).reshape(-1, stored.itemsize).T
    return zlib.compress(planes.tobytes(), 9)


def unpack(data: bytes, kind: str, count: int) -> Float64Array:
    """Invert `pack`.

    Raises
    ------
    ValueError
        if the bytes are not `count` finite numbers.
    """
    dtype = np.dtype(kind).newbyteorder("<")
    size = count * dtype.itemsize
    if size > MAX_DEFLATE_RATIO * len(data):
        raise ValueError(f"{len(data)} bytes cannot hold {count} weights")
    planes = zlib.decompressobj().decompress(data, size + 1)
    if len(planes) != size:
        raise ValueError(f"{len(planes)} bytes of weights where {size} are needed")
    rows = np.frombuffer(planes, np.uint8).reshape(dtype.itemsize, count).T
    numbers = np.frombuffer(rows.tobytes(), dtype).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("weights that are not finite")
    return numbers


def layers_of(numbers: Float64Array, config: PaperConfig) -> list[Layer]:
    """Return the layers of a stream of numbers: weight (in, out), bias, projection of each."""
    layers, start = [], 0

    def take(*shape: int) -> Float64Array:
        nonlocal start
        part = numbers[start : start + math.prod(shape)].reshape(shape)
        start += part.size
        return part

    for a, b, shortcut, learned in config.layers:
        weight, bias = take(a, b), take(b)
        layers.append(Layer(weight, bias, take(a, b) if learned else None, shortcut))
    return layers


def encode_mask(mask: BoolArray) -> bytes:
    """Return the mask as the source stores it: packed bits in C order, compressed by gzip."""
    return gzip.compress(np.packbits(mask).tobytes(), compresslevel=9, mtime=0)


def decode_mask(data: bytes, shape: tuple[int, ...]) -> BoolArray:
    """Invert `encode_mask`.

    Raises
    ------
    ValueError
        if the bytes are not the mask of such a shape.
    """
    count = math.prod(shape)
    size = -(-count // 8)
    if size > MAX_DEFLATE_RATIO * len(data):
        raise ValueError(f"mask: {len(data)} bytes cannot hold {count} voxels")
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        packed = file.read(size + 1)  # one more than fits: nothing may follow
    if len(packed) != size:
        raise ValueError(f"mask: {len(packed)} bytes do not hold {count} voxels")
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=count)
    return bits.view(bool).reshape(shape)
