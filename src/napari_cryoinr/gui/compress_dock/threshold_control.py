"""The threshold: a slider below the histogram of a map's densities, and its unit."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QWidget
from superqt import QDoubleSlider

from ...maps.threshold import parse_threshold
from ..widgets.layout import fill
from .density_histogram import DensityHistogram
from .map_facts import MapFacts

_STEPS = 1000  # of the slider's arrow keys, from end to end
_KINDS = {
    "auto": "automatic",
    "density": "density",
    "sigma": "σ above the mean",
    "none": "none: whole volume",
}


class ThresholdControl(QWidget):
    """Chooses the threshold of `Settings`; emits `changed` with each new one."""

    changed = Signal()

    def __init__(self, theme: str) -> None:
        super().__init__()
        self._facts: MapFacts | None = None
        self._setting: float | str = "auto"
        self._last = 0.0  # the density that was shown last, which another unit starts with
        self.kind = QComboBox()
        for kind, title in _KINDS.items():
            self.kind.addItem(title, kind)
        self.kind.setToolTip(
            "How the threshold is given: chosen from the map's histogram, a density, a number of"
            " standard deviations above the mean, or none at all"
        )
        self.slider = QDoubleSlider(Qt.Orientation.Horizontal)
        self.number = QDoubleSpinBox()
        self.number.setKeyboardTracking(False)
        for control in (self.slider, self.number):
            control.setToolTip(
                "Voxels above this density are structure; by default the soft mask round them is"
                " kept"
            )
        self.histogram = DensityHistogram(theme, self.slider)
        row = QWidget()
        fill(row, self.kind, self.number, kind=QHBoxLayout).setStretch(0, 1)
        fill(self, row, self.histogram, self.slider).setSpacing(2)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.histogram.moved.connect(self._on_moved)
        self.slider.valueChanged.connect(self._on_moved)
        self.number.valueChanged.connect(self._on_moved)
        self.show_map(None)

    @property
    def setting(self) -> float | str:
        """The value for `Settings.threshold`; can be set."""
        return self._setting

    @setting.setter
    def setting(self, setting: float | str) -> None:
        if setting != self._setting:
            self._setting = setting
            self._show()
            self.changed.emit()

    @property
    def density(self) -> float | None:
        """The threshold as a density; None for the whole volume, or without a map."""
        kind, number = parse_threshold(self._setting)
        if self._facts is None or kind == "none":
            return None
        if kind == "auto":
            return self._facts.auto
        return self._facts.from_sigma(number) if kind == "sigma" else number

    def show_map(self, facts: MapFacts | None) -> None:
        """Offer the densities of a map; the setting is not changed."""
        self._facts = facts
        self.setEnabled(facts is not None)
        self._show()
        if facts is not None:
            self.changed.emit()

    def choose_density(self, density: float) -> None:
        """Set a density that was chosen elsewhere, in the unit that is shown."""
        if self._facts is not None and self.density != density:
            self.setting = self._in_unit(density, self.kind.currentData())

    def _in_unit(self, density: float, kind: str) -> float | str:
        if kind == "sigma" and self._facts is not None:
            return f"{self._facts.to_sigma(density):.6g}sigma"
        return density

    def _show(self) -> None:
        """Show the setting in the controls."""
        kind, _ = parse_threshold(self._setting)
        movable = kind != "none" and self._facts is not None
        with QSignalBlocker(self.kind), QSignalBlocker(self.slider), QSignalBlocker(self.number):
            self.kind.setCurrentIndex(list(_KINDS).index(kind))
            for control in (self.slider, self.number):
                control.setEnabled(movable)
            self.histogram.draggable = movable
            self.histogram.show_map(self._facts, kind == "sigma")
            if self._facts is None:
                return
            if self.density is not None:
                self._last = self.density
            numbers = [self._facts.stats.low, self._facts.stats.high, self._last]
            if kind == "sigma":
                numbers = [self._facts.to_sigma(number) for number in numbers]
            low, high, value = numbers
            step = (high - low) / _STEPS or 1.0
            self.number.setDecimals(min(max(math.ceil(-math.log10(step)), 0), 12))
            self.number.setSuffix(" σ" if kind == "sigma" else "")
            for control in (self.slider, self.number):
                control.setRange(low, high)
                control.setSingleStep(step)
                control.setValue(value)
            self.histogram.show_mark(value if movable else None)

    def _on_kind(self) -> None:
        kind = self.kind.currentData()
        self.setting = kind if kind in ("auto", "none") else self._in_unit(self._last, kind)

    def _on_moved(self, value: float) -> None:
        sigma = self.kind.currentData() == "sigma"
        self.setting = f"{value:.6g}sigma" if sigma else float(value)
