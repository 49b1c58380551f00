"""A large volume, bit for bit, in tiles that are coded each on its own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np

from ...coding.tiled_stream import Shape, Tiles
from ...maps.mrc_header import VOXEL_TYPES
from ...progress import Clock, Progress, Steps, reported_steps
from ...support.array_types import AnyArray, BoolArray, Float32Array, Region
from ...support.byte_cache import ByteCache
from ...support.regions import intersection, region_shape, relative_to
from ..base import Representation
from .lossless_stream import decode_steps, encode_steps
from .repeats import Repeats

TILE_BYTES = 128  # for each voxel of the tile that is coded or decoded
_CACHED_BYTES = 128 << 20
_WAITING_SECONDS = 0.1


def encode_tile_steps(voxels: Float32Array, mode: int, clock: Clock) -> Steps[bytes]:
    """Code one tile; what repeats is not looked for."""
    return (yield from encode_steps(voxels, mode, Repeats(), clock))


class TiledRepresentation(Representation):
    """Voxels of which those tiles are decoded that a region touches; the last ones are kept.

    Parameters
    ----------
    index, read : of the stream, see `Tiles`.
    mode : of MRC.
    """

    by_slabs = True

    def __init__(
        self, index: bytes, read: Callable[[int, int], bytes], shape: Shape, mode: int
    ) -> None:
        super().__init__(shape)
        self._tiles, self._mode = Tiles(index, shape, read, "lossless"), mode
        self._kind = VOXEL_TYPES[mode]
        # A row of tiles: slabs of a few planes find in it what the ones before decoded.
        row = self._tiles.sides[0] * shape[1] * shape[2] * np.dtype(self._kind).itemsize
        self._row = max(row, _CACHED_BYTES)
        self._decoded = ByteCache[AnyArray](self._row)
        self._lock = threading.Lock()

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Float32Array]:
        """Return the voxels of a region, exactly."""
        out = np.empty(region_shape(region), np.float32)
        numbers = self._tiles.near(region)
        for done, number in enumerate(numbers):
            now = Progress("decoding", done, len(numbers), clock.seconds)
            tile = yield from reported_steps(self._tile_steps(number, clock), now)
            place = self._tiles.regions[number]
            common = intersection(place, region)
            out[relative_to(common, region)] = tile[relative_to(common, place)]
        return out

    def _tile_steps(self, number: int, clock: Clock) -> Steps[AnyArray]:
        found = self._decoded.find(number)
        if found is not None:
            return found
        while not self._lock.acquire(timeout=_WAITING_SECONDS):  # another thread decodes a tile
            yield Progress("decoding", 0, 1, clock.seconds)
        try:
            found = self._decoded.find(number)
            if found is None:
                size = region_shape(self._tiles.regions[number])
                voxels = yield from decode_steps(self._tiles[number], size, self._mode, clock)
                found = voxels.astype(self._kind)
                self._decoded.keep(number, found)
        finally:
            self._lock.release()
        return found

    def working_bytes(self, region: Region) -> int:
        """Return what a tile takes while it is decoded, and the tiles that are kept."""
        touched = [
            side * (-(-part.stop // side) - part.start // side)
            for part, side in zip(region, self._tiles.sides, strict=True)
        ]
        kept = min(self._row, 4 * math.prod(touched))
        return TILE_BYTES * math.prod(self._tiles.sides) + kept
