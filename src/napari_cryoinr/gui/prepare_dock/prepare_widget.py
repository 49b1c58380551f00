"""The dock widget Prepare map: crop, bin or repair a map before it is compressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from ...maps.framing import MARGIN
from ...maps.repair import NoDensity
from ...progress import Steps
from ...support.regions import region_shape
from ..io.layer_kinds import LABELS, MAP, STACK, recognise
from ..io.layer_matching import details_of, shape_of
from ..io.map_layers import LayerData
from ..widgets.dock import DockWidget
from ..widgets.layout import Form, Scrolling, button, fill, group, wrapping_label
from ..widgets.map_chooser import SelectedMapChooser
from .box_form import BoxForm, box_layer
from .prepared_layers import check_steps, framed_steps, repaired_steps, structure_steps

_NO_MAP = "Open a density map: File > Open File(s)..."
_CHECKING = "looking for NaN"  # kind of job
_BINS = {"no": 1, "by 2": 2, "by 3": 3, "by 4": 4}


class PrepareWidget(DockWidget):
    """Makes copies of a map as new layers: a box of it, larger voxels, no NaN.

    Each lies where the map does in space; the map itself stays as it is.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._box_layer: Any = None
        self._working_on: Any = None
        self.chooser = SelectedMapChooser(napari_viewer, (MAP, STACK, LABELS))
        self.chooser.setToolTip("The layer that is copied; follows the selected layer")
        self.about = wrapping_label("What the layer was recognised as")
        self.repair_text = wrapping_label("Voxels without a density")
        tip = "Add a copy of the layer with the density of the background in their place"
        self.repair_button = button("Add a repaired copy", tip, self.repair)
        self.repair_area = QWidget()
        fill(self.repair_area, self.repair_text, self.repair_button)
        self.box = BoxForm()
        self.margin = QSpinBox()
        self.margin.setRange(0, 200)
        self.margin.setValue(MARGIN)
        self.margin.setSuffix(" voxels")
        self.margin.setToolTip("What is kept round the structure, as far as the map reaches")
        tip = "The box round what is above the contour, with the margin"
        self.structure_button = button("Structure", tip, self.find_structure)
        self.view_button = button("View", "", self.take_view)
        self.whole_button = button("Whole", "The whole map", self.take_whole)
        boxes = QWidget()
        choices = (self.structure_button, self.view_button, self.whole_button)
        fill(boxes, *choices, kind=QHBoxLayout)
        self.overlay = QCheckBox("Show the box")
        self.overlay.setChecked(True)
        self.overlay.setToolTip("Tint the box in the viewer while it is not the whole map")
        self.bin = QComboBox()
        self.bin.addItems(list(_BINS))
        self.bin.setToolTip(
            "One voxel, the mean, for so many along each axis; details finer than two of the new"
            " voxels are lost"
        )
        self.result = QLabel()
        self.result.setWordWrap(True)
        self.button = button("Add copy", "", self.copy)
        numbers = Form()
        numbers.add("Margin", self.margin)
        bins = Form()
        bins.add("Bin", self.bin)
        crop = group("Crop to", boxes, numbers, self.box, self.overlay)
        top = group("Map", self.chooser, self.about, self.repair_area)
        parts = (top, crop, group("Voxels", bins), self.result, self.button, self.bar)
        fill(self, Scrolling(*parts, self.message))
        self.chooser.chosen.connect(self._on_layer)
        self.box.changed.connect(self._refresh)
        self.overlay.toggled.connect(self._refresh)
        self.bin.currentIndexChanged.connect(self._refresh)
        self.bar.changed.connect(self._refresh)
        self.repair_area.hide()
        self.attach()

    @property
    def factor(self) -> int:
        """Voxels along each axis that become one."""
        return _BINS[self.bin.currentText()]

    def find_structure(self) -> None:
        """Take the box round the structure; looked for in the background."""
        layer = self.chooser.layer
        shown = layer.iso_threshold if str(getattr(layer, "rendering", "")) == "iso" else None
        contour = details_of(layer).get("contour") if shown is None else shown
        if recognise(layer).kind == LABELS:
            contour = 0.5
        steps = structure_steps(layer, contour, self.margin.value())
        self._start(steps, "Looking for the structure", self.box.show_box)

    def take_view(self) -> None:
        """Take what the canvas shows of the slice, and the whole map across it."""
        layer, (low, high) = self.chooser.layer, self.chooser.layer.corner_pixels
        displayed = self.viewer.dims.displayed
        parts = []
        for axis, n in enumerate(shape_of(layer)):
            part = slice(0, n)
            if axis + self.viewer.dims.ndim - layer.ndim in displayed:
                first = min(max(int(low[axis]), 0), n - 1)
                part = slice(first, min(max(int(high[axis]), first + 1), n))
            parts.append(part)
        self.box.show_box((parts[-3], parts[-2], parts[-1]))

    def take_whole(self) -> None:
        """Take the whole map."""
        self.box.show_volume(_volume_shape(self.chooser.layer))

    def copy(self) -> None:
        """Add the box, binned, as a new layer; made in the background."""
        layer, factor = self.chooser.layer, self.factor
        words = ["cropped"] * (not self.box.is_whole) + [f"binned by {factor}"] * (factor > 1)
        name = f"{layer.name} {', '.join(words)}"
        steps = framed_steps(layer, self.box.box, factor, name)
        self._start(steps, f"Copying {layer.name}", self._add)

    def repair(self) -> None:
        """Add a copy without NaN as a new layer; made in the background."""
        layer = self.chooser.layer
        steps = repaired_steps(layer, f"{layer.name} repaired")
        self._start(steps, f"Repairing {layer.name}", self._add)

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer, which of them is selected, and the display."""
        self.resources.connect(self.viewer.dims.events.ndisplay, self._refresh)
        self.chooser.connect_viewer(self.resources)
        self._on_layer()

    def release(self) -> None:
        """Stop all work, remove the tint, and disconnect from the viewer."""
        self._show_box(None)
        super().release()

    def _start(self, steps: Steps[Any], title: str, done: Callable[[Any], None]) -> None:
        self._working_on = self.chooser.layer
        self.say("")
        self.start(steps, title, done)

    def _on_layer(self) -> None:
        layer = self.chooser.layer
        if self.bar.running and self._working_on is not layer:
            self.bar.stop()
        self.resources.stop_job(_CHECKING)
        self.repair_area.hide()
        self.say("")
        if layer is not None:
            self.box.show_volume(_volume_shape(layer))
            self.resources.start_job(_CHECKING, check_steps(layer), done=self._on_checked)
        self._refresh()

    def _on_checked(self, found: NoDensity | None) -> None:
        self.repair_area.setVisible(found is not None)
        if found is not None:
            self.repair_text.setText(f"{found.text}. Replace them by the background?")

    def _add(self, made: LayerData) -> None:
        from napari.layers import Layer

        data, meta, kind = made
        layer = Layer.create(data, meta, kind)
        self.viewer.layers.append(layer)
        self.viewer.layers.selection.active = layer
        size = " × ".join(map(str, data.shape[-3:]))
        self.say(f"Added {layer.name}, {size} voxels. It can be compressed or saved.")

    def _refresh(self) -> None:
        """Describe the map and the copy, and enable what can be done now."""
        layer, busy = self.chooser.layer, self.bar.why_busy
        known = layer is not None
        words = recognise(layer).words if known else self.chooser.no_map or _NO_MAP
        self.about.setText(words[:1].upper() + words[1:])
        labels = known and recognise(layer).kind == LABELS
        self.bin.setEnabled(known and not labels)
        if labels and self.bin.currentIndex():
            self.bin.setCurrentIndex(0)
        nothing = known and self.box.is_whole and self.factor == 1
        why_not = busy or ("" if known else words)
        for control in (self.structure_button, self.whole_button, self.repair_button, self.box):
            control.setEnabled(not why_not)
        flat = self.viewer.dims.ndisplay == 2
        self.view_button.setEnabled(flat and not why_not)
        tip = "What the canvas shows of the slice" if flat else "Switch to the 2-D view for this"
        self.view_button.setToolTip(tip)
        why_not = why_not or ("Choose a smaller box, or larger voxels" if nothing else "")
        self.button.setEnabled(not why_not)
        self.button.setToolTip(why_not or "Add the copy as a new layer, where the map is in space")
        self.result.setText(self._result_text() if known else "")
        self._show_box(layer)

    def _result_text(self) -> str:
        layer, factor = self.chooser.layer, self.factor
        before, box = _volume_shape(layer), region_shape(self.box.box)
        after = tuple(n // factor for n in box)
        share = 100.0
        for old, new in zip(before, after, strict=True):
            share *= new / old
        sizes, unit = layer.scale[-3:] * factor, f"{layer.units[-1]:~P}"
        size = " × ".join(dict.fromkeys(f"{one:.4g}" for one in sizes))
        shape = " × ".join(map(str, after))
        return f"{shape} voxels of {size} {unit}: {share:.3g} % of those of the map"

    def _show_box(self, layer: Any) -> None:
        """Tint the box of a layer, or nothing."""
        shown = self._box_layer
        if layer is not None and self.overlay.isChecked() and not self.box.is_whole:
            self._box_layer = box_layer(self.viewer, layer, self.box.box, shown)
            return
        self._box_layer = None
        if shown is not None and shown in self.viewer.layers:
            self.viewer.layers.remove(shown)


def _volume_shape(layer: Any) -> tuple[int, int, int]:
    z, y, x = shape_of(layer)[-3:]
    return z, y, x
