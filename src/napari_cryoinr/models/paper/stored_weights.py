"""The stored weights: one stream of numbers, in the order of the layers."""

from __future__ import annotations

import zlib

import numpy as np

from ...support.array_types import Float32Array, Float64Array
from ...support.checksums import MAX_DEFLATE_RATIO
from .integer_network import Layer
from .paper_config import PaperConfig


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
        part = numbers[start : start + int(np.prod(shape))].reshape(shape)
        start += part.size
        return part

    for a, b, shortcut, learned in config.layers:
        weight, bias = take(a, b), take(b)
        layers.append(Layer(weight, bias, take(a, b) if learned else None, shortcut))
    return layers
