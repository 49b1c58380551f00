"""The threshold in the viewer: a tint in slices, and the iso-surface of the map's layer in 3-D."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..io.layer_matching import KEY, placement_of
from ..widgets.resources import Resources
from .mask_preview import MaskPreview, remove_overlay

_TINT = (0.95, 0.35, 0.1, 1.0)
_OPACITY = 0.45


class ThresholdPreview:
    """Shows which voxels of a layer lie above a threshold, which its iso threshold follows.

    Beside that it shows the soft mask round them, see `MaskPreview`. `moved` is called with the iso
    threshold that the user sets, `replaced` when the data changes.
    """

    def __init__(
        self, viewer: Any, layer: Any, moved: Callable[[float], None], replaced: Callable[[], None]
    ) -> None:
        self.layer = layer
        self._viewer, self._moved, self._replaced = viewer, moved, replaced
        self._tint: Any = None
        self.mask = MaskPreview(viewer, layer)
        self._resources = Resources()
        self._resources.connect(layer.events.iso_threshold, self._on_iso)
        self._resources.connect(layer.events.data, self._on_data)
        self._resources.connect(viewer.dims.events.ndisplay, self._on_display)

    @property
    def iso_density(self) -> float | None:
        """The iso threshold if the layer is shown as an iso-surface, else None."""
        return float(self.layer.iso_threshold) if str(self.layer.rendering) == "iso" else None

    def show(self, density: float | None, spread: float, tinted: bool) -> None:
        """Show a threshold; None means the whole volume.

        `spread` is the range of all densities; `tinted` says whether slices are tinted, and volumes
        shown as an iso-surface.
        """
        if density is not None and tinted:
            self.layer.rendering = "iso"
        if density is not None and not math.isclose(self.layer.iso_threshold, density):
            with self.layer.events.iso_threshold.blocker(self._on_iso):
                self.layer.iso_threshold = density
        if density is None or not tinted:
            self._remove_tint()
            return
        if self._tint not in self._viewer.layers:  # it may have been deleted
            self._tint = _add_tint(self._viewer, self.layer)
        # The colour changes in the middle of the limits.
        half = max(1e-5 * spread, 1e-6 * abs(density), 1e-30)
        self._tint.contrast_limits_range = (density - half, density + half)
        self._tint.contrast_limits = (density - half, density + half)

    def release(self, *, remove: bool = True) -> None:
        """Disconnect from the layer, and remove the tint, unless the window is gone."""
        self._resources.release()
        if remove:
            self._remove_tint()
            self.mask.remove()

    def _on_iso(self) -> None:
        self._moved(float(self.layer.iso_threshold))

    def _on_data(self) -> None:
        self._remove_tint()
        self.mask.remove()
        self._replaced()

    def _on_display(self) -> None:
        if self._tint is not None:
            self._tint.visible = self._viewer.dims.ndisplay == 2
        self.mask.fit_display()

    def _remove_tint(self) -> None:
        tint, self._tint = self._tint, None
        remove_overlay(self._viewer, self.layer, tint)


def _add_tint(viewer: Any, source: Any) -> Any:
    """Add a layer above a map's own that tints what is above the threshold.

    It shares the map's voxels, and the graphics card compares them with the threshold: moving the
    threshold costs nothing, however large or lazy the map is. In 3-D the map's own iso-surface
    shows the same, and the tint is hidden.
    """
    from napari.layers import Image
    from napari.utils import Colormap

    colours = Colormap(
        [(0, 0, 0, 0), _TINT], controls=[0, 0.5, 1], interpolation="zero", name="occupancy"
    )
    selected = set(viewer.layers.selection)
    tint = Image(
        source.data,
        multiscale=source.multiscale,
        name=f"{source.name}: above the threshold",
        **placement_of(source),
        colormap=colours,
        opacity=_OPACITY,
        blending="translucent_no_depth",
        contrast_limits=(0, 1),
        interpolation2d="nearest",
        visible=viewer.dims.ndisplay == 2,
        metadata={KEY: {"derived_from": str(source.unique_id), "kind": "occupancy"}},
    )
    viewer.layers.insert(viewer.layers.index(source) + 1, tint)
    viewer.layers.selection = selected  # a new layer would take it
    return tint
