"""What is needed for each micrograph, in a bar that does not scroll, with keys; and the totals."""

from __future__ import annotations

from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QSizePolicy, QWidget
from superqt.utils import qdebounced

from ..widgets.layout import fill
from .session_controller import SessionController
from .session_panel import SessionPanel, button

BACK_KEY, NEXT_KEY = "PgUp", "PgDown"
PICK_KEY, REVIEWED_KEY, SAVE_KEY = "K", "R", "Ctrl+Shift+E"
_RECOUNT_AFTER = 200  # milliseconds without a change


class WorkBar(SessionPanel):
    """The way to the previous and the next micrograph, and buttons that other panels look after."""

    def __init__(
        self,
        controller: SessionController,
        pick: QAbstractButton,
        reviewed: QAbstractButton,
        save: QAbstractButton,
    ) -> None:
        super().__init__(controller)
        self._list = controller.micrographs
        tip = "The previous micrograph (Page Up)"
        self.back_button = button("\N{BLACK LEFT-POINTING TRIANGLE}", tip, self._list.open_previous)
        tip = "The next micrograph (Page Down)"
        self.next_button = button("\N{BLACK RIGHT-POINTING TRIANGLE}", tip, self._list.open_next)
        self.totals = QLabel()
        self.totals.setToolTip("Of all micrographs in the list; rejected places do not count")
        buttons = {BACK_KEY: self.back_button, NEXT_KEY: self.next_button}
        buttons |= {PICK_KEY: pick, REVIEWED_KEY: reviewed, SAVE_KEY: save}
        for key, one in buttons.items():
            QShortcut(QKeySequence(key), self).activated.connect(one.click)
        for one in (self.back_button, self.next_button):
            one.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        row, order = QWidget(), (self.back_button, self.next_button, pick, reviewed, save)
        fill(row, *order, kind=QHBoxLayout).setStretch(order.index(pick), 1)
        # A dock stays as wide as its buttons are before they have napari's style.
        row.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._add_rows(row, self.totals)
        self._list.changed.connect(self._refresh)

    def _refresh(self) -> None:
        items, current = self._list.items, self._list.current
        at = items.index(current) if current in items else -1
        self.back_button.setEnabled(at > 0)
        self.next_button.setEnabled(at < len(items) - 1)
        self._count_soon()

    @qdebounced(timeout=_RECOUNT_AFTER)
    def _count_soon(self) -> None:
        self._count()

    def _count(self) -> None:
        items, particles, reviewed = self._list.items, 0, 0
        for item in items:
            if item.session is not None:
                more = item.session.totals([item.name])
                particles, reviewed = particles + more[0], reviewed + more[1]
        ending = "" if len(items) == 1 else "s"
        text = f"{len(items):,} micrograph{ending}, {reviewed:,} reviewed, {particles:,} particles"
        self.totals.setText(text if items else "No micrograph is open")
