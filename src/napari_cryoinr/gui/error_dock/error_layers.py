"""napari layers that show where a decoded map is wrong."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import MapError
from ...progress import Clock, Steps
from ...quality.error_maps import (
    CORRELATION,
    DEFAULT_WINDOW,
    KINDS,
    LARGEST_WINDOW,
    SMALLEST_WINDOW,
    ErrorMap,
    check_window,
    is_lazy,
)
from ...support import records
from ...support.records import checked_field
from ..io.layer_matching import KEY, details_of, is_map
from ..io.map_layers import LayerData, voxels_like
from .error_surface import PaintedSurface, surface_steps

EAGER_BYTES = 64 << 20  # larger error volumes are computed where they are looked at
_CHUNK = 128  # voxels along an axis; margins of windows hardly matter then
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(frozen=True)
class ErrorOverlaySettings(records.Record):
    """State of the error overlay widget; layers are known by their names."""

    decoded: str | None = checked_field("name of the layer with the decoded map", None)
    original: str | None = checked_field("name of the layer with the original map", None)
    kind: str = checked_field("what is shown of the error", "signed", choices=tuple(KINDS))
    contour: float = checked_field("density above which a voxel counts as structure", 0.0)
    inside_only: bool = checked_field("whether only voxels above the contour are shown", True)
    window: int = checked_field(
        "side in voxels of the cube of the local correlation, odd",
        DEFAULT_WINDOW,
        low=SMALLEST_WINDOW,
        high=LARGEST_WINDOW,
    )
    blend: float | None = checked_field(
        "share of the decoded map where both are blended; by default they are not",
        None,
        low=0,
        high=1,
    )

    def __post_init__(self) -> None:
        records.check(self)
        check_window(self.window)


def error_map_of(original: Any, decoded: Any, settings: ErrorOverlaySettings) -> ErrorMap:
    """Return the error of one layer's map against another's, at full resolution, not yet computed.

    Raises
    ------
    MapError
        if one of the layers is no density map, both are the same, their shapes differ, or one is
        rotated against the other.
    """
    for layer in (original, decoded):
        if not is_map(layer):
            raise MapError(f"layer {layer.name!r} is no density map: a 3-D volume of one channel")
    if original is decoded:
        raise MapError(f"layer {decoded.name!r} is both original and decoded; choose two layers")
    return ErrorMap(
        voxels_like(original, decoded),
        voxels_like(decoded, decoded),
        KINDS[settings.kind],
        settings.contour,
        settings.inside_only,
        settings.window,
    )


def volume_steps(error_map: ErrorMap) -> Steps[tuple[Any, tuple[float, float]]]:
    """(volume, display limits) of an error, as a generator of progress.

    Small volumes are computed, for an array is quick to look at; large ones are dask arrays.
    """
    clock = Clock()
    limits = yield from error_map.limits_steps(clock)
    if error_map.nbytes > EAGER_BYTES:
        return lazy_volume(error_map), limits
    volume = yield from error_map.compute_steps(clock)
    return volume, limits


def painting_steps(error_map: ErrorMap) -> Steps[tuple[PaintedSurface, tuple[float, float]]]:
    """(surface, display limits) of an error at the map's contour, as a generator of progress.

    Raises
    ------
    MapError
        if no voxel crosses the contour.
    """
    surface = yield from surface_steps(error_map)
    limits = yield from error_map.limits_steps()
    return surface, limits


def lazy_volume(error_map: ErrorMap) -> Any:
    """Return the error as a dask array, in the chunks of the decoded map where it has any."""
    import dask.array as da

    return da.from_array(
        error_map,
        chunks=error_map.decoded.chunks if is_lazy(error_map.decoded) else _CHUNK,
        name=f"error-{uuid.uuid4()}",  # dask would read both maps to make one up
        meta=np.empty((0,) * 3, np.float32),
    )


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
        "contour": error_map.contour,
        "inside_only": error_map.inside_only,
        "window": error_map.window,
    }
    meta = {name: getattr(decoded, name) for name in _PLACEMENT} | {
        "colormap": kind.colormap,
        "contrast_limits": limits,
        "metadata": {KEY: noted},
    }
    if isinstance(content, PaintedSurface):
        meta |= {"name": f"{decoded.name} error on surface ({kind.name})", "shading": "smooth"}
        return (content.vertices, content.faces, content.values), meta, "surface"
    return (
        content,
        meta
        | {
            "name": f"{decoded.name} error ({kind.name})",
            "interpolation2d": "nearest",
            "blending": "translucent_no_depth",  # or surfaces of other layers hide it
            # Seen through, what is wrong must stand out: the lowest correlation, the largest error.
            "rendering": "minip" if kind is CORRELATION else "mip",
        },
        "image",
    )


def existing(layers: Iterable[Any], new: LayerData) -> Any:
    """Return the layer that shows this kind of error of this pair already, or None."""
    _, meta, layer_type = new
    wanted = meta["metadata"][KEY]
    same = ("derived_from", "compared_with", "kind")
    for layer in layers:
        noted = details_of(layer)
        kind = layer.__class__.__name__.lower()
        if kind == layer_type and all(noted.get(k) == wanted[k] for k in same):
            return layer
    return None


def show(layers: Any, new: LayerData) -> Any:
    """Put a layer into a napari layer list, or its content into the one that is there.

    Returns
    -------
    The layer.
    """
    from napari.layers import Layer

    data, meta, layer_type = new
    layer = existing(layers, new)
    if layer is None:
        layer = Layer.create(data, meta, layer_type)
        layers.append(layer)
        return layer
    layer.data = data
    layer.contrast_limits = meta["contrast_limits"]
    layer.metadata = {**layer.metadata, **meta["metadata"]}
    for name in ("scale", "translate"):
        setattr(layer, name, meta[name])
    layer.visible = True
    return layer
