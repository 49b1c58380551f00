"""Which picks count, and correcting them by clicks."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton
from superqt import QLabeledDoubleSlider

from ...picking.picking_settings import SelectionSettings
from ...picking.session import REJECTED, STATES
from ..widgets.forms import RecordForm
from ..widgets.layout import Form, Section
from .particle_layer import COLOURS
from .score_histogram import ScoreHistogram
from .session_controller import SessionController
from .session_panel import SessionPanel, button, with_tip

_FIELDS = {"distance": "Distance (boxes)", "border": "Border (boxes)"}
_DECIMALS = 2  # of the threshold
_HOW_TO_CLICK = (
    "Click an empty place: a particle. Click a pick: rejected. Click a rejected one: accepted."
    " Click your own click: gone."
)
_ABOUT_REVIEWED = (
    "All of this micrograph was looked at (R): for the next training every pick that is shown and"
    " not rejected is a particle. Otherwise only what you clicked and accepted is"
)


class PickingPanel(SessionPanel):
    """The buttons Pick, the scores and their threshold, and how far apart particles are.

    The button for one micrograph is shown elsewhere.
    """

    pick_wanted = Signal(bool)  # whether all micrographs are meant

    def __init__(self, controller: SessionController, theme: str) -> None:
        super().__init__(controller)
        self.button, self.all_button = QPushButton("Pick"), QPushButton("Pick all")
        self.histogram = ScoreHistogram(theme)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        tip = "Least score of a particle; near 0.5, precision and recall are best together"
        self.threshold.setToolTip(tip)
        self.threshold.setDecimals(_DECIMALS)
        self.threshold.setRange(0.0, 1.0)
        self.threshold.setSingleStep(0.05)
        self.reset_button = button("Reset", "The threshold of the model", self._reset)
        self.count = QLabel()
        self.form = RecordForm(SelectionSettings(), _FIELDS)
        selection = Section("Selection (for the next pick)", self.form.view)
        form = Form()
        form.add("Threshold", self.threshold)
        count = (self.count, self.reset_button)
        self._add_rows(self.all_button, self.histogram, form, count, selection)
        self.button.clicked.connect(lambda: self.pick_wanted.emit(False))
        self.all_button.clicked.connect(lambda: self.pick_wanted.emit(True))
        for moved in (self.threshold.valueChanged, self.histogram.moved):
            moved.connect(
                lambda value: controller.change_settings(threshold=round(value, _DECIMALS))
            )
        self.form.changed.connect(self._apply_form)
        controller.micrographs.changed.connect(self._refresh)

    def _reset(self) -> None:
        self._controller.change_settings(threshold=None)

    def _refresh(self) -> None:
        session, entry = self._controller.session, self._controller.entry
        micrographs = self._controller.micrographs
        problem = self._busy or self._controller.box_problem
        tip = "Find the particles of this micrograph (K)"
        if session is None:
            problem = "No micrograph is open"
        elif session.model is None:
            tip = (
                "Find what is about as large as a disc (K). A training on some particles of yours"
                " finds more of them, and less that is none"
            )
        self._enable(self.button, problem, tip)
        all_tip = "Find the particles of all micrographs that were not reviewed"
        only = None if len(micrographs.items) > 1 else "There is only this micrograph"
        self._enable(self.all_button, problem or only, all_tip)
        self.threshold.setEnabled(session is not None)
        self.reset_button.setEnabled(session is not None and session.settings.threshold is not None)
        if session is None or entry is None or micrographs.current is None:
            self.count.setText("")
            self.histogram.show_scores(None, None)
            return
        with QSignalBlocker(self.threshold):
            self.threshold.setValue(session.threshold)
        scores = None if entry.candidates is None else entry.candidates.score
        self.histogram.show_scores(scores, session.threshold)
        self._show_in_form(session.settings.selection)
        text = "Not picked yet."
        if entry.candidates is not None:
            above = len(entry.candidates.above(session.threshold))
            text = f"{above} of {len(entry.candidates)} candidates"
            if session.is_outdated(micrographs.current.name):
                text += ", found before the last training: pick again."
        self.count.setText(text)


class CorrectionPanel(SessionPanel):
    """What a click does, the colours of the discs, undo and redo.

    The box for what was reviewed is shown elsewhere.
    """

    def __init__(self, controller: SessionController) -> None:
        super().__init__(controller)
        self.legend = QLabel()
        self.reviewed = with_tip(QCheckBox("Reviewed"), _ABOUT_REVIEWED)
        tip = "Select the layer of the particles, in its mode pan/zoom"
        self.click_button = button("Click particles", tip, controller.select_particles)
        tip = "Take back the last change in this micrograph (Ctrl+Z)"
        self.undo_button = button("Undo", tip, controller.undo)
        tip = "Make the change again that was taken back (Ctrl+Shift+Z)"
        self.redo_button = button("Redo", tip, controller.redo)
        controls = (self.click_button, self.undo_button, self.redo_button)
        self._add_rows(QLabel(_HOW_TO_CLICK), self.legend, controls)
        self.reviewed.toggled.connect(controller.set_reviewed)
        controller.layer_selected.connect(self._refresh)

    def _refresh(self) -> None:
        entry, points = self._controller.entry, self._controller.points
        self.reviewed.setEnabled(entry is not None)
        self.undo_button.setEnabled(entry is not None and entry.can_undo)
        self.redo_button.setEnabled(entry is not None and entry.can_redo)
        selected = self._controller.particles.is_selected
        self.click_button.setVisible(entry is not None and not selected)
        with QSignalBlocker(self.reviewed):
            self.reviewed.setChecked(entry is not None and entry.reviewed)
        legend = []
        for state in STATES:
            symbol = "\N{MULTIPLICATION X}" if state == REJECTED else "\N{BLACK CIRCLE}"
            count = 0 if points is None else points.count(state)
            symbol = f'<span style="color: {COLOURS[state]}">{symbol}</span>'
            legend.append("\N{NO-BREAK SPACE}".join((symbol, str(count), state)))
        self.legend.setText(" \N{NO-BREAK SPACE} ".join(legend))
