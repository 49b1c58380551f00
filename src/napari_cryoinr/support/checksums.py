"""Checksums: BLAKE2b, shortened to what each place needs."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from .array_types import Float32Array

# Deflate cannot pack more than this many bytes into one: what claims to is damaged or a bomb.
MAX_DEFLATE_RATIO = 1040

CHECKSUM_BYTES = 4
VOXEL_CHECKSUM_LETTERS = 6


def checksum(data: bytes) -> bytes:
    """Return the checksum of a stream: 4 bytes."""
    return checksum_of([data])


def checksum_of(parts: Iterable[bytes]) -> bytes:
    """Return the checksum of a stream that comes in parts."""
    digest = blake2b(digest_size=CHECKSUM_BYTES)
    for part in parts:
        digest.update(part)
    return digest.digest()


def voxel_checksum(voxels: Float32Array) -> str:
    """Return that of the bytes as little-endian float32 in C order: 6 letters of base64 for URLs.

    Plane by plane, so that little of a memory-mapped file is in memory.
    """
    digest = VoxelDigest()
    digest.add(voxels)
    return digest.text


class VoxelDigest:
    """The checksum of voxels that are seen slab by slab, in ascending order."""

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=6)

    def add(self, slab: Float32Array) -> None:
        """Add the voxels of a slab, shape (z, y, x)."""
        for plane in slab:
            self._digest.update(np.ascontiguousarray(plane, dtype="<f4").data)

    @property
    def text(self) -> str:
        """The checksum of all voxels so far, see `voxel_checksum`."""
        return urlsafe_b64encode(self._digest.digest()).decode("ascii")[:VOXEL_CHECKSUM_LETTERS]
