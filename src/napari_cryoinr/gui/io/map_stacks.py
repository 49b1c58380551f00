"""Several maps of one shape in one layer, as File > Open Files as Stack makes it."""

from __future__ import annotations

import numpy as np

from .layer_matching import KEY
from .map_layers import LayerData


def stacked(layers: list[LayerData]) -> list[LayerData]:
    """Return maps of one shape and place as one 4-D layer; others as they are.

    Large maps, which come in several levels, are not stacked.
    """
    metas = [meta for _, meta, kind in layers if kind == "image"]
    volumes = [data for data, _, kind in layers if kind == "image"]
    whole = len(metas) == len(layers) and not any(meta.get("multiscale") for meta in metas)
    if not whole or len({volume.shape for volume in volumes}) != 1 or volumes[0].ndim != 3:
        return layers
    first = metas[0]
    if any(not np.allclose(meta["scale"], first["scale"], rtol=1e-4) for meta in metas):
        return layers
    limits = [meta["contrast_limits"] for meta in metas]
    contour = first["metadata"][KEY].get("contour")
    meta = {
        "name": first["name"].rstrip("0123456789").rstrip(" _-.") or first["name"],
        "scale": (1.0, *first["scale"]),
        "translate": (0.0, *first["translate"]),
        "units": ("pixel", *first["units"]),
        "axis_labels": ("map", *first["axis_labels"]),
        "contrast_limits": (min(low for low, _ in limits), max(high for _, high in limits)),
        "metadata": {KEY: {"contour": contour}},
    }
    if contour is not None:
        meta |= {"rendering": "iso", "iso_threshold": contour}
    return [(np.stack(volumes), meta, "image")]
