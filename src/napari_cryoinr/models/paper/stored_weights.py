"""The stored weights: one stream of numbers, in the order of the layers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ...support.checksums import MAX_DEFLATE_RATIO
from .integer_network import Layer
from .paper_settings import PaperSettings
from .shortcuts import has_shortcut


def layer_shapes(
    sizes: tuple[int, ...], residual: str, projection: str
) -> Iterator[tuple[int, int, bool, bool]]:
    """(inputs, outputs, has a shortcut, has a learned projection) of each layer, output last."""
    for index, (a, b) in enumerate(pairwise(sizes)):
        hidden = index < len(sizes) - 2
        shortcut = hidden and has_shortcut(residual, index)
        yield a, b, shortcut, shortcut and projection == "learned" and a != b


def parameter_count(sizes: tuple[int, ...], residual: str, projection: str) -> int:
    """Numbers in the stream of the shared weights."""
    return sum(
        a * b * (2 if learned else 1) + b
        for a, b, _, learned in layer_shapes(sizes, residual, projection)
    )


def network_bytes(paper: PaperSettings) -> int:
    """Bytes of the stored network of these settings, before it is deflated."""
    sizes = (paper.input_size, *paper.layer_widths, 1)
    count = parameter_count(sizes, paper.residual, paper.projection)
    return count * np.dtype(paper.weights).itemsize


def pack(numbers: npt.NDArray[np.float32], kind: str) -> bytes:
    """float16 or float32 numbers, deflated byte plane by byte plane (exponents compress)."""
    limit = float(np.finfo(kind).max)
    stored = np.clip(numbers, -limit, limit).astype(np.dtype(kind).newbyteorder("<"))
    planes = np.frombuffer(stored.tobytes(), np.uint8).reshape(-1, stored.itemsize).T
    return zlib.compress(planes.tobytes(), 9)


def unpack(data: bytes, kind: str, count: int) -> npt.NDArray[np.float64]:
    """The inverse of `pack`, as float64.

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
    numbers = np.frombuffer(np.ascontiguousarray(rows).tobytes(), dtype).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("weights that are not finite")
    return numbers


def layers_of(
    numbers: npt.NDArray[np.float64], sizes: tuple[int, ...], residual: str, projection: str
) -> list[Layer]:
    """The layers of a stream of numbers: weight (in, out), bias and projection of each in turn."""
    layers, start = [], 0

    def take(*shape: int) -> npt.NDArray[np.float64]:
        nonlocal start
        part = numbers[start : start + int(np.prod(shape))].reshape(shape)
        start += part.size
        return part

    for a, b, shortcut, learned in layer_shapes(sizes, residual, projection):
        weight, bias = take(a, b), take(b)
        layers.append(Layer(weight, bias, take(a, b) if learned else None, shortcut))
    return layers
