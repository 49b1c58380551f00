"""Checksums: BLAKE2b, shortened to what each place needs."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

# Deflate cannot pack more than this many bytes into one: what claims to is damaged or a bomb.
MAX_DEFLATE_RATIO = 1040


def stream_checksum(data: bytes) -> str:
    """Checksum of a stream, 16 hexadecimal digits."""
    return blake2b(data, digest_size=8).hexdigest()


def brick_checksum(data: bytes) -> int:
    """Checksum of a coded brick, an integer of 64 bits."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def voxel_checksum(parts: Iterable[npt.NDArray[Any]], digits: int = 16) -> str:
    """Checksum of voxels as little-endian float32 in C order, given in slabs.

    `digits` is its length: 16 hexadecimal digits, 32 in files of format version 1.
    """
    digest = blake2b(digest_size=digits // 2)
    for part in parts:
        digest.update(np.ascontiguousarray(part, dtype="<f4").data)
    return digest.hexdigest()
