"""A progress bar with Cancel on top of a window, for work that belongs to no dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QWidget

from ...progress import Steps
from .closing import ClosingGuard
from .job_bar import JobBar
from .layout import fill
from .resources import Resources

_DELAY_MILLISECONDS = 300  # work that is done sooner needs no bar
_WIDTH, _ABOVE = 460, 34  # pixels: of the bar, and how far above the lower edge of the window


class FloatingBar(QFrame):
    """Runs one generator of progress, and shows how far it is in the middle of the lower edge.

    The user is asked before the window is closed meanwhile; `leaves` says what would be lost.
    """

    can_save = False

    def __init__(self, window: QWidget, title: str, leaves: str) -> None:
        super().__init__(window)
        self._window, self._leaves = window, leaves
        self._resources = Resources()
        self.destroyed.connect(self._resources.release)
        self.bar = JobBar(self._resources)
        label = QLabel(title)
        label.setWordWrap(True)
        self._title = title
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.timeout.connect(self._appear)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setObjectName("cryoinr_floating_bar")
        self.setStyleSheet("#cryoinr_floating_bar { border: 1px solid gray; border-radius: 4px; }")
        fill(self, label, self.bar, margin=10)
        self.setFixedWidth(min(_WIDTH, window.width() - 20))
        self.hide()
        window.installEventFilter(self)
        ClosingGuard.of(window).add(self)

    def start(self, steps: Steps[Any], ended: Callable[[], None], may_finish: bool) -> None:
        """Run a generator; `ended` is called at its end, however it ends."""
        self.bar.start(
            steps, self._title, lambda _: ended(), lambda _: ended(), may_finish=may_finish
        )
        self._delay.start(_DELAY_MILLISECONDS)

    def end(self) -> None:
        """Stop the work if it is still going on, and go."""
        self._window.removeEventFilter(self)
        ClosingGuard.of(self._window).remove(self)
        self._resources.release()
        self.hide()
        self.deleteLater()

    def unsaved_work(self) -> str | None:
        """Say that the work is not done yet."""
        return self._leaves if self.bar.running else None

    def save_work(self, window: QWidget) -> bool:
        """Nothing can be saved."""
        return False

    def release(self) -> None:
        """Stop the work."""
        self.bar.cancel()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Stay in place where the window changes its size."""
        if watched is self._window and event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _appear(self) -> None:
        if self.bar.running:
            self.show()
            self._place()
            self.raise_()

    def _place(self) -> None:
        self.adjustSize()
        left = (self._window.width() - self.width()) // 2
        self.move(left, self._window.height() - self.height() - _ABOVE)
