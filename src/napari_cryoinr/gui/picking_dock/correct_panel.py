"""Correcting what was picked: what a click does, and what the discs mean."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...picking.session import REJECTED, STATES
from .desk import Desk
from .discs import COLOURS

_HOW = (
    "Click an empty place: a particle. Click a pick: rejected. Click a rejected one: accepted."
    " Click your own click: gone."
)


class CorrectPanel(QWidget):
    """The legend, the last click taken back, and whether all was looked at."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.how, self.legend = QLabel(_HOW), QLabel()
        self.reviewed = QCheckBox("Reviewed")
        self.reviewed.setToolTip(
            "All of this micrograph was looked at: for the next training every pick that is shown"
            " and not rejected is a particle. Otherwise only what you clicked and accepted is"
        )
        self.undo_button = QPushButton("Undo")
        self.undo_button.setToolTip("Take back the last click in this micrograph (Ctrl+Z)")
        self.back_button = QPushButton("Click particles")
        self.back_button.setToolTip("Select the layer of the particles, in its mode pan/zoom")
        for label in (self.how, self.legend):
            label.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self.reviewed, stretch=1)
        row.addWidget(self.back_button)
        row.addWidget(self.undo_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.how)
        column.addWidget(self.legend)
        column.addLayout(row)
        self.undo_button.clicked.connect(desk.undo)
        self.back_button.clicked.connect(desk.take_clicks)
        self.reviewed.toggled.connect(desk.review)
        desk.changed.connect(self._refresh)
        desk.aimed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        entry, points = self._desk.entry, self._desk.points
        self.reviewed.setEnabled(entry is not None)
        self.undo_button.setEnabled(entry is not None and entry.can_undo)
        self.back_button.setVisible(entry is not None and not self._desk.discs.is_active)
        with QSignalBlocker(self.reviewed):
            self.reviewed.setChecked(entry is not None and entry.reviewed)
        counts = [0 if points is None else points.count(state) for state in STATES]
        self.legend.setText(
            " \N{NO-BREAK SPACE} ".join(
                f'<span style="color: {COLOURS[state]}">{_sign(state)}</span>'
                f"\N{NO-BREAK SPACE}{count}\N{NO-BREAK SPACE}{state}"
                for state, count in zip(STATES, counts, strict=True)
            )
        )


def _sign(state: str) -> str:
    return "\N{MULTIPLICATION X}" if state == REJECTED else "\N{BLACK CIRCLE}"
