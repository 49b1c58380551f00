"""Checksums: BLAKE2b, shortened to what each place needs."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from .array_types import FloatArray

# Deflate cannot pack more than this many bytes into one: what claims to is damaged or a bomb.
MAX_DEFLATE_RATIO = 1040

CHECKSUM_LETTERS = 8
_CHECKSUM_BYTES = 6


def stream_checksum(data: bytes) -> str:
    """Checksum of a stream: 6 bytes of BLAKE2b, as 8 letters of base64 for URLs."""
    return _letters(blake2b(data, digest_size=_CHECKSUM_BYTES).digest())


def voxel_checksum(parts: Iterable[FloatArray]) -> str:
    """Checksum of voxels as little-endian float32 in C order, given in slabs; 8 letters."""
    digest = blake2b(digest_size=_CHECKSUM_BYTES)
    for part in parts:
        digest.update(np.ascontiguousarray(part, dtype="<f4").data)
    return _letters(digest.digest())


def brick_checksum(data: bytes) -> int:
    """Checksum of a coded brick, an integer of 64 bits."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _letters(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode("ascii")
