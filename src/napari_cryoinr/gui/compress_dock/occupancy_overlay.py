"""Showing which voxels lie above the threshold: tinted in slices, an iso-surface in 3-D."""

from __future__ import annotations

from typing import Any

from ..io.layer_matching import KEY

_TINT = (0.95, 0.35, 0.1, 1.0)
_OPACITY = 0.45


class OccupancyOverlay:
    """A layer above a map's own that tints what is above the threshold.

    It shares the map's voxels, and the graphics card compares them with the threshold: moving the
    threshold costs nothing, however large or lazy the map is. In 3-D the map's own iso-surface
    shows the same, and the overlay hides.
    """

    def __init__(self, viewer: Any, source: Any) -> None:
        from napari.layers import Image
        from napari.utils import Colormap

        self._viewer, self.source = viewer, source
        colours = Colormap(
            [(0, 0, 0, 0), _TINT], controls=[0, 0.5, 1], interpolation="zero", name="occupancy"
        )
        selected = set(viewer.layers.selection)
        self.layer = Image(
            source.data,
            multiscale=source.multiscale,
            name=f"{source.name}: above the threshold",
            scale=source.scale,
            translate=source.translate,
            units=source.units,
            axis_labels=source.axis_labels,
            colormap=colours,
            opacity=_OPACITY,
            blending="translucent_no_depth",
            contrast_limits=(0, 1),
            interpolation2d="nearest",
            visible=viewer.dims.ndisplay == 2,
            metadata={KEY: {"derived_from": str(source.unique_id), "kind": "occupancy"}},
        )
        viewer.layers.insert(viewer.layers.index(source) + 1, self.layer)
        viewer.layers.selection = selected  # a new layer would take it
        viewer.dims.events.ndisplay.connect(self._on_display)

    def show(self, threshold: float, spread: float) -> None:
        """Tint what is above a density; `spread` is the range of all densities."""
        # The colour changes in the middle of the limits.
        half = max(1e-5 * spread, 1e-6 * abs(threshold), 1e-30)
        limits = (threshold - half, threshold + half)
        self.layer.contrast_limits_range = limits
        self.layer.contrast_limits = limits

    def remove(self) -> None:
        """Take the layer away."""
        self._viewer.dims.events.ndisplay.disconnect(self._on_display)
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    def _on_display(self, event: Any = None) -> None:
        self.layer.visible = self._viewer.dims.ndisplay == 2
