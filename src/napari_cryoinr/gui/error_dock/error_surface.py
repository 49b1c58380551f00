"""The iso-surface of a map with the error of its decoded twin at every vertex."""

from __future__ import annotations

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
    """Triangles with an error at each vertex."""

    vertices: Float32Array  # in voxels (z, y, x), shape (n, 3)
    faces: Int32Array  # indices of vertices, shape (m, 3)
    values: Float32Array  # shape (n,); NaN where the error is not defined


def surface_steps(error_map: ErrorMap) -> Steps[PaintedSurface]:
    """Paint the original's iso-surface at the contour with the error.

    Marching cubes (Lewiner et al. 2003, in scikit-image) go slab by slab. Errors are interpolated
    linearly between the voxels that have one; the relative error is the absolute one in percent of
    the contour, which is the density of the whole surface.

    Raises
    ------
    MapError
        If no voxel crosses the contour, or the relative error at a contour of 0 is wanted.
    """
    contour = error_map.contour
    assert contour is not None
    if error_map.kind is RELATIVE and contour == 0:
        raise MapError(
            "contour = 0: a surface of density 0 has no relative error; choose another contour"
        )
    clock = Clock()
    meshes, low, high, count = [], np.inf, -np.inf, 0
    planes, height, width = error_map.shape
    step = max(2, SLAB_VOXELS // (height * width))
    for start in range(0, max(planes - 1, 1), step):
        part = slice(start, min(start + step + 1, planes))  # its last plane begins the next slab
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
        yield Progress("tracing the surface", part.stop, planes, clock.seconds)
    if not meshes:
        raise MapError(
            f"contour {contour:g}: no voxel crosses it (the densities are {low:g} to {high:g});"
            " choose one between"
        )
    joined = (np.concatenate(arrays) for arrays in zip(*meshes, strict=True))
    return _without_seams(PaintedSurface(*joined))


def _marched(slab: Float32Array, contour: float) -> tuple[Float32Array, Int32Array]:
    """Vertices in voxels of the slab, and faces; both empty where nothing crosses the contour."""
    from skimage.measure import marching_cubes

    if min(slab.shape) >= 2 and slab.min() < contour < slab.max():
        try:
            vertices, faces, _, _ = marching_cubes(slab, contour)
            return vertices.astype(np.float32), faces.astype(np.int32)
        except RuntimeError:  # it found no triangle: the extremes touch the contour
            pass
    return np.empty((0, 3), np.float32), np.empty((0, 3), np.int32)


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


def _without_seams(surface: PaintedSurface) -> PaintedSurface:
    """Merge the vertices that two slabs share, so that the surface is one piece."""
    vertices = surface.vertices
    target = np.arange(len(vertices))
    whole = np.flatnonzero(vertices[:, 0] % 1 == 0)  # among them those between slabs
    _, first, same = np.unique(
        np.round(vertices[whole], 3), axis=0, return_index=True, return_inverse=True
    )
    target[whole] = whole[first][same.ravel()]
    kept, new = np.unique(target, return_inverse=True)
    a, b, c = faces = new[surface.faces].T.astype(np.int32)
    faces = faces.T[(a != b) & (b != c) & (a != c)]  # others have lost their area
    return PaintedSurface(vertices[kept], faces, surface.values[kept])
