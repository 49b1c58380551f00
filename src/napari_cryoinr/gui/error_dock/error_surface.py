"""The iso-surface of a map with the error of its decoded twin at every vertex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import MapError
from ...maps.density_map import SLAB_VOXELS
from ...progress import Clock, Progress, Steps
from ...quality.error_maps import ABSOLUTE, RELATIVE, ErrorMap
from ...support.array_types import Float32Array, Int32Array


@dataclass(frozen=True, eq=False)
class PaintedSurface:
    """Triangles with a value at each corner.

    Attributes
    ----------
    vertices : positions in voxels (z, y, x), shape (n, 3).
    faces : indices of the corners, shape (m, 3).
    values : errors, shape (n,); NaN where the error is not defined.
    """

    vertices: Float32Array
    faces: Int32Array
    values: Float32Array


def surface_steps(error_map: ErrorMap) -> Steps[PaintedSurface]:
    """Paint the original's iso-surface at the contour with the error; a generator of progress.

    The surface is the original's, as the contour is: what is painted is how wrong the decoded map
    is where the structure's surface should be. Marching cubes (Lewiner et al. 2003, in
    scikit-image) go slab by slab. Errors between voxels are interpolated linearly, from the voxels
    that have one; the relative error is the absolute one in percent of the contour, the density of
    the whole surface.

    Raises
    ------
    MapError
        if there is no contour or no voxel crosses it, or a relative error is asked for at a
        contour of 0.
    """
    contour = error_map.contour
    if contour is None:
        raise MapError("contour = None: a surface needs a density; choose a contour")
    if error_map.kind is RELATIVE and contour == 0:
        raise MapError(
            "contour = 0: a surface of density 0 has no relative error; choose another contour"
        )
    clock = Clock()
    meshes, low, high, count = [], np.inf, -np.inf, 0
    planes = error_map.shape[0]
    seams = []
    for part in _overlapping_slabs(error_map):
        slab = np.array(error_map.original[part], np.float32)
        finite = np.isfinite(slab)
        low = min(low, float(slab.min(where=finite, initial=np.inf)))
        high = max(high, float(slab.max(where=finite, initial=-np.inf)))
        slab[~finite] = contour - max(abs(contour), 1.0)  # no structure
        vertices, faces = _marched(slab, contour)
        if len(faces):
            values = _sampled(error_map, part, contour, vertices)
            vertices[:, 0] += part.start
            meshes.append((vertices, faces + count, values))
            count += len(vertices)
        seams.append(part.stop - 1)
        yield Progress("tracing the surface", part.stop, planes, clock.seconds)
    if not meshes:
        raise MapError(
            f"contour {contour:g}: no voxel crosses it (the densities are {low:g} to {high:g});"
            " choose one between"
        )
    joined = (np.concatenate(arrays) for arrays in zip(*meshes, strict=True))
    return _without_seams(PaintedSurface(*joined), seams)


def _overlapping_slabs(error_map: ErrorMap) -> Iterator[slice]:
    """Slices along z; each begins with the last plane of the one before."""
    planes, height, width = error_map.shape
    step = max(2, SLAB_VOXELS // (height * width))
    for start in range(0, max(planes - 1, 1), step):
        yield slice(start, min(start + step + 1, planes))


def _marched(slab: Float32Array, contour: float) -> tuple[Float32Array, Int32Array]:
    """Vertices in voxels of the slab, and faces; both empty where nothing crosses the contour."""
    from skimage.measure import marching_cubes

    nothing = np.empty((0, 3), np.float32), np.empty((0, 3), np.int32)
    if min(slab.shape) < 2 or not slab.min() < contour < slab.max():
        return nothing
    try:
        vertices, faces, _, _ = marching_cubes(slab, contour)
    except RuntimeError:  # it found no triangle: the extremes touch the contour
        return nothing
    return vertices.astype(np.float32), faces.astype(np.int32)


def _sampled(
    error_map: ErrorMap, part: slice, contour: float, vertices: Float32Array
) -> Float32Array:
    """Errors at vertices of a slab; voxels without a defined error leave it to their neighbours."""
    from scipy.ndimage import map_coordinates

    relative = error_map.kind is RELATIVE
    source = replace(error_map, kind=ABSOLUTE) if relative else error_map
    errors = source[part]
    known = np.isfinite(errors)

    def at_vertices(values: Any) -> Float32Array:
        return map_coordinates(values, vertices.T, np.float32, order=1, mode="nearest")

    values = at_vertices(np.where(known, errors, np.float32(0)))
    if not known.all():
        weights = at_vertices(known.astype(np.float32))
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(weights > 1e-6, values / weights, np.float32(np.nan))
    return values * np.float32(100 / abs(contour)) if relative else values


def _without_seams(surface: PaintedSurface, seams: list[int]) -> PaintedSurface:
    """Keep the vertices that two slabs share only once, so that the surface is one piece."""
    vertices = surface.vertices
    shared = np.flatnonzero(np.isin(vertices[:, 0], seams[:-1]))
    rounded = np.round(vertices[shared], 3)
    _, first, same = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    target = np.arange(len(vertices))
    target[shared] = shared[first][same.ravel()]
    kept = target == np.arange(len(vertices))
    new = np.cumsum(kept) - 1
    faces = new[target[surface.faces]].astype(np.int32)
    # A triangle between vertices that are one now has no area.
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (a != c)]
    return PaintedSurface(vertices[kept], faces, surface.values[kept])
