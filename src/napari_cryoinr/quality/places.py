"""The places in a map where a decoded map agrees least with its original."""

from __future__ import annotations

import numpy as np

from ..maps.density_map import DensityMap
from ..progress import Clock, Steps
from ..support.array_types import BoolArray, Float32Array
from ..support.regions import bounding_box, grown
from .error_maps import CORRELATION, DEFAULT_WINDOW, LARGEST_WINDOW, SMALLEST_WINDOW, ErrorMap
from .quality_report import Place

PLACES = 3


def worst_places_steps(
    original: DensityMap,
    decoded: Float32Array,
    inside: BoolArray | None,
    level: float,
    resolution: float | None,
    clock: Clock,
) -> Steps[tuple[Place, ...]]:
    """Find where the correlation in a sphere is lowest, as a generator of progress.

    Only voxels of what is kept count in a sphere, which is twice the resolution wide. Its centre is
    structure, and no two centres lie in one sphere.

    Parameters
    ----------
    original, decoded : DensityMap, ndarray of float32
        Both maps, shape (z, y, x).
    inside : ndarray of bool or None
        What is kept, of the same shape; None counts all voxels.
    level : float
        Density that counts as structure.
    resolution : float or None
        Å.
    clock : Clock
        Gives the seconds of the records.

    Returns
    -------
    tuple of Place
        At most three, the worst first.
    """
    window = _window(original, resolution)
    places = original.data > np.float32(level)
    if inside is not None:
        places &= inside
    if not places.any():
        return ()
    box = grown(bounding_box(places), window // 2, decoded.shape)
    a, b = original.data[box], decoded[box]
    if inside is not None:
        a = np.where(inside[box], a, np.float32(np.nan))
    error = yield from ErrorMap(a, b, CORRELATION, window=window).compute_steps(clock)
    # A decoded map without any spread is as wrong as can be.
    local = np.where(places[box], np.nan_to_num(error, nan=0.0), np.inf)
    found = []
    for _ in range(PLACES):
        index = np.unravel_index(int(np.argmin(local)), local.shape)
        correlation = float(local[index])
        if not correlation < 1:
            break
        voxel = tuple(int(i) + part.start for i, part in zip(index, box, strict=True))
        position = tuple(
            round(o + n * v, 3)
            for o, n, v in zip(original.origin, voxel, original.voxel_size, strict=True)
        )
        found.append(Place(voxel, position, round(correlation, 4)))
        near = tuple(slice(max(int(i) - window + 1, 0), int(i) + window) for i in index)
        local[near] = np.inf
    return tuple(found)


def _window(original: DensityMap, resolution: float | None) -> int:
    """Return the width of a sphere in voxels, odd."""
    if resolution is None:
        return DEFAULT_WINDOW
    width = 2 * round(resolution / min(original.voxel_size)) + 1
    return min(max(width, SMALLEST_WINDOW + 2), LARGEST_WINDOW)
