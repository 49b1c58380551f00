"""What the panels of the widget Pick particles have in common."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtWidgets import QWidget

from ...errors import SettingsError
from ..widgets.forms import RecordForm
from .desk import Desk


class DeskPanel(QWidget):
    """A panel that shows something of a desk, and whose buttons wait for the work that goes on."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._busy: str | None = None  # why the buttons wait

    def set_busy(self, busy: bool) -> None:
        """Whether other work is going on."""
        self._busy = "Wait for the work that is going on, or cancel it" if busy else None
        self.refresh()

    def refresh(self) -> None:
        """What the labels say, and which buttons can be pressed."""
        raise NotImplementedError

    def _take(self, form: RecordForm, names: Iterable[str]) -> None:
        """Change the settings that a form shows; what is wrong with them is said."""
        try:
            record = form.record()
        except SettingsError as error:
            self._desk.said.emit(str(error))
        else:
            self._desk.change(**{name: getattr(record, name) for name in names})
