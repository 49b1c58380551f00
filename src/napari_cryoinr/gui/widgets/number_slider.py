"""A number with a slider, of which either can be moved."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

_TICKS = 1000
_FIELD, _SLIDER = 126, 100  # pixels; the slider takes what is left, and at least this


class NumberSlider(QWidget):
    """Chooses a number; `changed` is emitted when the user moves it, and only then.

    Parameters
    ----------
    tip : what the number is.
    decimals, step : of the number's field.
    logarithmic : whether the slider moves by factors.
    """

    changed = Signal(float)

    def __init__(self, tip: str, *, decimals: int, step: float, logarithmic: bool = False) -> None:
        super().__init__()
        self._logarithmic = logarithmic
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _TICKS)
        self.slider.setMinimumWidth(_SLIDER)
        self.number = QDoubleSpinBox()
        self.number.setDecimals(decimals)
        self.number.setSingleStep(step)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(_FIELD)
        for control in (self.slider, self.number):
            control.setToolTip(tip)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, stretch=1)
        layout.addWidget(self.number)
        self.slider.valueChanged.connect(self._on_slider)
        self.number.valueChanged.connect(self._on_number)

    @property
    def value(self) -> float:
        """The number."""
        return float(self.number.value())

    def show_value(self, value: float, low: float, high: float, unit: str = "") -> None:
        """Show a number and what it may be."""
        with QSignalBlocker(self.number), QSignalBlocker(self.slider):
            self.number.setSuffix(unit)
            self.number.setRange(low, high)
            self.number.setValue(value)
            if not self.slider.isSliderDown():
                self.slider.setValue(self._tick(value))

    def _on_slider(self, tick: int) -> None:
        low, high = self.number.minimum(), self.number.maximum()
        share = tick / _TICKS
        value = low * (high / low) ** share if self._logarithmic else low + share * (high - low)
        with QSignalBlocker(self.number):
            self.number.setValue(value)
        self.changed.emit(self.value)

    def _on_number(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._tick(value))
        self.changed.emit(value)

    def _tick(self, value: float) -> int:
        low, high = self.number.minimum(), self.number.maximum()
        value = min(max(value, low), high)
        if high <= low:
            return 0
        if self._logarithmic:
            return round(_TICKS * math.log(value / low) / math.log(high / low))
        return round(_TICKS * (value - low) / (high - low))
