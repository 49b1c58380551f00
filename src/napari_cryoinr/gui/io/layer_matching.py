"""Which layers are density maps, and which of them is the original of a decoded one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

KEY = "cryoinr"  # of a layer's metadata


def details_of(layer: Any) -> dict[str, Any]:
    """The metadata that this plugin gave a layer; empty for other layers."""
    details = layer.metadata.get(KEY)
    return details if isinstance(details, dict) else {}


def shape_of(layer: Any) -> tuple[int, ...]:
    """Shape of a layer's data at full resolution."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return tuple(data.shape)


def is_map(layer: Any) -> bool:
    """Whether an image layer is a 3-D volume of one channel of real numbers."""
    from napari.layers import Image

    if not isinstance(layer, Image) or layer.rgb:
        return False
    data = layer.data[0] if layer.multiscale else layer.data
    return len(data.shape) == 3 and data.dtype.kind in "biuf"


def is_decoded(layer: Any) -> bool:
    """Whether a layer came out of an archive."""
    return "member" in details_of(layer)


def is_derived(layer: Any) -> bool:
    """Whether a layer shows something about maps, as overlays do, and is no map itself."""
    return "derived_from" in details_of(layer)


def original_of(layers: Iterable[Any], decoded: Any) -> Any:
    """The layer that a decoded one was probably made from; None if there is none.

    It is the one that was compressed in this session; otherwise a map of the same shape that did
    not come out of an archive, preferably one of the same name.
    """
    source = details_of(decoded).get("original_id")
    candidates = [
        layer
        for layer in layers
        if layer is not decoded
        and is_map(layer)
        and not is_decoded(layer)
        and not is_derived(layer)
        and shape_of(layer) == shape_of(decoded)
    ]
    for layer in candidates:
        if source is not None and str(layer.unique_id) == source:
            return layer
    name = details_of(decoded).get("member")
    for layer in candidates:
        if layer.name == name:
            return layer
    return candidates[0] if candidates else None
