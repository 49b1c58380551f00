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
    """Asks the user, for a widget in a window, before that window is closed.

    Nothing is asked when a program closes the window. The widget is referred to weakly: Qt may
    delete it before the window. Everything here is called in the GUI thread.

    Parameters
    ----------
    window : QWidget
        The main window.
    reason : method of the widget
        Returns what would be lost, in a sentence, or None.
    closed : method of the widget
        Called when a program closes the window.
    """

    def __init__(
        self, window: Any, reason: Callable[[], str | None], closed: Callable[[], None]
    ) -> None:
        super().__init__(window)
        self._reason, self._closed = WeakMethod(reason), WeakMethod(closed)
        window.installEventFilter(self)

    def release(self) -> None:
        """Ask no more."""
        self.parent().removeEventFilter(self)
        self.deleteLater()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Handle the window's close event; Qt calls this for each event of the window."""
        if event.type() != QEvent.Type.Close or watched is not self.parent():
            return False
        if event.spontaneous():
            return self.stops(event)
        closed = self._closed()
        if closed is not None:
            closed()
        return False

    def stops(self, event: Any) -> bool:
        """Whether the user keeps the window open; the event is ignored then."""
        ask = self._reason()
        reason = None if ask is None else ask()
        if reason is None or confirmed(self.parent(), reason):
            return False
        event.ignore()
        return True
