"""The soft mask in the viewer: an outlined tint in slices, a translucent surface in 3-D."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from ..io.layer_matching import KEY
from ..io.map_layers import angstrom_per
from .map_analysis import SoftMask

_OUTLINE, _INSIDE = (0.2, 0.75, 0.95, 0.5), (0.2, 0.75, 0.95, 0.16)
_OUTERMOST = 0.3  # weights below are the outline, about a voxel thick
_SURFACE_OPACITY = 0.3


def remove_overlay(viewer: Any, source: Any, overlay: Any) -> None:
    """Remove an overlay of a layer, where it is still there."""
    layers = viewer.layers

    def remove() -> None:
        if overlay in layers:
            layers.remove(overlay)

    if source in layers:
        remove()
    else:  # later: napari may be about to delete the overlay too, and expects it to be there
        QTimer.singleShot(0, remove)


class MaskPreview:
    """Shows a soft mask of a layer as a layer above it; nothing while there is none."""

    def __init__(self, viewer: Any, source: Any) -> None:
        self._viewer, self._source = viewer, source
        self._layer: Any = None
        self._mask: SoftMask | None = None
        self._shown = True

    @property
    def layer(self) -> Any:
        """The layer of the mask; None if none is shown."""
        return self._layer if self._layer in self._viewer.layers else None

    def show(self, mask: SoftMask | None) -> None:
        """Show another mask of the same map; None where there is none."""
        self._mask = mask
        self._refresh()

    def set_shown(self, shown: bool) -> None:
        """Show the mask, or do not."""
        self._shown = shown
        self._refresh()

    def fit_display(self) -> None:
        """Look as it must in slices, or in 3-D."""
        if (layer := self.layer) is None:
            return
        volume = self._viewer.dims.ndisplay == 3
        layer.opacity = _SURFACE_OPACITY if volume else 1.0
        layer.blending = "translucent" if volume else "translucent_no_depth"

    def remove(self) -> None:
        """Remove the layer."""
        layer, self._layer = self._layer, None
        remove_overlay(self._viewer, self._source, layer)

    def _refresh(self) -> None:
        if (mask := self._mask) is None or not self._shown:
            self.remove()
            return
        if self.layer is None:
            self._layer = self._added(mask)
        else:
            self._layer.data = mask.values.reshape(self._layer.data.shape)
        self.fit_display()

    def _added(self, mask: SoftMask) -> Any:
        """Add the layer, in the units of the map's own, below what is above the threshold.

        Of a stack it is a stack of one, so that it is seen with the first volume alone.
        """
        from napari.layers import Image
        from napari.utils import Colormap

        source, viewer = self._source, self._viewer
        unit = np.array([angstrom_per(one) or 1.0 for one in source.units[-3:]])
        colours = Colormap(
            [(0, 0, 0, 0), (0, 0, 0, 0), _OUTLINE, _OUTLINE, _INSIDE, _INSIDE],
            controls=[0, 0.002, 0.0021, _OUTERMOST, _OUTERMOST + 1e-4, 1],
            name="soft mask",
        )
        selected = set(viewer.layers.selection)
        before = source.ndim - 3
        layer = Image(
            mask.values.reshape((1,) * before + mask.values.shape),
            name=f"{source.name}: soft mask",
            scale=[*source.scale[:before], *(np.array(mask.voxel_size) / unit)],
            translate=[*source.translate[:before], *(np.array(mask.origin) / unit)],
            units=source.units,
            axis_labels=source.axis_labels,
            colormap=colours,
            contrast_limits=(0, 255),
            interpolation2d="nearest",
            rendering="iso",
            iso_threshold=128,
            metadata={KEY: {"derived_from": str(source.unique_id), "kind": "soft mask"}},
        )
        viewer.layers.insert(viewer.layers.index(source) + 1, layer)
        viewer.layers.selection = selected  # a new layer would take it
        return layer
