"""The model `lossless`: the voxels themselves, bit for bit."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import partial

from ...coding.coarse_to_fine import REACH
from ...coding.tiled_stream import Shape, entries_of, index_of, tile_shape, tiles_of
from ...maps.density_map import DensityMap
from ...progress import Clock, Progress, Steps, reported_steps
from ...support.array_types import BoolArray, Float32Array, Region
from ..base import FitRequest, Fitted, Model, Representation, Stored, Target
from .lossless_stream import decode_steps, encode_steps
from .repeats import Repeats, find_repeats_steps
from .tiled_volume import TiledRepresentation, encode_tile_steps

_WAITING_SECONDS = 0.1
_VOXEL_BYTES = 56  # densities, errors, and while they are sought, the voxels that others repeat
_PADDED_BYTES = 16  # of one phase


class LosslessModel(Model):
    """No fit at all: every voxel is coded, predicted from its neighbours."""

    member_streams = ("lossless",)
    aims = ("lossless",)

    def residual_kind(self, goal: str | None) -> None:
        """Return None: nothing is left to restore."""

    def fit_steps(
        self,
        targets: Sequence[Target],
        request: FitRequest,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Code the voxels of each map."""
        clock = Clock()
        own = []
        for target in targets:
            data = target.map.data
            repeats = yield from find_repeats_steps(data, target.map.voxel_size, clock)
            sides = tile_shape(data.shape) if repeats == Repeats() else None
            if sides is None:
                stream = yield from encode_steps(data, target.map.mode, repeats, clock)
                own.append({"lossless": stream})
            else:
                own.append((yield from _tiled_steps(target.map, sides, clock)))
        return Fitted(None, {}, own, [None] * len(own))

    def load(self, stored: Stored, device: str) -> Representation:
        """Return the representation of one member; it decodes voxels when they are read."""
        if "lossless_index" in stored.own:
            index, read = stored.own["lossless_index"], partial(stored.own.part, "lossless")
            return TiledRepresentation(index, read, stored.shape, stored.mode)
        return _LosslessRepresentation(stored.own["lossless"], stored.shape, stored.mode)


def _tiled_steps(density_map: DensityMap, sides: Shape, clock: Clock) -> Steps[dict[str, bytes]]:
    """Code a map in tiles: nothing repeats in it that would be lost so."""
    parts, size = [], 0
    regions = tiles_of(density_map.data.shape, sides)
    for number, region in enumerate(regions):
        now = Progress("lossless", number, len(regions), clock.seconds, bytes_so_far=size)
        coding = encode_tile_steps(density_map.data[region], density_map.mode, clock)
        parts.append((yield from reported_steps(coding, now)))
        size += len(parts[-1])
    return {"lossless_index": index_of(sides, entries_of(parts)), "lossless": b"".join(parts)}


class _LosslessRepresentation(Representation):
    """A volume that is decoded as a whole, once, then kept."""

    def __init__(self, stream: bytes, shape: tuple[int, int, int], mode: int) -> None:
        super().__init__(shape)
        self._stream = stream
        self._mode = mode
        self._volume: Float32Array | None = None
        self._lock = threading.Lock()

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Float32Array]:
        """Return the voxels of a region, exactly."""
        while not self._lock.acquire(timeout=_WAITING_SECONDS):  # another thread decodes it
            yield Progress("decoding", 0, 1, clock.seconds)
        try:
            if self._volume is None:
                self._volume = yield from decode_steps(self._stream, self._shape, self._mode, clock)
        finally:
            self._lock.release()
        return self._volume[region].copy()

    def working_bytes(self, region: Region) -> int:
        """Return what decoding takes; the whole volume is decoded at the first read."""
        if self._volume is not None:
            return 0
        margin = math.prod(n + 2 * REACH if n > 1 else 1 for n in self._shape)
        return _VOXEL_BYTES * math.prod(self._shape) + _PADDED_BYTES * margin
