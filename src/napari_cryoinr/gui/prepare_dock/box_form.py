"""The box of a volume as numbers, and as a tinted box in the viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QWidget

from ...support.array_types import Region
from ...support.regions import region_shape, whole_region
from ..io.layer_matching import KEY, placement_of, voxels_of
from ..widgets.layout import Form, fill
from .prepared_layers import moved

_TINT = "cyan"
_OPACITY = 0.15
_VOXELS = 32  # along each axis: in 3-D, half a voxel at the faces of a layer is not drawn


class BoxForm(Form):
    """The first and the last voxel along each axis."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._shape = (1, 1, 1)
        self.ends: list[tuple[QSpinBox, QSpinBox]] = []
        for axis in "zyx":
            pair = QSpinBox(), QSpinBox()
            for spin, word in zip(pair, ("First", "Last"), strict=True):
                spin.setToolTip(f"{word} voxel along {axis} that is kept")
                spin.valueChanged.connect(self._on_changed)
            row = QWidget()
            fill(row, pair[0], QLabel("to"), pair[1], kind=QHBoxLayout).setStretch(0, 1)
            row.layout().setStretch(2, 1)
            self.add(f"Voxels along {axis}", row)
            self.ends.append(pair)

    @property
    def box(self) -> Region:
        """The box that is kept."""
        z, y, x = (slice(first.value(), last.value() + 1) for first, last in self.ends)
        return z, y, x

    @property
    def is_whole(self) -> bool:
        """Whether that is the whole volume."""
        return region_shape(self.box) == self._shape

    def show_volume(self, shape: tuple[int, int, int]) -> None:
        """Show the whole box of a volume of this shape."""
        self._shape = shape
        self.show_box(whole_region(shape))

    def show_box(self, box: Region) -> None:
        """Show another box of the volume."""
        for (first, last), part, n in zip(self.ends, box, self._shape, strict=True):
            with QSignalBlocker(first), QSignalBlocker(last):
                first.setRange(0, n - 1)
                last.setRange(0, n - 1)
                first.setValue(part.start)
                last.setValue(part.stop - 1)
        self._on_changed()

    def _on_changed(self) -> None:
        for first, last in self.ends:
            with QSignalBlocker(first), QSignalBlocker(last):
                first.setMaximum(last.value())
                last.setMinimum(first.value())
        self.changed.emit()


def box_layer(viewer: Any, layer: Any, box: Region, shown: Any) -> Any:
    """Tint a box in the viewer: a layer of a few large voxels, with an outline.

    `shown` is the layer that does so already, if there is one; the layer is returned.
    """
    from napari.layers import Image

    n = voxels_of(layer).ndim
    size, start = np.array(voxels_of(layer).shape, float), np.zeros(n)
    size[-3:] = region_shape(box)
    start[-3:] = [part.start for part in box]
    shape = (1,) * (n - 3) + (_VOXELS,) * 3
    steps = size / shape
    placed = moved(placement_of(layer), start + (steps - 1) / 2, steps)
    if shown is not None and shown in viewer.layers and shown.ndim == n:
        for name, value in placed.items():
            setattr(shown, name, value)
        return shown
    if shown is not None and shown in viewer.layers:
        viewer.layers.remove(shown)
    made = Image(
        np.ones(shape, np.uint8),
        name=f"{layer.name}: box",
        **placed,
        colormap=_TINT,
        contrast_limits=(0, 1),
        opacity=_OPACITY,
        blending="additive",
        metadata={KEY: {"derived_from": str(layer.unique_id), "kind": "box"}},
    )
    made.bounding_box.visible = True
    selected = set(viewer.layers.selection)
    viewer.layers.append(made)
    viewer.layers.selection = selected  # a new layer would take it
    return made
