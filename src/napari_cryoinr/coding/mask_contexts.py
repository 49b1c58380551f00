"""Which voxels of a mask are coded, in which order, and what is known around each.

Cubes of 8³ voxels are empty, full or mixed; only voxels of mixed cubes are coded. They go by
wavefronts, the planes x + 2y + 5z = constant: the voxels of one front do not see each other, so a
front is coded in one step, yet each sees nearly all that comes before it in raster order (the
wavefront idea of parallel video coding, in three dimensions). Beyond the front it sees the uniform
cubes, which are known from the start.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]
Indices = npt.NDArray[np.intp]
Shape = tuple[int, ...]

EDGE = 8  # voxels along a cube
EMPTY, UNKNOWN, FULL = -1, 0, 1
MIXED = 0  # the state of a cube of both kinds: its voxels start as unknown
REACH = 4  # voxels seen along an axis; grids are wider by this on every side
SLOPE = np.array([5, 2, 1])  # of the fronts, by axis
_CORNER = int(SLOPE.sum()) * (EDGE - 1)  # the last front through a cube, its first being 0


def _offsets(behind: int, ahead: int, straight: int) -> npt.NDArray[np.int64]:
    """Neighbours within a squared distance, those behind the front first; shape (n, 3)."""
    window = range(-REACH, REACH + 1)
    found = np.array([d for d in itertools.product(window, repeat=3) if any(d)])
    square = (found**2).sum(axis=1)
    known = found @ SLOPE < 0
    axial = (np.count_nonzero(found, axis=1) == 1) & (square <= straight)
    chosen = np.where(known, square <= behind, (square <= ahead) | axial)
    rank = np.lexsort((*found.T, square, ~known))
    return found[rank[chosen[rank]]]


VOXEL_OFFSETS = _offsets(12, 6, REACH**2)
CUBE_OFFSETS = _offsets(4, 0, 0)


def strides(shape: Shape) -> npt.NDArray[np.int64]:
    """How far apart neighbours along each axis of a C-ordered array lie."""
    return np.array([shape[1] * shape[2], shape[2], 1])


def cube_grid(shape: Shape) -> Shape:
    """Cubes along each axis of a volume."""
    return tuple(-(-size // EDGE) for size in shape)


def widened(shape: Shape) -> Shape:
    """The shape with `REACH` more on every side."""
    return tuple(size + 2 * REACH for size in shape)


def interior(grid: npt.NDArray[np.generic], shape: Shape) -> npt.NDArray[np.generic]:
    """The view of a widened grid without what was added, cut to `shape`."""
    return grid[tuple(slice(REACH, REACH + size) for size in shape)]


def cube_states(mask: Mask) -> States:
    """EMPTY, MIXED or FULL for each cube; voxels outside the volume do not count."""
    grid = cube_grid(mask.shape)
    states = np.empty(grid, np.int8)
    sizes = [
        np.minimum(EDGE, n - EDGE * np.arange(g)) for n, g in zip(mask.shape, grid, strict=True)
    ]
    inside = sizes[1][:, None] * sizes[2]
    starts = [np.arange(0, n, EDGE) for n in mask.shape]
    for z, start in enumerate(starts[0]):
        layer = mask[start : start + EDGE].sum(axis=0, dtype=np.int64)
        filled = np.add.reduceat(np.add.reduceat(layer, starts[1], axis=0), starts[2], axis=1)
        states[z] = (filled == inside * sizes[0][z]).astype(np.int8) - (filled == 0)
    return states


def voxel_states(cubes: States, shape: Shape) -> States:
    """What the cubes tell of the voxels, as a widened grid of whole cubes; EMPTY outside."""
    states = np.full(widened(tuple(EDGE * n for n in cubes.shape)), EMPTY, np.int8)
    inner = interior(states, shape)
    for z, layer in enumerate(cubes):
        spread = layer.repeat(EDGE, axis=0).repeat(EDGE, axis=1)
        inner[EDGE * z : EDGE * (z + 1)] = spread[: shape[1], : shape[2]]
    return states


def front_count(shape: Shape) -> int:
    """How many fronts a grid has: the steps that its coding takes."""
    return int(SLOPE @ (np.array(shape) - 1)) + 1


def cube_fronts(shape: Shape) -> Iterator[Indices]:
    """Places in the widened grid of cubes, front by front."""
    step = strides(widened(shape))
    z, y, x = (np.arange(size) for size in shape)
    front = (SLOPE[0] * z[:, None, None] + SLOPE[1] * y[:, None] + x).ravel()
    place = (
        (z[:, None, None] + REACH) * step[0] + (y[:, None] + REACH) * step[1] + x + REACH
    ).ravel()
    order = np.argsort(front, kind="stable")
    ends = np.cumsum(np.bincount(front, minlength=front_count(shape)))
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        if end > start:
            yield place[order[start:end]]


def voxel_fronts(cubes: States) -> Iterator[Indices]:
    """Places in the widened grid of the voxels of mixed cubes, front by front.

    Voxels beyond the volume come too: they are EMPTY there and no longer UNKNOWN.
    """
    step = strides(widened(tuple(EDGE * n for n in cubes.shape)))
    mixed = np.argwhere(cubes == MIXED)
    front = mixed @ SLOPE
    order = np.argsort(front, kind="stable")
    places = (EDGE * mixed[order] + REACH) @ step
    ends = np.cumsum(np.bincount(front, minlength=front_count(cubes.shape)))
    starts = np.concatenate([[0], ends[:-1]])
    local = np.indices((EDGE,) * 3).reshape(3, -1).T
    within = [local[local @ SLOPE == front] @ step for front in range(_CORNER + 1)]
    for number in range(EDGE * (len(ends) - 1) + _CORNER + 1):
        last = min(number // EDGE, len(ends) - 1)
        first = max(0, -(-(number - _CORNER) // EDGE))
        parts = [
            (places[starts[i] : ends[i], None] + within[number - EDGE * i]).ravel()
            for i in range(first, last + 1)
            if ends[i] > starts[i]
        ]
        if parts:
            yield np.concatenate(parts)


def cube_count(shape: Shape) -> int:
    """How many cubes a volume has."""
    return prod(cube_grid(shape))
