"""Above which density voxels count."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QWidget

from ...errors import SettingsError
from ...maps.threshold import parse_threshold


class ContourField(QWidget):
    """A contour as text, and a box that lets all voxels count.

    Emits `changed` at every change. `touched` tells whether a person, or a script, has set it since
    it was filled.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.touched = False
        self._line = QLineEdit()
        self._line.setToolTip(
            "Voxels of the original above it count: a density (0.4), a multiple of the standard"
            " deviation (3sigma), or auto"
        )
        self._line.textChanged.connect(self._on_change)
        self._all = QCheckBox("all voxels")
        self._all.setToolTip("Let every voxel count, whatever its density")
        self._all.toggled.connect(self._on_change)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, stretch=1)
        layout.addWidget(self._all)

    @property
    def text(self) -> str:
        """What the line says, whether all voxels count or not; can be set."""
        return self._line.text()

    @text.setter
    def text(self, text: str) -> None:
        self._line.setText(text)

    @property
    def all_voxels(self) -> bool:
        """Whether all voxels count; can be set."""
        return self._all.isChecked()

    @all_voxels.setter
    def all_voxels(self, all_voxels: bool) -> None:
        self._all.setChecked(all_voxels)

    @property
    def threshold(self) -> str:
        """The contour as `threshold.resolve_threshold` takes it."""
        return "none" if self.all_voxels else self.text

    def why_not(self) -> str:
        """Return what is wrong with it; empty if nothing is."""
        try:
            parse_threshold(self.threshold)
        except SettingsError as error:
            return f"Contour: {error}."
        return ""

    def fill(self, contour: float | None, level: float | None) -> None:
        """Suggest a contour.

        Parameters
        ----------
        contour : a density; None: all voxels count.
        level : what the line says then; None: nothing is known, and the contour is automatic.
        """
        value = level if contour is None else contour
        with QSignalBlocker(self):
            self.all_voxels = contour is None and level is not None
            # As few digits as the density needs: densities are float32.
            self.text = "auto" if value is None else str(np.float32(value)).removesuffix(".0")
        self.touched = False
        self.changed.emit()

    def _on_change(self) -> None:
        self._line.setEnabled(not self.all_voxels)
        self.touched = True
        self.changed.emit()
