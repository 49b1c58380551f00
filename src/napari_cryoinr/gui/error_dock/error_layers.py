"""napari layers that show where a decoded map is wrong, as volumes and on its surface."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import MapError
from ...progress import Clock, Progress, Steps
from ...quality.error_maps import (
    ABSOLUTE,
    CORRELATION,
    DEFAULT_WINDOW,
    KINDS,
    LARGEST_WINDOW,
    RELATIVE,
    SIGNED,
    SMALLEST_WINDOW,
    ErrorMap,
    check_window,
    is_lazy,
)
from ...support import records
from ...support.array_types import Float32Array, Int32Array
from ...support.records import checked_field
from ..io.layer_matching import KEY, details_of, placement_of
from ..io.map_layers import LayerData, voxels_like
from ..widgets.colours import signed_colours

EAGER_BYTES = 64 << 20  # larger error volumes are computed where they are looked at
_SURFACE_STEPS = (1, 2, 4)  # voxels from one vertex to the next, about
_MOST_VERTICES = 150_000  # napari computes their normals in the window's thread
_CHUNK = 128  # voxels along an axis; margins of windows hardly matter then
# In 3-D what is wrong must show: both signs, the largest error, the lowest correlation.
_RENDERING = {
    SIGNED.name: "translucent",
    ABSOLUTE.name: "mip",
    RELATIVE.name: "mip",
    CORRELATION.name: "minip",
}


@dataclass(frozen=True)
class ErrorSettings(records.Record):
    """What is shown of an error, and of which voxels."""

    kind: str = checked_field("what is shown of the error", "signed", choices=tuple(KINDS))
    contour: float = checked_field(
        "density above which a voxel of the original counts as structure, and of the surface", 0.0
    )
    inside_only: bool = checked_field(
        "leave out what is below the contour, of which an archive keeps little", True
    )
    window: int = checked_field(
        "width of the sphere around each voxel for the local correlation, odd",
        DEFAULT_WINDOW,
        low=SMALLEST_WINDOW,
        high=LARGEST_WINDOW,
    )

    def __post_init__(self) -> None:
        records.check(self)
        check_window(self.window)


@dataclass(frozen=True, eq=False)
class PaintedSurface:
    """Triangles with an error at each vertex."""

    vertices: Float32Array  # in voxels (z, y, x), shape (n, 3)
    faces: Int32Array  # indices of vertices, shape (m, 3)
    values: Float32Array  # shape (n,); NaN where the error is not defined


def error_map_of(original: Any, decoded: Any, settings: ErrorSettings) -> ErrorMap:
    """Return the error of one layer's map against another's, at full resolution, not yet computed.

    Raises `MapError` if the shapes differ, or one layer is rotated against the other.
    """
    maps = voxels_like(original, decoded), voxels_like(decoded, decoded)
    kind = KINDS[settings.kind]
    return ErrorMap(*maps, kind, settings.contour, settings.inside_only, settings.window)


def volume_steps(error_map: ErrorMap) -> Steps[tuple[Any, tuple[float, float]]]:
    """Return (volume, display limits) of an error: an array, or a dask array of a large map.

    A signed error is 0 where there is none, which its colours leave transparent: in 3-D, NaN would
    not be.
    """
    clock = Clock()
    limits = yield from error_map.limits_steps(clock)
    signed = error_map.kind is SIGNED
    if error_map.nbytes <= EAGER_BYTES:
        errors = yield from error_map.compute_steps(clock)
        return np.nan_to_num(errors, copy=False, nan=0.0) if signed else errors, limits
    volume = lazy_volume(error_map)
    return volume.map_blocks(np.nan_to_num, nan=0.0) if signed else volume, limits


def lazy_volume(error_map: ErrorMap) -> Any:
    """Return the error as a dask array, of which no more is computed than is looked at."""
    import dask.array as da

    return da.from_array(
        error_map,
        chunks=error_map.decoded.chunks if is_lazy(error_map.decoded) else _CHUNK,
        name=f"error-{uuid.uuid4()}",  # dask would read both maps to make one up
        meta=np.empty((0,) * 3, np.float32),
    )


def painting_steps(error_map: ErrorMap) -> Steps[tuple[PaintedSurface, tuple[float, float]]]:
    """Return (surface, display limits) of an error at the contour; see `surface_steps`."""
    surface = yield from surface_steps(error_map)
    return surface, (yield from error_map.limits_steps())


def surface_steps(error_map: ErrorMap) -> Steps[PaintedSurface]:
    """Paint the original's iso-surface at the contour with the error.

    Surfaces of very many vertices are traced more coarsely. Errors are interpolated linearly
    between the voxels that have one; the relative error is the absolute one in percent of the
    contour, which is the density of the whole surface. Raises `MapError` if no voxel crosses the
    contour, or for the relative error at a contour of 0.
    """
    from scipy.ndimage import map_coordinates
    from skimage.measure import marching_cubes

    assert error_map.contour is not None
    contour, clock = error_map.contour, Clock()
    relative = error_map.kind is RELATIVE
    if relative and contour == 0:
        text = "a surface of density 0 has no relative error; choose another contour"
        raise MapError(f"contour = 0: {text}")
    source = replace(error_map, kind=ABSOLUTE) if relative else error_map
    errors = yield from source.compute_steps(clock)
    yield Progress("tracing the surface", 0, 1, clock.seconds)
    volume = np.array(error_map.original, np.float32)
    finite = np.isfinite(volume)
    low, high = volume.min(where=finite, initial=np.inf), volume.max(where=finite, initial=-np.inf)
    volume[~finite] = contour - max(abs(contour), 1.0)  # no structure
    try:
        for step in _SURFACE_STEPS:
            vertices, faces, _, _ = marching_cubes(volume, contour, step_size=step)
            yield Progress("tracing the surface", 0, 1, clock.seconds)
            if len(vertices) <= _MOST_VERTICES:
                break
    except (ValueError, RuntimeError) as error:  # outside of the densities, or at one of the ends
        text = f"no voxel crosses it (the densities are {low:g} to {high:g}); choose one between"
        raise MapError(f"contour {contour:g}: {text}") from error

    def at_vertices(values: Any) -> Float32Array:
        return map_coordinates(values, vertices.T, np.float32, order=1, mode="nearest")

    known = np.isfinite(errors)  # the others leave it to their neighbours
    with np.errstate(divide="ignore", invalid="ignore"):
        values = at_vertices(np.where(known, errors, np.float32(0)))
        values /= at_vertices(known.astype(np.float32))
    if relative:
        values *= 100 / abs(contour)
    return PaintedSurface(vertices.astype(np.float32), faces.astype(np.int32), values)


def error_layer(
    original: Any, decoded: Any, error_map: ErrorMap, content: Any, limits: tuple[float, float]
) -> LayerData:
    """Return a layer of an error at the place of the decoded map.

    `content` is a volume, or a surface with the error at its vertices.
    """
    kind = error_map.kind
    noted = {
        "derived_from": str(decoded.unique_id),
        "compared_with": str(original.unique_id),
        "kind": kind.name,
    }
    noted |= {name: getattr(error_map, name) for name in ("contour", "inside_only", "window")}
    painted = isinstance(content, PaintedSurface)
    meta = placement_of(decoded) | {
        "colormap": kind.colormap if painted or kind is not SIGNED else signed_colours(),
        "contrast_limits": limits,
        "metadata": {KEY: noted},
    }
    unit = f" ({kind.unit})" if kind.unit else ""
    title = kind.title[:1].upper() + kind.title[1:]
    meta["name"] = f"{title}{' on surface' * painted}{unit}: {decoded.name}"
    if isinstance(content, PaintedSurface):
        meta["shading"] = "smooth"
        return (content.vertices, content.faces, content.values), meta, "surface"
    meta |= {
        "interpolation2d": "nearest",
        "blending": "translucent_no_depth",  # or surfaces of other layers hide it
        "rendering": _RENDERING[kind.name],
    }
    return content, meta, "image"


def show(layers: Any, new: LayerData) -> Any:
    """Add a layer to a viewer's, or replace the data of the one that shows the same; return it."""
    from napari.layers import Layer

    data, meta, layer_type = new
    wanted = meta["metadata"][KEY]
    keys = ("derived_from", "compared_with", "kind")
    for layer in layers:
        same = all(details_of(layer).get(key) == wanted[key] for key in keys)
        if same and layer._type_string == layer_type:
            break
    else:
        layer = Layer.create(data, meta, layer_type)
        layer.colorbar.visible = True
        layers.append(layer)
        return layer  # not layers[-1], which napari wraps for plugins
    layer.data = data
    layer.contrast_limits = meta["contrast_limits"]
    layer.metadata = {**layer.metadata, **meta["metadata"]}
    layer.scale, layer.translate = meta["scale"], meta["translate"]
    layer.visible = True
    return layer
