"""napari layers that show where a decoded map is wrong."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np

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
from ..io.layer_matching import KEY, details_of, placement_of
from ..io.map_layers import LayerData, voxels_like
from .error_surface import PaintedSurface, surface_steps

EAGER_BYTES = 64 << 20  # larger error volumes are computed where they are looked at
_CHUNK = 128  # voxels along an axis; margins of windows hardly matter then


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
        "side of the cube around each voxel for the local correlation, odd",
        DEFAULT_WINDOW,
        low=SMALLEST_WINDOW,
        high=LARGEST_WINDOW,
    )

    def __post_init__(self) -> None:
        records.check(self)
        check_window(self.window)


def error_map_of(original: Any, decoded: Any, settings: ErrorSettings) -> ErrorMap:
    """Return the error of one layer's map against another's, at full resolution, not yet computed.

    Raises
    ------
    MapError
        If the shapes differ, or one layer is rotated against the other.
    """
    return ErrorMap(
        voxels_like(original, decoded),
        voxels_like(decoded, decoded),
        KINDS[settings.kind],
        settings.contour,
        settings.inside_only,
        settings.window,
    )


def volume_steps(error_map: ErrorMap) -> Steps[tuple[Any, tuple[float, float]]]:
    """Return (volume, display limits) of an error: an array, or a dask array of a large map."""
    clock = Clock()
    limits = yield from error_map.limits_steps(clock)
    if error_map.nbytes <= EAGER_BYTES:
        return (yield from error_map.compute_steps(clock)), limits
    return lazy_volume(error_map), limits


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
    limits = yield from error_map.limits_steps()
    return surface, limits


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
    meta = placement_of(decoded) | {
        "colormap": kind.colormap,
        "contrast_limits": limits,
        "metadata": {KEY: noted},
    }
    if isinstance(content, PaintedSurface):
        meta |= {"name": f"{decoded.name} error on surface ({kind.name})", "shading": "smooth"}
        return (content.vertices, content.faces, content.values), meta, "surface"
    meta |= {
        "name": f"{decoded.name} error ({kind.name})",
        "interpolation2d": "nearest",
        "blending": "translucent_no_depth",  # or surfaces of other layers hide it
        # A projection must show what is wrong: the lowest correlation, the largest error.
        "rendering": "minip" if kind is CORRELATION else "mip",
    }
    return content, meta, "image"


def show(layers: Any, new: LayerData) -> Any:
    """Add a layer to a napari layer list, or replace the data of the one that shows the same.

    Returns
    -------
    The layer.
    """
    from napari.layers import Layer

    data, meta, layer_type = new
    wanted = meta["metadata"][KEY]
    for layer in layers:
        noted = details_of(layer)
        same = all(noted.get(k) == wanted[k] for k in ("derived_from", "compared_with", "kind"))
        if same and layer._type_string == layer_type:
            break
    else:
        layer = Layer.create(data, meta, layer_type)
        layers.append(layer)
        return layer
    layer.data = data
    layer.contrast_limits = meta["contrast_limits"]
    layer.metadata = {**layer.metadata, **meta["metadata"]}
    layer.scale, layer.translate = meta["scale"], meta["translate"]
    layer.visible = True
    return layer
