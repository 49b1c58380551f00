"""How the micrograph is displayed, and the box around a particle."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel
from superqt import QLabeledDoubleSlider

from ..widgets.layout import Form
from .preview import FINEST, low_pass_of
from .session_controller import SessionController
from .session_panel import SessionPanel, with_tip

_SMALLEST, _LARGEST = 8, 4096  # pixels


class ViewPanel(SessionPanel):
    """The preview and its low-pass filter, and whether the score map is shown."""

    scores_wanted = Signal(bool)

    def __init__(self, controller: SessionController) -> None:
        super().__init__(controller)
        tip = "Show the micrograph without fine noise and evenly grey; its data stay as they are"
        self.preview = with_tip(QCheckBox("Preview"), tip)
        self.preview.setChecked(True)
        tip = "Show how probable a particle is at each place, as a layer"
        self.scores = with_tip(QCheckBox("Score map"), tip)
        self.low_pass = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.low_pass.setToolTip("Finest detail that the preview shows")
        self.low_pass.setDecimals(1)
        form = Form()
        self._low_pass_label = form.add("Low-pass", self.low_pass)
        self._add_rows((self.preview, self.scores), form)
        self.preview.toggled.connect(controller.set_preview_wanted)
        self.low_pass.valueChanged.connect(self._on_low_pass)
        self.scores.toggled.connect(self.scores_wanted)

    def show_scores_checked(self, checked: bool) -> None:
        """Check the box of the score map without asking for the map."""
        with QSignalBlocker(self.scores):
            self.scores.setChecked(checked)

    def _on_low_pass(self, value: float) -> None:
        pixels = value / (self._controller.pixel_size or 1.0)
        self._controller.change_settings(low_pass=max(FINEST, pixels))

    def _refresh(self) -> None:
        session, size = self._controller.session, self._controller.pixel_size
        for control in (self.preview, self.low_pass):
            control.setEnabled(session is not None)
        self.scores.setEnabled(session is not None)
        self.show_scores_checked(self._controller.view.scores is not None)
        if session is not None:
            self._low_pass_label.setText("Low-pass (px)" if size is None else "Low-pass (Å)")
            scale = size or 1.0
            with QSignalBlocker(self.low_pass):
                self.low_pass.setRange(FINEST * scale, max(session.box, 2 * FINEST) * scale)
                self.low_pass.setValue(low_pass_of(session.settings) * scale)


class ParticlePanel(SessionPanel):
    """The side of the box around one particle."""

    def __init__(self, controller: SessionController) -> None:
        super().__init__(controller)
        tip = "Side of the square around one particle; the discs show it"
        self.box = with_tip(QDoubleSpinBox(), tip)
        self.box.setRange(_SMALLEST, _LARGEST)
        self.box.setDecimals(0)
        self.box.setSingleStep(2)
        self.box.setSuffix(" px")
        self.box.setKeyboardTracking(False)
        self.about = QLabel()
        form = Form()
        form.add("Box", self.box)
        self._add_rows(form, self.about)
        self.box.valueChanged.connect(lambda value: controller.change_settings(box=float(value)))

    def _refresh(self) -> None:
        session, pixel_size = self._controller.session, self._controller.pixel_size
        self.box.setEnabled(session is not None)
        text = ""
        if session is not None:
            with QSignalBlocker(self.box):
                self.box.setValue(session.box)
            size = "" if pixel_size is None else f"{session.box * pixel_size:.4g} Å. "
            text = self._controller.box_problem or f"{size}A disc should just hold one particle."
        self.about.setText(text)
