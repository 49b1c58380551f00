"""What is shown of an error, over which voxels, and how both maps are blended."""

from __future__ import annotations

from qtpy.QtCore import QLocale, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from ...quality.error_maps import CORRELATION, KINDS, LARGEST_WINDOW, SMALLEST_WINDOW, ErrorKind
from ..widgets.layout import Form
from .error_layers import ErrorOverlaySettings


class DensitySpinBox(QDoubleSpinBox):
    """A density of any magnitude: seven digits, as float32 has, and steps of a tenth of it."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())  # a decimal point everywhere, as in files and reports
        self.setDecimals(12)
        self.setRange(-1e12, 1e12)
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:
        """Return the number as it is shown."""
        return f"{value:.7g}"


class ErrorControls(Form):
    """Shows `ErrorOverlaySettings` without the layers; the rows for those come first.

    Attributes
    ----------
    blend_row : the slider between both maps, to be placed below the form.
    """

    def __init__(self, decoded: QComboBox, original: QComboBox) -> None:
        super().__init__()
        self.kinds = QComboBox()
        for index, kind in enumerate(KINDS.values()):
            self.kinds.addItem(kind.title, kind.name)
            self.kinds.setItemData(index, kind.meaning, Qt.ItemDataRole.ToolTipRole)
        self.window_side = QSpinBox()
        self.window_side.setRange(SMALLEST_WINDOW, LARGEST_WINDOW)
        self.window_side.setSingleStep(2)
        self.window_side.setSuffix(" voxels")
        self.window_side.setKeyboardTracking(False)
        self.contour = DensitySpinBox()
        self.contour.setToolTip(
            "Density above which a voxel of the original counts as structure, and of the surface"
        )
        self.inside_only = QCheckBox("Only above the contour")
        self.inside_only.setToolTip(
            "Leave out what is below the contour of the original, of which an archive keeps little"
        )
        self.blend_check = QCheckBox("Blend original and decoded")
        self.blend_slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.blend_slider.setRange(0, 1)
        self.blend_slider.setToolTip(
            "0 shows the original alone, 1 the decoded map alone; tick the box above first"
        )
        self.add("Decoded", decoded)
        self.add("Original", original)
        self.add("Error", self.kinds)
        self.add("Window", self.window_side)
        self.add("Contour", self.contour)
        self.add("", self.inside_only)
        self.blend_row = QWidget()
        row = QHBoxLayout(self.blend_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("original"))
        row.addWidget(self.blend_slider, stretch=1)
        row.addWidget(QLabel("decoded"))
        self.kinds.currentIndexChanged.connect(self._explain_kind)
        self.window_side.valueChanged.connect(self._make_odd)
        self.show_settings(ErrorOverlaySettings())
        self._explain_kind()

    @property
    def kind(self) -> ErrorKind:
        """What is shown of the error."""
        return KINDS[self.kinds.currentData()]

    def settings(self) -> ErrorOverlaySettings:
        """Return what is chosen, but for the layers."""
        return ErrorOverlaySettings(
            kind=self.kind.name,
            contour=self.contour.value(),
            inside_only=self.inside_only.isChecked(),
            window=self.window_side.value(),
            blend=self.blend_slider.value() if self.blend_check.isChecked() else None,
        )

    def show_settings(self, settings: ErrorOverlaySettings) -> None:
        """Choose everything but the layers."""
        self.kinds.setCurrentIndex(self.kinds.findData(settings.kind))
        self.contour.setValue(settings.contour)
        self.inside_only.setChecked(settings.inside_only)
        self.window_side.setValue(settings.window)
        self.blend_slider.setValue(0.5 if settings.blend is None else settings.blend)
        self.blend_check.setChecked(settings.blend is not None)

    def _explain_kind(self) -> None:
        windowed = self.kind is CORRELATION
        self.kinds.setToolTip(self.kind.meaning)
        self.window_side.setEnabled(windowed)
        self.window_side.setToolTip(
            "Side of the cube around each voxel in which the maps are correlated; odd"
            if windowed
            else "The local correlation alone looks at a window; choose it under Error"
        )

    def _make_odd(self, side: int) -> None:
        if side % 2 == 0:
            self.window_side.setValue(side + 1)
