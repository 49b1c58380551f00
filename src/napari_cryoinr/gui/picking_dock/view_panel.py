"""How a micrograph is seen, and how large its particles are."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..widgets.layout import Form
from ..widgets.number_slider import NumberSlider
from .desk import Desk
from .preview import FINEST

_SMALLEST, _LARGEST = 8, 4096  # pixels


class ViewPanel(QWidget):
    """The preview and its low-pass filter, and whether the score map is shown."""

    scores_wanted = Signal(bool)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.preview = QCheckBox("Preview")
        self.preview.setChecked(True)
        self.preview.setToolTip(
            "Show the micrograph without fine noise and evenly grey; its data stay as they are"
        )
        self.low_pass = NumberSlider(
            "Finest detail that the preview shows", decimals=1, step=1.0, logarithmic=True
        )
        self.scores = QCheckBox("Score map")
        self.scores.setToolTip("Show how probable a particle is at each place, as a layer")
        form = Form()
        form.add("Low-pass", self.low_pass)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        ticks = QHBoxLayout()
        ticks.addWidget(self.preview)
        ticks.addWidget(self.scores)
        column.addLayout(ticks)
        column.addWidget(form)
        self.preview.toggled.connect(desk.want_preview)
        self.low_pass.changed.connect(self._on_low_pass)
        self.scores.toggled.connect(self.scores_wanted)
        desk.changed.connect(self._refresh)
        self._refresh()

    def show_scores(self, shown: bool) -> None:
        """Say whether the score map is shown."""
        with QSignalBlocker(self.scores):
            self.scores.setChecked(shown)

    def _on_low_pass(self, value: float) -> None:
        self._desk.change(low_pass=max(FINEST, value / (self._desk.pixel_size or 1.0)))
        self._desk.renew_preview_soon()

    def _refresh(self) -> None:
        session = self._desk.session
        there = self._desk.shelf.micrograph is not None and session is not None
        for control in (self.preview, self.low_pass):
            control.setEnabled(there)
        self.scores.setEnabled(there and session is not None and session.model is not None)
        self.show_scores(self._desk.scene.scores is not None)
        if session is not None:
            size = self._desk.pixel_size
            unit, per = (" px", 1.0) if size is None else (" Å", size)
            low, high = FINEST * per, max(session.box, 2 * FINEST) * per
            self.low_pass.show_value(self._desk.low_pass * per, low, high, unit)


class ParticlePanel(QWidget):
    """The side of the box around one particle."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.box = QDoubleSpinBox()
        self.box.setRange(_SMALLEST, _LARGEST)
        self.box.setDecimals(0)
        self.box.setSingleStep(2)
        self.box.setSuffix(" px")
        self.box.setKeyboardTracking(False)
        self.box.setToolTip("Side of the square around one particle; the discs show it")
        self.about = QLabel()
        self.about.setWordWrap(True)
        form = Form()
        form.add("Box", self.box)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(form)
        column.addWidget(self.about)
        self.box.valueChanged.connect(self._on_box)
        desk.changed.connect(self._refresh)
        self._refresh()

    def _on_box(self, value: float) -> None:
        self._desk.change(box=float(value))
        self._desk.renew_preview_soon()

    def _refresh(self) -> None:
        session, pixel_size = self._desk.session, self._desk.pixel_size
        self.box.setEnabled(session is not None)
        if session is None:
            self.about.setText("")
            return
        with QSignalBlocker(self.box):
            self.box.setValue(session.box)
        text = "A disc should just hold one particle."
        if pixel_size is not None:
            text = f"{session.box * pixel_size:.4g} Å. {text}"
        self.about.setText(self._desk.misfit or text)
