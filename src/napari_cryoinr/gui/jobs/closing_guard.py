"""Asking before a window is closed that holds work which would be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

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
    """Looks at a window that is about to be closed, for a widget in it.

    What the user closes is asked about; what a program closes is not. The widget is held weakly:
    it may go before the window.

    Parameters
    ----------
    window : the main window.
    reason : a method that says what would be lost, in a sentence; None where nothing would.
    closed : a method that is called when a program closes the window.
    """

    def __init__(
        self, window: Any, reason: Callable[[], str | None], closed: Callable[[], None]
    ) -> None:
        super().__init__(window)
        self._reason, self._closed = WeakMethod(reason), WeakMethod(closed)
        window.installEventFilter(self)

    def release(self) -> None:
        """Let the window close."""
        self.parent().removeEventFilter(self)
        self.deleteLater()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        if event.type() != QEvent.Type.Close or watched is not self.parent():
            return False
        if event.spontaneous():
            return self.stops(event)
        closed = self._closed()
        if closed is not None:
            closed()
        return False

    def stops(self, event: Any) -> bool:
        """Whether the user would rather keep the window; the event is ignored then."""
        ask = self._reason()
        reason = None if ask is None else ask()
        if reason is None or confirmed(self.parent(), reason):
            return False
        event.ignore()
        return True
