"""Training: how much there is to learn from, the settings, and the rounds so far."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLabel, QPushButton

from ...picking.picking_settings import TrainingSettings
from ...picking.session import ModelSummary
from ..widgets.forms import RecordForm
from ..widgets.layout import Section
from ..widgets.loss_curve import LossCurve
from .session_controller import SessionController
from .session_panel import SessionPanel, button, with_tip

_ENOUGH = 10  # particles for a useful model
_SHOWN_ROUNDS = 5
_FIELDS = {"network": "Network", "iterations": "Iterations", "held_out": "Held out"}
_FIELDS |= {"device": "Device", "seed": "Seed"}


class TrainingPanel(SessionPanel):
    """The button Train, its settings, and the rounds."""

    train_wanted = Signal()
    model_chosen = Signal(str)

    def __init__(self, controller: SessionController, theme: str) -> None:
        super().__init__(controller)
        self.loss = LossCurve(theme)
        self.about, self.rounds = QLabel(), QLabel()
        self.button = QPushButton("Train")
        tip = "Train a new model instead of continuing with the one that is there"
        self.afresh = with_tip(QCheckBox("Start afresh"), tip)
        tip = "Pick with a model that was trained elsewhere"
        self.load_button = button("Use another model...", tip, self._choose_model)
        self.form = RecordForm(TrainingSettings(box=100), _FIELDS)
        settings = Section("Training settings", self.form.view, self.afresh, self.load_button)
        self._add_rows(self.about, self.button, self.loss, self.rounds, settings)
        self.button.clicked.connect(self.train_wanted)

        self.form.changed.connect(self._apply_form)
        self.afresh.toggled.connect(self._refresh)

    @property
    def continues(self) -> bool:
        """Whether the next training starts from the model that is there."""
        session, afresh = self._controller.session, self.afresh.isChecked()
        return session is not None and not afresh and session.can_continue_training()

    def _choose_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Picker model", "", "Models (*.h5)")
        if path:
            self.model_chosen.emit(path)

    def _refresh(self) -> None:
        session = self._controller.session
        self.button.setText("Retrain" if self.continues else "Train")
        self.load_button.setEnabled(session is not None and not self._busy)
        self.rounds.setVisible(session is not None and session.model is not None)
        if session is None:
            self.about.setText("No micrograph is open.")
            self._enable(self.button, "No micrograph is open", "")
            return
        self._show_in_form(session.settings.training)
        particles, rejected, micrographs = session.training_counts()
        ending = "s" if micrographs != 1 else ""
        text = f"{particles} particles, {rejected} rejected in {micrographs} micrograph{ending}."
        if particles < _ENOUGH:
            text += (
                f" Pick without any, or click {_ENOUGH} of all kinds and orientations and train."
            )
        self.about.setText(text)
        if session.model is not None:
            lines, model = _round_lines(session.model), session.model
            if not session.can_continue_training():
                kind = f"a {model.network} for a box of {model.box:g} px"
                lines.append(f"This model is {kind}: the next training starts afresh.")
            self.rounds.setText("\n".join(lines))
        problem = self._busy or self._controller.box_problem
        if not particles:
            problem = "Click particles first"
        self._enable(self.button, problem, "Learn what the particles look like")


def _round_lines(model: ModelSummary) -> list[str]:
    """List the last trainings."""
    lines = []
    for number, one in enumerate(model.rounds, 1):
        found = f"; of {one.held_out} held out it finds {one.found}" if one.held_out else ""
        marked = f"{one.particles} particles, {one.rejected} rejected"
        lines.append(f"Round {number}: {marked}, {one.seconds:.0f}\N{NO-BREAK SPACE}s{found}")
    lines = lines[-_SHOWN_ROUNDS:]
    shares = [one.found / one.held_out for one in model.rounds[-2:] if one.held_out]
    if len(shares) == 2 and shares[1] <= shares[0]:
        lines.append(
            "The last round found no more than the one before: more of the same helps little."
        )
    return lines
