"""The list of micrographs with what is known of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QFileDialog, QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem
from superqt.utils import qdebounced

from ...picking.micrographs import micrograph_name
from .micrograph_list import ListedMicrograph
from .session_controller import SessionController
from .session_panel import SessionPanel, button

_HEIGHT = 112
_RECOUNT_AFTER = 200  # milliseconds without a change: of all micrographs
_HEADERS = ["Micrograph", "n", "\N{MULTIPLICATION X}", "\N{CHECK MARK}"]
_TIPS = ("Choose one to show it", "Particles", "Rejected", "Reviewed")
_HINT = "Open a folder of micrographs, or drop it here; or open one with File > Open File(s)..."


class _Row(QTreeWidgetItem):
    """A micrograph: its name, particles and rejected places, and whether it was reviewed."""

    def __init__(self, item: ListedMicrograph) -> None:
        super().__init__()
        self.item = item
        for column in range(1, len(_HEADERS)):
            self.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)

    def refresh(self) -> None:
        name, session = self.item.name, self.item.session
        texts = [micrograph_name(name)]
        if session is not None:
            marked, picked, rejected = session.counts(name)
            old = " (old)" if session.is_outdated(name) else ""
            texts += [
                f"{marked + picked}{old}" if marked + picked or old else "",
                str(rejected or ""),
                "\N{CHECK MARK}" if session.entry(name).reviewed else "",
            ]
        for column, text in enumerate(texts):
            self.setText(column, text)
        self.setToolTip(0, name)


class MicrographPanel(SessionPanel):
    """Lists micrographs, and opens the one that is chosen."""

    def __init__(self, controller: SessionController) -> None:
        super().__init__(controller)
        self._list = controller.micrographs
        tip = "Work through the micrographs of a folder (MRC, TIFF)"
        self.open_button = button("Open folder...", tip, self._choose_folder)
        self.table, self.session_folder = _table(), QLabel()
        tip = "Store the session in another folder, or open one there"
        self.move_button = button("Change...", tip, self._choose_session_folder)
        self._add_rows(self.open_button, self.table, (self.session_folder, self.move_button))
        self.table.currentItemChanged.connect(self._on_chosen)
        self._list.changed.connect(self._on_list)
        self._on_list()

    def _choose_folder(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Folder of micrographs"):
            self._list.open_folder(Path(folder))

    def _choose_session_folder(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Folder of the session"):
            self._list.move_session(Path(folder))

    def _on_chosen(self, row: Any, before: Any) -> None:
        if row is not None:
            self._list.open(row.item)

    def _on_list(self) -> None:
        """Fill the table again if the micrographs are others."""
        if [row.item for row in self._rows()] != self._list.items:
            with QSignalBlocker(self.table):
                self.table.clear()
                self.table.addTopLevelItems([_Row(item) for item in self._list.items])
        self._refresh_rows()
        self._refresh()

    def _refresh(self) -> None:
        items, current = self._list.items, self._list.current
        with QSignalBlocker(self.table):
            for row in self._rows():
                if row.item is current:
                    row.refresh()
                    self.table.setCurrentItem(row)
        self._refresh_rows_soon()
        session = self._controller.session
        self.move_button.setVisible(session is not None)
        self.move_button.setEnabled(not self._busy)
        if session is None:
            self.session_folder.setText("" if items else _HINT)
        elif session.folder is None:
            self.session_folder.setText("This image is in no file: what you click is not stored")
        else:
            self.session_folder.setText(f"Stored in {'/'.join(session.folder.parts[-2:])}")
            self.session_folder.setToolTip(str(session.folder))

    @qdebounced(timeout=_RECOUNT_AFTER)
    def _refresh_rows_soon(self) -> None:
        self._refresh_rows()

    def _refresh_rows(self) -> None:
        for row in self._rows():
            row.refresh()

    def _rows(self) -> list[_Row]:
        return [self.table.topLevelItem(i) for i in range(self.table.topLevelItemCount())]


def _table() -> QTreeWidget:
    table = QTreeWidget()
    table.setHeaderLabels(_HEADERS)
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setAllColumnsShowFocus(True)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.setFixedHeight(_HEIGHT)
    for column, tip in enumerate(_TIPS):
        table.headerItem().setToolTip(column, tip)
    header = table.header()
    header.setStretchLastSection(False)
    header.setMinimumSectionSize(24)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return table
