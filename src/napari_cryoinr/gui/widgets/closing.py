"""Asking before a window is closed with unsaved work in it: one question for all of it.

napari's window is closed by its cross, by Ctrl+W and Ctrl+Q, by the menu, and by programs. All of
these send it the same event. Programs are not asked.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol
from weakref import WeakSet

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

SAVE, DISCARD, CANCEL = "save", "discard", "cancel"


class Owner(Protocol):
    """What may hold unsaved work: a widget, or the results of a window."""

    can_save: bool  # whether `save_work` can save what `unsaved_work` names

    def unsaved_work(self) -> str | None:
        """Return what would be lost, in one sentence or a line each; None: nothing."""

    def save_work(self, window: QWidget) -> bool:
        """Ask where to save, and save; whether nothing is left unsaved."""

    def release(self) -> None:
        """Stop, and give up what was not saved: a program closes the window."""


class ClosingGuard(QObject):
    """Watches one window for all owners of work in it."""

    _all: ClassVar[WeakSet[ClosingGuard]] = WeakSet()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.window = window
        self._owners: WeakSet[Any] = WeakSet()
        ClosingGuard._all.add(self)
        window.installEventFilter(self)

    @classmethod
    def of(cls, window: QWidget) -> ClosingGuard:
        """Return the guard of a window."""
        found = window.findChild(cls)
        return cls(window) if found is None else found

    def add(self, owner: Owner) -> None:
        """Ask for this one too, as long as it lives."""
        self._owners.add(owner)

    def remove(self, owner: Owner) -> None:
        """Ask for it no more."""
        self._owners.discard(owner)

    def unsaved(self) -> list[tuple[Owner, str]]:
        """Return who would lose what."""
        found = [(owner, owner.unsaved_work()) for owner in list(self._owners)]
        return sorted(((one, text) for one, text in found if text), key=lambda pair: pair[1])

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Ask before the user closes the window; release its work if a program closes it."""
        if watched is not self.window or event.type() != QEvent.Type.Close:
            return False
        if self._by_program(event):
            for owner in list(self._owners):
                owner.release()
            return False
        if self.confirms_closing():
            return False
        if hasattr(self.window, "_quit_app"):
            self.window._quit_app = False  # else the window's cross would quit napari later
        event.ignore()
        return True

    def confirms_closing(self) -> bool:
        """Ask about unsaved work, and save it if the user wants that; whether to close."""
        quits = getattr(self.window, "_quit_app", False)  # all windows are closed then
        guards = ClosingGuard._all if quits else [self]
        unsaved = [pair for guard in guards for pair in guard.unsaved()]
        if not unsaved:
            return True
        lines = [line for _, text in unsaved for line in text.splitlines()]
        answer = ask_about(self.window, lines, any(owner.can_save for owner, _ in unsaved))
        if answer != SAVE:
            return answer == DISCARD
        return all(owner.save_work(self.window) for owner, _ in unsaved if owner.can_save)

    def _by_program(self, event: Any) -> bool:
        """Whether a program closes the window: `Viewer.close` closes what is in it first."""
        inner = getattr(self.window, "_qt_viewer", None)
        return bool(not event.spontaneous() if inner is None else inner.isHidden())


def ask_about(window: QWidget, lines: list[str], can_save: bool) -> str:
    """Name unsaved work, and ask what to do with it: SAVE, DISCARD or CANCEL."""
    box = QMessageBox(window)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Close without saving?")
    box.setText("\n".join(lines))
    roles, buttons = QMessageBox.ButtonRole, {}
    if can_save:
        buttons[box.addButton("Save all...", roles.AcceptRole)] = SAVE
    text = "Discard" if can_save else "Close all the same"
    buttons[box.addButton(text, roles.DestructiveRole)] = DISCARD
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(cancel)
    box.exec()
    answer = buttons.get(box.clickedButton(), CANCEL)
    box.deleteLater()
    return answer
