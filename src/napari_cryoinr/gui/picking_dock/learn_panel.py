"""Training: what there is to learn from, how, and what was learnt so far."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from ...picking.picker_model import Round
from ...picking.picking_settings import TrainingSettings
from ..widgets.forms import RecordForm
from ..widgets.layout import Section
from .desk import Desk
from .desk_panel import DeskPanel

_ENOUGH = 20  # particles from which a model is useful
_ROUNDS = 5  # that are shown
_FORM = {
    "network": "Network",
    "iterations": "Iterations",
    "held_out": "Held out",
    "device": "Device",
    "seed": "Seed",
}


def ask_for_model(parent: QWidget) -> str:
    """A model's file; empty if the user does not choose one."""
    chosen, _ = QFileDialog.getOpenFileName(parent, "Picker model", "", "Models (*.h5)")
    return str(chosen)


class LearnPanel(DeskPanel):
    """The button Train, and the rounds."""

    train_wanted = Signal()
    model_chosen = Signal(str)

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.about, self.rounds = QLabel(), QLabel()
        self.button = QPushButton("Train")
        self.afresh = QCheckBox("Start afresh")
        self.afresh.setToolTip("Train a new model instead of going on with the one that is there")
        self.load_button = QPushButton("Use another model...")
        self.load_button.setToolTip("Pick with a model that was trained elsewhere")
        self.form = RecordForm(TrainingSettings(box=100), _FORM)
        self.settings = Section("Training settings", self.form.view, self.afresh, self.load_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for control in (self.about, self.button, self.rounds, self.settings):
            column.addWidget(control)
        for label in (self.about, self.rounds):
            label.setWordWrap(True)
        self.button.clicked.connect(self.train_wanted)
        self.load_button.clicked.connect(self._choose_model)
        self.form.changed.connect(self._on_form)
        self.afresh.toggled.connect(self.refresh)
        desk.changed.connect(self.refresh)
        self.refresh()

    @property
    def goes_on(self) -> bool:
        """Whether the next training starts from the model that is there."""
        session = self._desk.session
        return (
            session is not None and session.can_continue_training() and not self.afresh.isChecked()
        )

    def _choose_model(self) -> None:
        path = ask_for_model(self)
        if path:
            self.model_chosen.emit(path)

    def _on_form(self) -> None:
        self._take(self.form, _FORM)

    def refresh(self) -> None:
        """What the labels say, and whether there is anything to train with."""
        session = self._desk.session
        self.button.setText("Retrain" if self.goes_on else "Train")
        self.load_button.setEnabled(session is not None and not self._busy)
        if session is None:
            self.about.setText("No micrograph is open.")
            self.rounds.hide()
            self.button.setEnabled(False)
            return
        shown = self.form.record_or_none()
        if shown is not None and any(
            getattr(shown, name) != getattr(session.settings.training, name) for name in _FORM
        ):
            with self.form.changed.blocked():
                self.form.show_record(session.settings.training)
        particles, rejected, micrographs = session.training_counts()
        self.about.setText(_learnable(particles, rejected, micrographs))
        problem = self._desk.misfit
        if not particles:
            problem = f"Click particles first: about {_ENOUGH}, of all kinds and orientations"
        elif self._busy:
            problem = self._busy
        self.button.setEnabled(problem is None)
        self.button.setToolTip(problem or "Learn what the particles look like")
        self._show_rounds()

    def _show_rounds(self) -> None:
        session = self._desk.session
        model = None if session is None else session.model
        self.rounds.setVisible(model is not None)
        if session is None or model is None:
            return
        lines = [
            f"Round {number}: {one.particles} particles, {one.rejected} rejected,"
            f" {one.seconds:.0f}\N{NO-BREAK SPACE}s{_held_out(one)}"
            for number, one in enumerate(model.rounds, 1)
        ][-_ROUNDS:]
        if not session.can_continue_training():
            lines.append(
                f"This model is a {model.network} for a box of {model.box:g} px:"
                " the next training starts afresh."
            )
        self.rounds.setText("\n".join(lines))


def _held_out(one: Round) -> str:
    """What a training was tested on, if it was."""
    return f"; of {one.held_out} held out it finds {one.found}" if one.held_out else ""


def _learnable(particles: int, rejected: int, micrographs: int) -> str:
    """What there is to learn from, in a sentence or two."""
    if not particles and not rejected:
        return f"Click about {_ENOUGH} particles, of all kinds and orientations."
    ending = "s" if micrographs != 1 else ""
    text = f"{particles} particles, {rejected} rejected in {micrographs} micrograph{ending}."
    if particles < _ENOUGH:
        text += f" {_ENOUGH} particles or more give a better model."
    return text
