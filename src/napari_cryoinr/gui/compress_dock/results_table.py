"""The results of this session, a row each, until they are removed."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from ...quality.verdict import verdict_of
from ..io.compressed import Compressed
from ..io.session import Session
from ..widgets.layout import button, fill
from .result_view import MARKS

_HEAD = ("Map, settings", "Size, bytes", "Verdict", "File")
_MOST_ROWS = 4  # that are seen without scrolling


class ResultsTable(QWidget):
    """A table of results, one of which is current, with buttons for that one."""

    chosen = Signal()  # another row became the current one

    def __init__(
        self, session: Session, save: Callable[[], object], show: Callable[[], object]
    ) -> None:
        super().__init__()
        self._session = session
        self._shown: list[Compressed] = []
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(_HEAD)
        self.tree.setRootIsDecorated(False)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setToolTip("Choose a row to see its numbers above")
        self.tree.setTextElideMode(Qt.TextElideMode.ElideRight)
        header = self.tree.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(40)
        self.save_button = button("Save...", "Write the chosen result to a file", save)
        self.show_button = button("Show", "Show the map as it comes out of the chosen file", show)
        self.remove_button = button("Remove", "Delete the chosen result", self.remove)
        buttons = QWidget()
        fill(buttons, self.save_button, self.show_button, self.remove_button, kind=QHBoxLayout)
        fill(self, self.tree, buttons)
        self.tree.currentItemChanged.connect(lambda *_: self.chosen.emit())

    @property
    def current(self) -> Compressed | None:
        """The chosen result."""
        item = self.tree.currentItem()
        row = -1 if item is None else self.tree.indexOfTopLevelItem(item)
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def choose(self, compressed: Compressed) -> None:
        """Make a result the current one."""
        self.tree.setCurrentItem(self.tree.topLevelItem(self._shown.index(compressed)))

    def refresh(self) -> None:
        """Show the results as they are now; the current one stays, or the latest becomes it."""
        before = self.current
        with QSignalBlocker(self.tree):
            self.tree.clear()
            self._shown = list(self._session.results)
            for one in self._shown:
                self.tree.addTopLevelItem(_row(one))
            if self._shown:
                self.choose(before if before in self._shown else self._shown[-1])
        rows = min(max(len(self._shown), 1), _MOST_ROWS)
        height = self.tree.sizeHintForRow(0) if self._shown else 0
        frame = self.tree.header().sizeHint().height() + 2 * self.tree.frameWidth() + 2
        self.tree.setFixedHeight(frame + rows * height)
        if self.current is not before:
            self.chosen.emit()

    def remove(self) -> None:
        """Delete the chosen result."""
        if (current := self.current) is not None:
            self._session.remove(current)


def _row(one: Compressed) -> QTreeWidgetItem:
    verdict = verdict_of(one.report)
    saved = "not saved" if one.saved is None else one.saved.name
    what = f"{one.name}\n{one.how}"
    row = QTreeWidgetItem([what, f"{one.archive.bytes:,}", f"{MARKS[verdict]} {verdict}", saved])
    row.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    tips = (what, f"{one.archive.bytes:,} bytes", one.report.verdict(), str(one.saved or saved))
    for column, tip in enumerate(tips):
        row.setToolTip(column, tip)
    return row
