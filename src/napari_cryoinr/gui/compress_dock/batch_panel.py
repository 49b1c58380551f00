"""Compressing the selected layers, or all maps of a folder, with the settings above."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...errors import CinrError
from ...settings import Settings
from ..io.layer_matching import is_derived, is_map
from ..widgets.job_bar import JobBar
from ..widgets.layout import Section, narrow
from ..widgets.resources import Resources
from .batch_items import Item, Line, batch_steps, items_of_folder, items_of_layers

_LAYERS, _FOLDER = "Selected layers", "Maps of a folder"
_TABLE_HEIGHT = 150


def ask_for_folder(parent: QWidget, title: str) -> str:
    """A folder; empty if the user does not choose one."""
    return str(QFileDialog.getExistingDirectory(parent, title))


class BatchPanel(Section):
    """A section for batches.

    Parameters
    ----------
    resources : of the dock widget.
    settings : gives the settings; raises `CinrError` where they cannot be used.
    said : gets a line for the user.
    """

    _told = Signal(object)

    def __init__(
        self,
        viewer: Any,
        resources: Resources,
        settings: Callable[[], Settings],
        said: Callable[[str], None],
    ) -> None:
        self._body_widget = QWidget()
        super().__init__("Batch", self._body_widget)
        self._viewer, self._settings, self._said = viewer, settings, said
        self.source = QComboBox()
        narrow(self.source)
        self.source.addItems([_LAYERS, _FOLDER])
        self.source.setToolTip("Which maps are compressed, each into a file of its own")
        self.from_folder, self.to_folder = QLineEdit(), QLineEdit()
        self.from_folder.setToolTip("The folder with the maps (MRC/CCP4)")
        self.to_folder.setToolTip("The folder that the .cinr files go to")
        self.replace_files = QCheckBox("Replace files that are there")
        self.replace_files.setToolTip("Otherwise maps whose file is there are left out")
        self.button = QPushButton()
        self.bar = JobBar(resources)
        self.table = QTableWidget(0, 2)
        self._build()
        self.source.currentTextChanged.connect(self.refresh)
        for line in (self.from_folder, self.to_folder):
            line.textChanged.connect(self.refresh)
        self.button.clicked.connect(self.start)
        self.bar.changed.connect(self.refresh)
        self._told.connect(self._add)
        self.refresh()

    @property
    def running(self) -> bool:
        """Whether a batch is going on."""
        return self.bar.running

    @property
    def lines(self) -> list[tuple[str, str]]:
        """(map, what became of it), as the table shows it."""
        rows = range(self.table.rowCount())
        return [(self.table.item(r, 0).text(), self.table.item(r, 1).text()) for r in rows]

    def start(self) -> None:
        """Compress all of them in the background."""
        try:
            items, settings = self._items(), self._settings()
        except (CinrError, OSError) as error:
            self._said(str(error))
            return
        self.table.setRowCount(0)
        self.table.show()
        self.bar.start(
            batch_steps(
                items,
                Path(self.to_folder.text()).expanduser(),
                settings,
                self.replace_files.isChecked(),
                self._told.emit,
            ),
            "Compressing a batch",
            self._on_done,
            self._said,
        )

    def _build(self) -> None:
        self.table.setHorizontalHeaderLabels(["Map", "Result"])
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(True)
        self.table.setMinimumHeight(_TABLE_HEIGHT)
        self.table.hide()
        column = QVBoxLayout(self._body_widget)
        column.setContentsMargins(0, 0, 0, 0)
        grid = QGridLayout()
        self._from_label = QLabel("From")
        self._from_browse = _browse("Choose the folder with the maps", self._choose_source)
        to_browse = _browse("Choose the folder for the .cinr files", self._choose_target)
        grid.addWidget(QLabel("Maps"), 0, 0)
        grid.addWidget(self.source, 0, 1, 1, 2)
        grid.addWidget(self._from_label, 1, 0)
        grid.addWidget(self.from_folder, 1, 1)
        grid.addWidget(self._from_browse, 1, 2)
        grid.addWidget(QLabel("Into"), 2, 0)
        grid.addWidget(self.to_folder, 2, 1)
        grid.addWidget(to_browse, 2, 2)
        column.addLayout(grid)
        for widget in (self.replace_files, self.button, self.bar, self.table):
            column.addWidget(widget)

    def _choose_source(self) -> None:
        self._choose(self.from_folder, "Folder with maps")

    def _choose_target(self) -> None:
        self._choose(self.to_folder, "Folder for the .cinr files")

    def _choose(self, line: QLineEdit, title: str) -> None:
        folder = ask_for_folder(self, title)
        if folder:
            line.setText(folder)

    def _layers(self) -> list[Any]:
        chosen = self._viewer.layers.selection
        return [
            layer
            for layer in self._viewer.layers
            if layer in chosen and is_map(layer) and not is_derived(layer)
        ]

    def _items(self) -> list[Item]:
        if self.source.currentText() == _LAYERS:
            return items_of_layers(self._layers())
        return items_of_folder(Path(self.from_folder.text()).expanduser())

    def refresh(self) -> None:
        """Say what would be compressed now."""
        by_layers = self.source.currentText() == _LAYERS
        for widget in (self._from_label, self.from_folder, self._from_browse):
            widget.setVisible(not by_layers)
        count, problem = 0, None
        folder, target = self.from_folder.text(), self.to_folder.text()
        if by_layers:
            count = len(self._layers())
            problem = None if count else "Select layers that are maps, in the layer list"
        elif not folder or not Path(folder).expanduser().is_dir():
            problem = "Give a folder with maps"
        else:
            count = len(items_of_folder(Path(folder).expanduser()))
            problem = None if count else "The folder holds no map (MRC/CCP4)"
        if problem is None and (not target or not Path(target).expanduser().is_dir()):
            problem = "Give a folder for the files"
        if self.bar.running:
            problem = "Wait for the batch that is going on, or cancel it"
        word = "map" if count == 1 else "maps"
        self.button.setText(f"Compress {count} {word}" if count else "Compress")
        self.button.setEnabled(problem is None)
        self.button.setToolTip(problem or "Each map becomes a file of its name in the folder")

    def _add(self, line: Line) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, text in enumerate((line.name, line.text)):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            self.table.setItem(row, column, item)
        self.table.resizeRowsToContents()

    def _on_done(self, counts: tuple[int, int]) -> None:
        done, failed = counts
        rest = f", {failed} not" if failed else ""
        self._said(f"Batch: {done} compressed{rest}")


def _browse(tip: str, choose: Callable[[], None]) -> QPushButton:
    button = QPushButton("...")
    button.setFixedWidth(32)
    button.setToolTip(tip)
    button.clicked.connect(choose)
    return button
