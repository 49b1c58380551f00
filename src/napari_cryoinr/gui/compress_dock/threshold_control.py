"""The threshold: a slider and a number over the real densities of a map."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QGridLayout, QSlider, QWidget

from ...maps.threshold import parse_threshold
from .map_facts import MapFacts

_TICKS = 1000
_KINDS = ("auto", "density", "sigma", "none")
_SHOWN = ("auto", "density", "σ above the mean", "whole volume")


class ThresholdControl(QWidget):
    """Chooses the threshold of `Settings`; emits `changed` with each new one."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._facts: MapFacts | None = None
        self._quiet = False
        self.kind = QComboBox()
        self.kind.addItems(_SHOWN)
        self.kind.setToolTip(
            "How the threshold is given: chosen from the map's histogram, a density, a number of"
            " standard deviations above the mean, or none at all"
        )
        self.number = QDoubleSpinBox()
        self.number.setKeyboardTracking(False)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _TICKS)
        for control in (self.number, self.slider):
            control.setToolTip("Voxels above this density are kept; the others are not")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.kind, 0, 0)
        layout.addWidget(self.number, 0, 1)
        layout.addWidget(self.slider, 1, 0, 1, 2)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.number.valueChanged.connect(self._on_number)
        self.slider.valueChanged.connect(self._on_slider)
        self.show_map(None)

    def show_map(self, facts: MapFacts | None) -> None:
        """Offer the densities of a map; the setting stays what it was."""
        self._facts = facts
        for control in (self.kind, self.number, self.slider):
            control.setEnabled(facts is not None)
        if facts is None:
            return
        self._show(self.setting)
        self.changed.emit()

    @property
    def setting(self) -> float | str:
        """As `Settings.threshold` has it."""
        kind = _KINDS[self.kind.currentIndex()]
        if kind in ("auto", "none"):
            return kind
        number = float(self.number.value())
        return number if kind == "density" else f"{number:.6g}sigma"

    @setting.setter
    def setting(self, setting: float | str) -> None:
        if setting != self.setting:
            self._show(setting)
            self.changed.emit()

    @property
    def density(self) -> float | None:
        """The threshold as a density; None for the whole volume, or without a map."""
        if self._facts is None:
            return None
        kind, number = parse_threshold(self.setting)
        if kind == "none":
            return None
        if kind == "auto":
            return self._facts.auto
        return self._facts.from_sigma(number) if kind == "sigma" else number

    def choose_density(self, density: float) -> None:
        """Take a density that was chosen elsewhere, in the unit that is shown."""
        if self._facts is None or self.density == density:
            return
        sigma = _KINDS[self.kind.currentIndex()] == "sigma"
        self._show(f"{self._facts.to_sigma(density)!r}sigma" if sigma else density)
        self.changed.emit()

    def _show(self, setting: float | str) -> None:
        kind, number = parse_threshold(setting)
        with self._silence():
            self.kind.setCurrentIndex(_KINDS.index(kind))
            self._show_range(kind)
            if kind in ("density", "sigma"):
                self.number.setValue(number)
            self._show_density()

    def _show_range(self, kind: str) -> None:
        """Limits and digits of the number, in the unit of this kind."""
        if self._facts is None:
            self.number.setDecimals(6)
            self.number.setRange(-1e30, 1e30)
            return
        low, high = self._facts.stats.low, self._facts.stats.high
        if kind == "sigma":
            low, high = self._facts.to_sigma(low), self._facts.to_sigma(high)
        step = (high - low) / _TICKS
        self.number.setDecimals(_decimals(step))
        self.number.setRange(low, high)
        self.number.setSingleStep(step)
        self.number.setEnabled(kind != "none")
        self.slider.setEnabled(kind != "none")

    def _show_density(self) -> None:
        """Bring slider, and number where it is not the setting, to the density."""
        density = self.density
        if self._facts is None or density is None:
            return
        share = (density - self._facts.stats.low) / self._facts.spread
        self.slider.setValue(round(_TICKS * min(max(share, 0.0), 1.0)))
        if _KINDS[self.kind.currentIndex()] == "auto":
            self.number.setValue(density)

    def _on_kind(self, index: int) -> None:
        if self._quiet or self._facts is None:
            return
        kind = _KINDS[index]
        before = self._before
        with self._silence():
            self._show_range(kind)
            if kind == "density":
                self.number.setValue(before)
            elif kind == "sigma":
                self.number.setValue(self._facts.to_sigma(before))
            self._show_density()
        self.changed.emit()

    @property
    def _before(self) -> float:
        """The density that the slider shows, which a new unit takes over."""
        assert self._facts is not None
        return self._facts.stats.low + self._facts.spread * self.slider.value() / _TICKS

    def _on_number(self, value: float) -> None:
        if self._quiet:
            return
        with self._silence():
            if _KINDS[self.kind.currentIndex()] == "auto":
                self.kind.setCurrentIndex(_KINDS.index("density"))
            self._show_density()
        self.changed.emit()

    def _on_slider(self, tick: int) -> None:
        if self._quiet or self._facts is None:
            return
        with self._silence():
            kind = _KINDS[self.kind.currentIndex()]
            if kind == "auto":
                kind = "density"
                self.kind.setCurrentIndex(_KINDS.index(kind))
                self._show_range(kind)
            density = self._before
            self.number.setValue(self._facts.to_sigma(density) if kind == "sigma" else density)
        self.changed.emit()

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """Controls that are set by others do not set others."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def _decimals(step: float) -> int:
    """Digits after the point that show steps of this size."""
    digits = 0
    while step < 1 and digits < 12:
        step, digits = 10 * step, digits + 1
    return digits
