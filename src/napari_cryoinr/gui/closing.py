"""Asking before a window is closed that holds work which would be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox


def confirmed(window: Any, reason: str) -> bool:
    """Whether the user wants to close the window in spite of a reason not to."""
    answer = QMessageBox.question(
        window,
        "Close Window?",
        f"{reason}\n\nClose the window all the same?",
        QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
        QMessageBox.StandardButton.Cancel,
    )
    return bool(answer == QMessageBox.StandardButton.Close)


class ClosingGuard(QObject):
    """Looks at the events of a window that the user wants to close.

    A window that a program closes is not asked about.

    Parameters
    ----------
    window : the main window.
    reason : says what would be lost, in a sentence; None where nothing would.
    """

    def __init__(self, window: Any, reason: Callable[[], str | None]) -> None:
        super().__init__(window)
        self._window, self._reason = window, reason
        window.installEventFilter(self)

    def release(self) -> None:
        """Let the window close."""
        self._window.removeEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        if event.type() != QEvent.Type.Close or not event.spontaneous():
            return False
        return self.stops(event)

    def stops(self, event: Any) -> bool:
        """Whether the user would rather keep the window; the event is ignored then."""
        reason = self._reason()
        if reason is None or confirmed(self._window, reason):
            return False
        event.ignore()
        return True
