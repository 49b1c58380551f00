"""The mask as the source stores it: packed bits, compressed by gzip (arXiv 2512.12975)."""

from __future__ import annotations

import gzip
import io
import math

import numpy as np

from ...support.array_types import BoolArray
from ...support.checksums import MAX_DEFLATE_RATIO


def encode_mask(mask: BoolArray) -> bytes:
    """Return the mask as gzip-compressed packed bits, in C order."""
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
