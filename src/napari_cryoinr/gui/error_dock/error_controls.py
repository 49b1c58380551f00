"""The controls of the error overlay widget, and how they are arranged."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...quality.error_maps import CORRELATION, KINDS, LARGEST_WINDOW, SMALLEST_WINDOW, ErrorKind
from ..widgets.density_spin_box import DensitySpinBox
from ..widgets.map_chooser import MapChooser
from .error_layers import ErrorOverlaySettings

_BLEND_STEPS = 1000


class ErrorControls(QWidget):
    """Two choosers of maps, what is shown of the error, buttons and a slider.

    What is done with them is up to the owner.
    """

    def __init__(self) -> None:
        super().__init__()
        self.decoded = MapChooser("(choose a map)")
        self.decoded.setToolTip("The map that came out of a .cinr file, or any other map to judge")
        self.original = MapChooser("(not at hand)")
        self.original.setToolTip("The map it was made from; found by itself where that is possible")
        self.kinds = QComboBox()
        for index, kind in enumerate(KINDS.values()):
            self.kinds.addItem(kind.title, kind.name)
            self.kinds.setItemData(index, kind.meaning, Qt.ItemDataRole.ToolTipRole)
        self.kinds.currentIndexChanged.connect(self._explain_kind)
        self.window_side = QSpinBox()
        self.window_side.setRange(SMALLEST_WINDOW, LARGEST_WINDOW)
        self.window_side.setSingleStep(2)
        self.window_side.setSuffix(" voxels")
        self.window_side.setKeyboardTracking(False)
        self.window_side.valueChanged.connect(self._make_odd)
        self.contour = DensitySpinBox()
        self.contour.setToolTip(
            "Density above which a voxel of the original counts as structure, and of the surface"
        )
        self.inside_only = QCheckBox("Only above the contour")
        self.inside_only.setToolTip(
            "Leave out what is below the contour of the original, of which an archive keeps little"
        )
        self.show_button = QPushButton("Show error")
        self.paint_button = QPushButton("Paint error on surface")
        self.blend_check = QCheckBox("Blend original and decoded")
        self.blend_slider = QSlider(Qt.Orientation.Horizontal)
        self.blend_slider.setRange(0, _BLEND_STEPS)
        self.blend_slider.setToolTip(
            "Left shows the original alone, right the decoded map alone; tick the box above first"
        )
        self._arrange()
        self.show_numbers(ErrorOverlaySettings())
        self._explain_kind()

    def _arrange(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for label, control in (
            ("Decoded", self.decoded),
            ("Original", self.original),
            ("Error", self.kinds),
            ("Window", self.window_side),
            ("Contour", self.contour),
        ):
            form.addRow(label, control)
        form.addRow("", self.inside_only)
        buttons, blend = QHBoxLayout(), QHBoxLayout()
        buttons.addWidget(self.show_button)
        buttons.addWidget(self.paint_button)
        blend.addWidget(QLabel("original"))
        blend.addWidget(self.blend_slider, stretch=1)
        blend.addWidget(QLabel("decoded"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)
        layout.addLayout(buttons)
        layout.addWidget(self.blend_check)
        layout.addLayout(blend)

    @property
    def kind(self) -> ErrorKind:
        """What is shown of the error."""
        return KINDS[self.kinds.currentData()]

    @property
    def share(self) -> float:
        """Share of the decoded map where both are blended, 0 to 1."""
        return self.blend_slider.value() / _BLEND_STEPS

    def numbers(self) -> ErrorOverlaySettings:
        """What is chosen, but for the layers."""
        return ErrorOverlaySettings(
            kind=self.kind.name,
            contour=self.contour.value(),
            inside_only=self.inside_only.isChecked(),
            window=self.window_side.value(),
            blend=self.share if self.blend_check.isChecked() else None,
        )

    def settings(self) -> ErrorOverlaySettings:
        """What is chosen, layers by their names."""
        decoded, original = self.decoded.layer, self.original.layer
        return replace(
            self.numbers(),
            decoded=None if decoded is None else decoded.name,
            original=None if original is None else original.name,
        )

    def show_numbers(self, settings: ErrorOverlaySettings) -> None:
        """Choose everything but the layers."""
        self.kinds.setCurrentIndex(self.kinds.findData(settings.kind))
        self.contour.setValue(settings.contour)
        self.inside_only.setChecked(settings.inside_only)
        self.window_side.setValue(settings.window)
        share = 0.5 if settings.blend is None else settings.blend
        self.blend_slider.setValue(round(_BLEND_STEPS * share))
        self.blend_check.setChecked(settings.blend is not None)

    def allow(self, problem: str, running: bool) -> None:
        """Enable what can be done now, and say why the rest cannot.

        Parameters
        ----------
        problem : why there is no error to show; empty if there is.
        running : whether work is going on.
        """
        wait = "Work is going on: wait for it, or cancel it" if running else ""
        for control, why_not, tip in (
            (self.show_button, problem or wait, "Add the error as a volume over the decoded map"),
            (
                self.paint_button,
                problem or wait,
                "Colour the original's surface at the contour by the error",
            ),
            (
                self.blend_check,
                problem,
                "Fade one map into the other; both look as before when this is off",
            ),
        ):
            control.setEnabled(not why_not)
            control.setToolTip(why_not or tip)

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
