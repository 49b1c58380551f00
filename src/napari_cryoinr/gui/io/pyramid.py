"""Large maps as pyramids of dask arrays: only what is displayed is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...archive.decoding import level_shape
from ...maps.block_means import block_mean
from ...maps.density_map import DensityMap
from ...support.array_types import Float32Array
from ...support.regions import as_box

Shape = tuple[int, int, int]
Read = Callable[[Any, int], Float32Array]
"""(index as numpy takes it, level) to voxels, as `Member.read` does."""

LARGE_BYTES = 256 << 20  # of float32 voxels; smaller maps are read at once
COARSEST_SIDE = 128  # of the level that the 3-D view shows, until the user chooses a finer one
_CHUNK = 64  # voxels along an axis, as the bricks of a residual stream


def is_large(shape: Shape) -> bool:
    """Whether a map of this shape (z, y, x) is too large to be read as a whole."""
    return 4 * int(np.prod(shape, dtype=object)) > LARGE_BYTES


def pyramid(read: Read, shape: Shape, name: str, *, whole_chunks: bool = False) -> list[Any]:
    """Return levels of a map as dask arrays (z, y, x) of float32, the finest first.

    Each level halves the one before, down to at most `COARSEST_SIDE` voxels along an axis. Several
    threads call `read`. For dask, arrays of one `name` are the same.

    By default only the displayed part of a chunk is read. `whole_chunks` is for sources where a
    whole one, which napari's dask cache keeps, costs little more than a plane of it; those of
    coarser levels are half as wide, because they span more voxels.
    """
    import dask.array as da

    return [
        da.from_array(
            _Level(read, shape, level),
            chunks=_CHUNK // 2 if whole_chunks and level else _CHUNK,
            name=f"{name}-{level}",
            meta=np.empty((0,) * 3, np.float32),
            getitem=_get_chunk if whole_chunks else None,
        )
        for level in range(count_levels(shape))
    ]


def _get_chunk(level: _Level, index: Any, asarray: bool = True, lock: Any = None) -> Float32Array:
    """Index as dask's own getter does; dask does not merge an unknown getter with slicing."""
    return level[index]


def count_levels(shape: Shape) -> int:
    """Return how many levels a map of this shape has."""
    return 1 + max(0, int(np.ceil(np.log2(max(shape) / COARSEST_SIDE))))


class _Level:
    """One level with the interface of an array that dask needs."""

    def __init__(self, read: Read, shape: Shape, level: int) -> None:
        self.shape, self.ndim, self.dtype = level_shape(shape, level), 3, np.dtype(np.float32)
        self._read, self._level = read, level

    def __getitem__(self, index: Any) -> Float32Array:
        return self._read(index, self._level)


def block_means(density_map: DensityMap) -> Read:
    """Return a function that reads a map; voxels of coarser levels are means of their blocks.

    Planes are made one after the other, so that little of a memory-mapped file is in memory.
    """
    data = density_map.data

    def read(region: Any, level: int) -> Float32Array:
        side = 2**level
        box, rest = as_box(region, level_shape(data.shape, level))
        out = np.empty([s.stop - s.start for s in box], np.float32)
        y, x = (slice(s.start * side, s.stop * side) for s in box[1:])
        for row, z in enumerate(range(box[0].start, box[0].stop)):
            slab = data[z * side : (z + 1) * side, y, x]
            if level == 0:
                out[row] = slab[0]
            else:
                out[row] = block_mean(slab.mean(axis=0, dtype=np.float64, keepdims=True), side)[0]
        return out[rest]

    return read
