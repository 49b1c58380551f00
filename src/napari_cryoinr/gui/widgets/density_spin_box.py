"""A spin box for densities, which may be of any magnitude."""

from __future__ import annotations

from qtpy.QtCore import QLocale
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox


class DensitySpinBox(QDoubleSpinBox):
    """Shows seven digits, as float32 has, and steps by a tenth of the number's magnitude."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())  # a decimal point everywhere, as in files and reports
        self.setDecimals(12)
        self.setRange(-1e12, 1e12)
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:
        """The number as it is shown."""
        return f"{value:.7g}"
