"""Which micrograph is worked on: a list with what is known of each, and the way to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...picking.micrographs import micrograph_name
from .desk import Desk
from .places import Place

_HEIGHT = 112
_RECOUNT_AFTER = 200  # milliseconds: of all micrographs, while a slider is moved
_NAME, _PARTICLES, _REJECTED, _REVIEWED = range(4)
_HEADERS = ["Micrograph", "n", "\N{MULTIPLICATION X}", "\N{CHECK MARK}"]
_TIPS = ("Choose one to show it", "Particles", "Rejected", "Reviewed")
_HINT = "Open a folder of micrographs, or one micrograph with File > Open File(s)..."


def ask_for_folder(parent: QWidget, title: str) -> str:
    """A folder; empty if the user does not choose one."""
    return str(QFileDialog.getExistingDirectory(parent, title))


class MicrographList(QWidget):
    """Lists the micrographs of a desk, and shows the one that is chosen."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.open_button = QPushButton("Open folder...")
        self.open_button.setToolTip("Work through the micrographs of a folder (MRC, TIFF)")
        self.back_button = QPushButton("\N{BLACK LEFT-POINTING TRIANGLE}")
        self.back_button.setToolTip("The micrograph before (Page Up)")
        self.next_button = QPushButton("Next \N{BLACK RIGHT-POINTING TRIANGLE}")
        self.next_button.setToolTip("The next micrograph (Page Down)")
        self.table = QTreeWidget()
        self.kept = QLabel()
        self.kept_button = QPushButton("Change...")
        self.kept_button.setToolTip("Keep the session in another folder, or open one that is there")
        self._recount = QTimer(self)
        self._recount.setSingleShot(True)
        self._recount.setInterval(_RECOUNT_AFTER)
        self._recount.timeout.connect(self._count_all)
        self._build()
        self.open_button.clicked.connect(self.choose_folder)
        self.kept_button.clicked.connect(self.choose_session)
        self.back_button.clicked.connect(self.back)
        self.next_button.clicked.connect(self.forward)
        self.table.currentItemChanged.connect(self._on_chosen)
        for keys, call in (("PgUp", self.back), ("PgDown", self.forward)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.activated.connect(call)
        desk.shelf.listed.connect(self._list)
        desk.changed.connect(self._refresh)
        self._list()

    def set_busy(self, busy: bool) -> None:
        """Whether work is going on, whose session must stay where it is."""
        self.kept_button.setEnabled(not busy)

    def choose_folder(self) -> None:
        """Ask for a folder of micrographs and open it."""
        folder = ask_for_folder(self, "Folder of micrographs")
        if folder:
            self._desk.shelf.open_folder(Path(folder))

    def choose_session(self) -> None:
        """Ask where the session is kept."""
        folder = ask_for_folder(self, "Folder of the session")
        if folder:
            self._desk.shelf.keep_in(Path(folder))

    def back(self) -> None:
        """Show the micrograph before."""
        self._desk.shelf.step(-1)

    def forward(self) -> None:
        """Show the next micrograph."""
        self._desk.shelf.step(1)

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """The texts of the list."""
        rows = [self.table.topLevelItem(i) for i in range(self.table.topLevelItemCount())]
        return [tuple(row.text(column) for column in range(4)) for row in rows]

    def _build(self) -> None:
        self.table.setHeaderLabels(_HEADERS)
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setAllColumnsShowFocus(True)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setFixedHeight(_HEIGHT)
        for column, tip in enumerate(_TIPS):
            self.table.headerItem().setToolTip(column, tip)
        header = self.table.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.kept.setWordWrap(True)
        steps = QHBoxLayout()
        steps.addWidget(self.open_button, stretch=1)
        steps.addWidget(self.back_button)
        steps.addWidget(self.next_button)
        kept = QHBoxLayout()
        kept.addWidget(self.kept, stretch=1)
        kept.addWidget(self.kept_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(steps)
        column.addWidget(self.table)
        column.addLayout(kept)

    def _list(self) -> None:
        """List the places anew, if they are others."""
        places = self._desk.shelf.places
        if [self._place(row) for row in self._rows()] != places:
            with QSignalBlocker(self.table):
                self.table.clear()
                for place in places:
                    row = QTreeWidgetItem()
                    row.setData(_NAME, Qt.ItemDataRole.UserRole, place)
                    for column in (_PARTICLES, _REJECTED, _REVIEWED):
                        row.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)
                    self.table.addTopLevelItem(row)
        self._count_all()
        self._refresh()

    def _rows(self) -> list[QTreeWidgetItem]:
        return [self.table.topLevelItem(i) for i in range(self.table.topLevelItemCount())]

    def _place(self, row: QTreeWidgetItem) -> Place:
        return row.data(_NAME, Qt.ItemDataRole.UserRole)

    def _refresh(self) -> None:
        """Show which one is chosen and what is known of it; of the others a bit later."""
        desk, shelf = self._desk, self._desk.shelf
        with QSignalBlocker(self.table):
            for row in self._rows():
                if self._place(row) is shelf.place:
                    self._count(row)
                    if self.table.currentItem() is not row:
                        self.table.setCurrentItem(row)
        self._recount.start()
        at = shelf.places.index(shelf.place) if shelf.place in shelf.places else -1
        self.back_button.setEnabled(at > 0)
        self.next_button.setEnabled(at < len(shelf.places) - 1)
        session = desk.session
        self.kept_button.setVisible(session is not None)
        if session is None:
            self.kept.setText("" if shelf.places else _HINT)
        elif session.folder is None:
            self.kept.setText("This image is in no file: nothing keeps what you click")
        else:
            self.kept.setText(f"All is kept in {_short(session.folder)}")
            self.kept.setToolTip(str(session.folder))

    def _count_all(self) -> None:
        for row in self._rows():
            self._count(row)

    def _count(self, row: QTreeWidgetItem) -> None:
        place = self._place(row)
        texts = [micrograph_name(place.name), "", "", ""]
        if place.session is not None:
            marked, picked, rejected = place.session.counts(place.name)
            entry = place.session.entry(place.name)
            old = " (old)" if place.session.is_outdated(place.name) else ""
            texts[_PARTICLES] = f"{marked + picked}{old}" if marked + picked or old else ""
            texts[_REJECTED] = str(rejected) if rejected else ""
            texts[_REVIEWED] = "\N{CHECK MARK}" if entry.reviewed else ""
        for column, text in enumerate(texts):
            if row.text(column) != text:
                row.setText(column, text)
        row.setToolTip(_NAME, place.name)

    def _on_chosen(self, row: Any, before: Any) -> None:
        if row is not None:
            self._desk.shelf.go(self._place(row))


def _short(folder: Path) -> str:
    """A folder by its last two names."""
    return "/".join(folder.parts[-2:])
