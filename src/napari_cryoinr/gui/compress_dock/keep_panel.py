"""What is kept of a map: the threshold, what follows from it, and how both are shown."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from ...maps.envelope import MAX_EDGE
from ...settings import Settings
from ..widgets.layout import Form, Section, fill, wrapping_label
from .map_facts import MapFacts
from .threshold_control import ThresholdControl

_KEPT = {
    "auto": "automatic",
    "envelope": "soft mask round the structure",
    "contour": "only above the threshold",
    "volume": "everything",
}
_AUTOMATIC = {
    "envelope": "automatic: soft mask",
    "contour": "automatic: only above it",
    "volume": "automatic: everything",
}
_KEEP_TIP = (
    "The soft mask holds the structure and some voxels round it, as refinement programs use it;"
    " the promise holds inside it, and nothing is stored beyond"
)


class KeepPanel(QWidget):
    """Controls for threshold and what is kept of `Settings`; emits `changed` with each new one."""

    changed = Signal()
    shown_changed = Signal()  # what is to be shown in the viewer

    def __init__(self, theme: str) -> None:
        super().__init__()
        self._facts: MapFacts | None = None
        self.threshold = ThresholdControl(theme)
        self.kept = QComboBox()
        for name, text in _KEPT.items():
            self.kept.addItem(text, name)
        self.kept.setToolTip(_KEEP_TIP)
        self.above = wrapping_label("The share of the voxels above the threshold, and their volume")
        self.extend, self._extend_size = _voxels("How far the soft mask reaches beyond it, fully")
        self.edge, self._edge_size = _voxels("Over how many voxels more the soft mask falls to 0")
        self.overlay = QCheckBox("Tint what is above")
        self.overlay.setToolTip(
            "Tint what is above the threshold in slices, and show it as an iso-surface in 3-D"
        )
        self.mask_shown = QCheckBox("Show the soft mask")
        self.mask_shown.setToolTip(
            "Outline the soft mask in slices, and show it as a translucent surface in 3-D"
        )
        for box in (self.overlay, self.mask_shown):
            box.setChecked(True)
            box.toggled.connect(self.shown_changed)
        numbers = Form()
        numbers.add("Above it", self.above)
        numbers.add("Keep", self.kept)
        extents = Form()
        extents.add("Reaches", _row(self.extend, self._extend_size))
        extents.add("Soft edge", _row(self.edge, self._edge_size))
        self.mask = Section("Soft mask", extents)
        boxes = QWidget()
        fill(boxes, self.overlay, self.mask_shown, kind=QHBoxLayout)
        fill(self, self.threshold, numbers, self.mask, boxes).setSpacing(4)
        self.threshold.changed.connect(self.changed)
        self.kept.currentIndexChanged.connect(self.changed)
        for spin in (self.extend, self.edge):
            spin.valueChanged.connect(self._on_extent)
        self.show_settings(Settings())

    @property
    def keep(self) -> str:
        """The value for `Settings.keep`."""
        return str(self.kept.currentData())

    def show_map(self, facts: MapFacts | None) -> None:
        """Offer the densities of a map; the setting is not changed."""
        self._facts = facts
        self._show_sizes()
        self.refresh()
        self.threshold.show_map(facts)

    def show_settings(self, settings: Settings) -> None:
        """Show the values of settings."""
        controls = (self.threshold, self.kept, self.extend, self.edge)
        blockers = [QSignalBlocker(control) for control in controls]
        self.threshold.setting = settings.threshold
        self.kept.setCurrentIndex(self.kept.findData(settings.keep))
        self.extend.setValue(settings.mask_extend)
        self.edge.setValue(settings.mask_edge)
        del blockers
        self._show_sizes()

    def applied(self, settings: Settings) -> Settings:
        """Return settings with what the controls show, and no goal that contradicts them."""
        return replace(
            settings,
            threshold=self.threshold.setting,
            keep=self.keep,
            mask_extend=self.extend.value(),
            mask_edge=self.edge.value(),
        )

    def show_kept(self, kept: str) -> None:
        """Say what `auto` stands for now: envelope, contour or volume."""
        self.kept.setItemText(self.kept.findData("auto"), _AUTOMATIC[kept])
        self.mask.setVisible(kept == "envelope")
        self.mask_shown.setEnabled(kept == "envelope")

    def refresh(self) -> None:
        """Say what lies above the threshold, and leave out what cannot be kept."""
        whole = self.threshold.kind.currentData() == "none"
        if whole and self.keep == "contour":
            with QSignalBlocker(self.kept):
                self.kept.setCurrentIndex(self.kept.findData("auto"))
        model = self.kept.model()
        model.item(self.kept.findData("contour")).setEnabled(not whole)
        if self._facts is None:
            self.above.setText("-")
        else:
            self.above.setText(self._facts.above(self.threshold.density))

    def _on_extent(self) -> None:
        self._show_sizes()
        self.changed.emit()

    def _show_sizes(self) -> None:
        for spin, label in ((self.extend, self._extend_size), (self.edge, self._edge_size)):
            spin.setSuffix(" voxel" if spin.value() == 1 else " voxels")
            size = None if self._facts is None else min(self._facts.map.voxel_size)
            label.setText("" if size is None else f"= {spin.value() * size:.3g} Å")


def _voxels(tip: str) -> tuple[QSpinBox, QLabel]:
    spin = QSpinBox()
    spin.setRange(0, MAX_EDGE)
    spin.setToolTip(tip)
    return spin, QLabel()


def _row(control: QWidget, label: QLabel) -> QWidget:
    row = QWidget()
    row.setToolTip(control.toolTip())
    label.setMinimumWidth(60)
    fill(row, control, label, kind=QHBoxLayout).setStretch(0, 1)
    return row
