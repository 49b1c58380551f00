"""Which layers are density maps, and which of them is the original of a decoded one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

KEY = "cryoinr"  # of a layer's metadata
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def details_of(layer: Any) -> dict[str, Any]:
    """Return the metadata that this plugin gave a layer; empty for other layers."""
    details: dict[str, Any] = layer.metadata.get(KEY, {})
    return details


def placement_of(layer: Any) -> dict[str, Any]:
    """Return what places a layer in space."""
    return {name: getattr(layer, name) for name in _PLACEMENT}


def voxels_of(layer: Any) -> Any:
    """Return the data of an image layer at full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def shape_of(layer: Any) -> tuple[int, ...]:
    """Return the shape of an image layer's data at full resolution."""
    return tuple(voxels_of(layer).shape)


def is_map(layer: Any) -> bool:
    """Whether an image layer is a 3-D volume of one channel of real numbers."""
    from napari.layers import Image

    if not isinstance(layer, Image) or layer.rgb:
        return False
    data = voxels_of(layer)
    return len(data.shape) == 3 and data.dtype.kind in "biuf"


def is_decoded(layer: Any) -> bool:
    """Whether a layer came out of an archive."""
    return "member" in details_of(layer)


def is_derived(layer: Any) -> bool:
    """Whether a layer is an overlay that shows something about maps, not a map."""
    return "derived_from" in details_of(layer)


def original_of(layers: Iterable[Any], decoded: Any) -> Any:
    """Return the layer that a decoded one was probably made from; None if there is none.

    It is the one that was compressed in this session; otherwise a map of the same shape that did
    not come out of an archive, preferably one of the same name.
    """
    details, maps = details_of(decoded), [layer for layer in layers if is_map(layer)]
    originals = [one for one in maps if not (one is decoded or is_decoded(one) or is_derived(one))]
    same_shape = [one for one in originals if shape_of(one) == shape_of(decoded)]

    def likelihood(layer: Any) -> tuple[bool, bool]:
        made_from_it = str(layer.unique_id) == details.get("original_id")
        return made_from_it, layer.name == details.get("member")

    return max(same_shape, key=likelihood, default=None)
