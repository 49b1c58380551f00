"""Copies of layers: a box of one, binned voxels, voxels without NaN; each where it lay in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import MapError
from ...maps.auto_threshold import auto_threshold
from ...maps.density_map import DensityMap
from ...maps.framing import block_means, check_factor, first_voxel, structure_box
from ...maps.map_statistics import statistics
from ...maps.repair import NoDensity, fill_no_density, find_no_density
from ...progress import Progress, Steps
from ...support.array_types import Region
from ..io.layer_matching import KEY, details_of, placement_of, voxels_of
from ..io.map_layers import LayerData

_LOOKS = ("colormap", "contrast_limits", "rendering", "iso_threshold", "blending", "opacity")


def volumes(layer: Any) -> Sequence[Any]:
    """Return the volumes of a layer, each (z, y, x): one, or those of a stack."""
    data = voxels_of(layer)
    return data if data.ndim == 4 else [data]


def framed_steps(layer: Any, box: Region, factor: int, name: str) -> Steps[LayerData]:
    """Make a layer of a box of one, with one voxel for each block of `factor` along each axis.

    Rotation, shear and affine transform of the layer are kept too. Raises `MapError` if no block
    fits into the box, or if labels are to be binned.
    """
    stack, is_image = voxels_of(layer).ndim == 4, layer._type_string == "image"
    placed, details = placement_of(layer), details_of(layer)
    looks = {one: getattr(layer, one) for one in _LOOKS} if is_image else {}
    parts = volumes(layer)
    if factor > 1 and not is_image:
        raise MapError(f"{layer.name}: labels have no mean; bin the map that they belong to")
    made = []
    for number, volume in enumerate(parts):
        yield Progress("copying the box", number, len(parts))
        part = volume[box]
        if factor > 1:
            check_factor(factor, part.shape, layer.name)
            part = block_means(part, factor)
        made.append(np.array(part))
    start = np.array([part.start for part in box])
    steps, first = np.full(3, float(factor)), first_voxel(start, factor)
    if stack:
        steps, first = np.r_[1.0, steps], np.r_[0.0, first]
    meta = moved(placed, first, steps) | looks | {"name": name}
    if details.get("contour") is not None:
        meta["metadata"] = {KEY: {"contour": details["contour"]}}
    return np.stack(made) if stack else made[0], meta, layer._type_string


def moved(placed: dict[str, Any], first: Any, steps: Any) -> dict[str, Any]:
    """Return the place of voxels whose first one lies at an index, and that are larger."""
    from napari.utils.transforms import Affine

    own = Affine(ndim=len(first), **{key: placed[key] for key in ("scale", "rotate", "shear")})
    return placed | {
        "scale": np.asarray(placed["scale"]) * steps,
        "translate": np.asarray(placed["translate"]) + own.linear_matrix @ first,
    }


def structure_steps(layer: Any, contour: float | None, margin: int) -> Steps[Region]:
    """Find the box round the density above the contour, or else the automatic threshold.

    Of a stack it is that of all its volumes.
    """
    low, high = np.full(3, np.iinfo(int).max), np.zeros(3, int)
    parts = volumes(layer)
    for number, volume in enumerate(parts):
        yield Progress("looking for the structure", number, len(parts))
        density_map = DensityMap(np.asarray(volume), name=layer.name)
        threshold = auto_threshold(statistics(density_map)) if contour is None else contour
        box = structure_box(density_map, threshold, margin)
        low = np.minimum(low, [part.start for part in box])
        high = np.maximum(high, [part.stop for part in box])
    z, y, x = map(slice, low.tolist(), high.tolist())
    return z, y, x


def check_steps(layer: Any) -> Steps[NoDensity | None]:
    """Find voxels without a density in a layer; of a stack, in its first volume that has some."""
    parts = volumes(layer)
    for number, volume in enumerate(parts):
        yield Progress("looking for NaN", number, len(parts))
        if (found := find_no_density(volume)) is not None:
            return found
    return None


def repaired_steps(layer: Any, name: str) -> Steps[LayerData]:
    """Make a copy of a layer, with the background in place of infinite voxels and NaN."""
    stack, placed = voxels_of(layer).ndim == 4, placement_of(layer)
    metadata = dict(layer.metadata)
    parts, made = volumes(layer), []
    for number, volume in enumerate(parts):
        yield Progress("replacing NaN", number, len(parts))
        made.append(fill_no_density(DensityMap(np.array(volume), name=layer.name)).data)
    data = np.stack(made) if stack else made[0]
    return data, placed | {"name": name, "metadata": metadata}, "image"
