"""What the panels of the picking dock have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...errors import SettingsError
from ..widgets.forms import RecordForm
from .session_controller import SessionController

W = TypeVar("W", bound=QWidget)


def with_tip(widget: W, tip: str) -> W:
    """Return a widget, with a tooltip."""
    widget.setToolTip(tip)
    return widget


def button(text: str, tip: str, clicked: Callable[..., object]) -> QPushButton:
    """Return a button that calls a function."""
    made = with_tip(QPushButton(text), tip)
    made.clicked.connect(clicked)
    return made


class SessionPanel(QWidget):
    """Shows something of the session, and is refreshed when that changes."""

    form: RecordForm  # of the settings that the panel shows, if any

    def __init__(self, controller: SessionController) -> None:
        super().__init__()
        self._controller = controller
        self._busy = ""
        controller.changed.connect(self._refresh)

    def set_busy(self, reason: str) -> None:
        """Say why buttons that start work are disabled; an empty reason enables them."""
        self._busy = reason
        self._refresh()

    def _refresh(self) -> None:
        """Update what the labels say, and which controls are enabled."""
        raise NotImplementedError

    def _add_rows(self, *rows: QWidget | Iterable[QWidget]) -> None:
        """Put widgets below each other, the first of several in a row takes the space; refresh."""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for row in rows:
            line = QHBoxLayout()
            for number, widget in enumerate([row] if isinstance(row, QWidget) else row):
                line.addWidget(widget, stretch=int(number == 0))
                if isinstance(widget, QLabel):
                    widget.setWordWrap(True)
            column.addLayout(line)
        self._refresh()

    def _apply_form(self) -> None:
        """Change the settings that the form shows; invalid ones become a message."""
        try:
            record = self.form.record()
        except SettingsError as error:
            self._controller.message.emit(str(error))
        else:
            self._controller.change_settings(**{c.name: getattr(record, c.name) for c in self.form})

    def _show_in_form(self, record: Any) -> None:
        """Show a record in the form, unless it shows these settings already."""
        if self.form.record_or_none() != record:
            with self.form.changed.blocked():
                self.form.show_record(record)

    @staticmethod
    def _enable(button: QPushButton, problem: str | None, tip: str) -> None:
        """Enable a button unless there is a problem, which becomes its tooltip."""
        button.setEnabled(not problem)
        button.setToolTip(problem or tip)
