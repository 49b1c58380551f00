"""The base of every dock widget: jobs, napari's events, asking before work is lost, the end.

All methods are called on the GUI thread; only the generators that jobs run are drained elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QFileDialog, QMainWindow, QWidget

from ...progress import Progress, Steps
from .closing import ClosingGuard
from .job_bar import JobBar
from .layout import wrapping_label
from .resources import Resources


def ask_for_target(parent: QWidget, title: str, name: str, kind: str) -> Path | None:
    """Ask where to save a file; None if the user cancels.

    The suggested `name` has the suffix that is added to a name without one; `kind` describes such
    files.
    """
    suffix = Path(name).suffix
    dialog = QFileDialog(parent, title, "", f"{kind} (*{suffix})")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suffix)
    dialog.selectFile(name)
    try:
        return Path(dialog.selectedFiles()[0]) if dialog.exec() else None
    finally:
        dialog.deleteLater()


class DockWidget(QWidget):
    """A widget for a dock of napari, whose work ends with it.

    A subclass calls `attach` at the end of its construction. It ends in one of two ways. napari
    takes the widget out of a dock that is closed, without deleting it: `release` is called, and
    `attach` again if the widget is put into another dock. Or Qt deletes it with the window: its
    `resources` are released then. In both cases all jobs stop, and no event of napari refers to
    the widget, and so to the viewer, any more.
    """

    can_save = False  # whether `save_work` can save what `unsaved_work` names

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer = viewer
        self.resources = Resources()
        self.bar = JobBar(self.resources)
        self.message = wrapping_label("What was done, what is needed, or what went wrong")
        self.message.hide()
        self._attached = False
        self._window: QWidget | None = None  # where the widget is shown, once it is
        self.destroyed.connect(self.resources.release)

    def connect_viewer(self) -> None:
        """Connect to the viewer's events with `resources`, and show what there is now."""

    def unsaved_work(self) -> str | None:
        """Return what would be lost if the window were closed now, in a sentence; None: nothing."""
        return None

    def save_work(self, window: QWidget) -> bool:
        """Save what `unsaved_work` names; whether nothing is left. Only with `can_save`."""
        return False

    def dock_closed(self, window: QWidget) -> None:
        """Act on a dock, not a window, that the user has closed; `release` is called next."""

    def release(self) -> None:
        """Stop all work and disconnect from the viewer."""
        self._attached = False
        self.bar.stop()
        self.resources.release()
        if self._window is not None:
            ClosingGuard.of(self._window).remove(self)
            self._window = None

    def attach(self) -> None:
        """Begin to follow the viewer."""
        self._attached = True
        self.connect_viewer()

    def say(self, text: str) -> None:
        """Show a line to the user; an empty line hides the last one."""
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def start(
        self,
        steps: Steps[Any],
        title: str,
        done: Callable[[Any], None],
        progress: Callable[[Progress], None] | None = None,
        failed: Callable[[str], None] | None = None,
        **options: Any,
    ) -> None:
        """Run a job with the bar; see `JobBar.start`. By default failures go to `say`."""
        self.bar.start(steps, title, done, failed or self.say, progress, **options)

    def changeEvent(self, event: Any) -> None:
        """Release the viewer when the widget is taken out of its dock; attach in another one."""
        super().changeEvent(event)
        if event.type() != QEvent.Type.ParentChange:
            return
        if self.parent() is None:
            if self._window is not None:
                self.dock_closed(self._window)
            self.release()
        elif not self._attached:
            self.attach()

    def showEvent(self, event: Any) -> None:
        """Ask from now on before the window is closed."""
        super().showEvent(event)
        if self._window is None:
            self._window = self.window()
            while (above := self._window.parentWidget()) is not None:  # of a dock that floats
                self._window = above
            ClosingGuard.of(self._window).add(self)
            QTimer.singleShot(0, self._join_others)

    def _join_others(self) -> None:
        """Share the place of another dock of the plugin, where the menu would put it below."""
        dock, window = dock_of(self), self._window
        if dock is None or dock.isFloating() or not isinstance(window, QMainWindow):
            return
        area = window.dockWidgetArea(dock)
        for other in window.findChildren(DockWidget):
            place = dock_of(other)
            if place is None or place is dock or place.isHidden() or place.isFloating():
                continue
            if window.dockWidgetArea(place) == area:
                if dock not in window.tabifiedDockWidgets(place):
                    window.tabifyDockWidget(place, dock)
                    dock.raise_()
                return


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget is in."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
