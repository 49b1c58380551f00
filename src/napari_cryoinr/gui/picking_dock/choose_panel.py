"""Picking, and which of the candidates count."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from ...picking.picking_settings import SelectionSettings
from ..widgets.forms import RecordForm
from ..widgets.layout import Form, Section
from ..widgets.number_slider import NumberSlider
from .desk import Desk
from .desk_panel import DeskPanel

_FORM = {"distance": "Distance (boxes)", "border": "Border (boxes)"}


class ChoosePanel(DeskPanel):
    """The buttons Pick, the threshold, and how far apart particles are."""

    pick_wanted = Signal(bool)  # whether all micrographs are meant

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.button, self.all_button = QPushButton("Pick this one"), QPushButton("Pick all")
        self.threshold = NumberSlider(
            "Least score of a particle; near 0.5, precision and recall are best together",
            decimals=2,
            step=0.05,
        )
        self.usual_button = QPushButton("Reset")
        self.usual_button.setToolTip("The threshold of the model")
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.form = RecordForm(SelectionSettings(), _FORM)
        self.selection = Section("Selection (for the next pick)", self.form.view)
        buttons, counted = QHBoxLayout(), QHBoxLayout()
        buttons.addWidget(self.button)
        buttons.addWidget(self.all_button)
        counted.addWidget(self.count, stretch=1)
        counted.addWidget(self.usual_button)
        form = Form()
        form.add("Threshold", self.threshold)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(buttons)
        column.addWidget(form)
        column.addLayout(counted)
        column.addWidget(self.selection)
        self.button.clicked.connect(self._on_this)
        self.all_button.clicked.connect(self._on_all)
        self.threshold.changed.connect(self._on_threshold)
        self.usual_button.clicked.connect(self._on_usual)
        self.form.changed.connect(self._on_form)
        desk.changed.connect(self.refresh)
        desk.shelf.listed.connect(self.refresh)
        self.refresh()

    def _on_this(self) -> None:
        self.pick_wanted.emit(False)

    def _on_all(self) -> None:
        self.pick_wanted.emit(True)

    def _on_threshold(self, value: float) -> None:
        self._desk.change(threshold=value)

    def _on_usual(self) -> None:
        self._desk.change(threshold=None)

    def _on_form(self) -> None:
        self._take(self.form, _FORM)

    def refresh(self) -> None:
        """What the labels say, and what can be pressed."""
        session, entry = self._desk.session, self._desk.entry
        model = None if session is None else session.model
        problem = self._desk.misfit
        if model is None:
            problem = "Train first"
        elif self._busy:
            problem = self._busy
        self.button.setEnabled(problem is None)
        self.button.setToolTip(problem or "Find the particles of this micrograph")
        self.all_button.setEnabled(problem is None and len(self._desk.shelf.places) > 1)
        self.all_button.setToolTip(
            problem or "Find the particles of all micrographs that were not reviewed"
        )
        self.threshold.setEnabled(session is not None)
        self.usual_button.setEnabled(session is not None and session.settings.threshold is not None)
        if session is None or entry is None:
            self.count.setText("")
            return
        self.threshold.show_value(session.threshold, 0.0, 1.0)
        if self.form.record_or_none() != session.settings.selection:
            with self.form.changed.blocked():
                self.form.show_record(session.settings.selection)
        above, count = entry.candidates_at(session.threshold)
        text = f"{above} of {count} candidates"
        if entry.candidates is None:
            text = "Not picked yet."
        elif self._desk.shelf.place and session.is_outdated(self._desk.shelf.place.name):
            text += ", found before the last training: pick again."
        self.count.setText(text)
