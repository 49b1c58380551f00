"""Compressing the selected layers, or all maps of a folder, with the settings above."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from magicgui.widgets import FileEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
)

from ...errors import CinrError
from ...settings import Settings
from ..widgets.job_bar import JobBar
from ..widgets.layout import Form, Section
from ..widgets.map_chooser import maps_of
from ..widgets.resources import Resources
from .batch_items import Item, Line, batch_steps, items_of_folder, items_of_layers

LAYERS, FOLDER = "Selected layers", "Maps of a folder"
_TABLE_HEIGHT = 150


class BatchPanel(Section):
    """A section for batches; the maps are read in a thread, and compressed in other processes.

    Parameters
    ----------
    resources : of the dock widget.
    settings : gives the settings; raises `CinrError` where they cannot be used.
    say : gets a line for the user.
    """

    _line_made = Signal(object)  # emitted in the thread of the batch, received on the GUI thread

    def __init__(
        self,
        viewer: Any,
        resources: Resources,
        settings: Callable[[], Settings],
        say: Callable[[str], None],
    ) -> None:
        self._viewer, self._settings, self._say = viewer, settings, say
        self.source = QComboBox()
        self.source.addItems([LAYERS, FOLDER])
        self.source.setToolTip("Which maps are compressed, each into a file of its own")
        self.from_folder = _folder_edit("The folder with the maps (MRC/CCP4)")
        self.to_folder = _folder_edit("The folder that the .cinr files go to")
        self.replace_files = QCheckBox("Replace files that are there")
        self.replace_files.setToolTip("Otherwise maps whose file is there are left out")
        self.button = QPushButton()
        self.bar = JobBar(resources)
        self.table = _table()
        form = Form()
        form.add("Maps", self.source)
        self._from_label = form.add("From", self.from_folder.native)
        form.add("Into", self.to_folder.native)
        super().__init__("Batch", form, self.replace_files, self.button, self.bar, self.table)
        self.source.currentTextChanged.connect(self.refresh)
        for edit in (self.from_folder, self.to_folder):
            edit.line_edit.changed.connect(self.refresh)
        self.button.clicked.connect(self.start)
        self.bar.changed.connect(self.refresh)
        self._line_made.connect(self._add_line)
        self.refresh()

    @property
    def lines(self) -> list[tuple[str, str]]:
        """(map, what became of it), as the table shows it."""
        rows = range(self.table.rowCount())
        return [(self.table.item(r, 0).text(), self.table.item(r, 1).text()) for r in rows]

    def start(self) -> None:
        """Compress all of them in the background."""
        folder = _folder(self.to_folder)
        try:
            items, settings = self._items(), self._settings()
        except (CinrError, OSError) as error:
            self._say(str(error))
            return
        if folder is None or self.bar.running:
            return
        self.table.setRowCount(0)
        self.table.show()
        replaced = self.replace_files.isChecked()
        steps = batch_steps(items, folder, settings, replaced, self._line_made.emit)
        self.bar.start(steps, "Compressing a batch", self._on_done, self._say)

    def refresh(self) -> None:
        """Say what would be compressed now."""
        by_layers = self.source.currentText() == LAYERS
        for widget in (self._from_label, self.from_folder.native):
            widget.setVisible(not by_layers)
        count, problem = 0, ""
        if by_layers:
            count = len(self._layers())
            problem = "" if count else "Select layers that are maps, in the layer list"
        elif _folder(self.from_folder) is None:
            problem = "Give a folder with maps"
        else:
            count = len(self._items())
            problem = "" if count else "The folder holds no map (MRC/CCP4)"
        if not problem and _folder(self.to_folder) is None:
            problem = "Give a folder for the files"
        problem = self.bar.why_busy or problem
        word = "map" if count == 1 else "maps"
        self.button.setText(f"Compress {count} {word}" if count else "Compress")
        self.button.setEnabled(not problem)
        self.button.setToolTip(problem or "Each map becomes a file of its name in the folder")

    def _layers(self) -> list[Any]:
        return [one for one in maps_of(self._viewer) if one in self._viewer.layers.selection]

    def _items(self) -> list[Item]:
        if self.source.currentText() == LAYERS:
            return items_of_layers(self._layers())
        folder = _folder(self.from_folder)
        return [] if folder is None else items_of_folder(folder)

    def _add_line(self, line: Line) -> None:
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
        self._say(f"Batch: {done} compressed{rest}")


def _folder_edit(tip: str) -> FileEdit:
    edit = FileEdit(mode="d")
    edit.line_edit.tooltip = edit.choose_btn.tooltip = tip
    edit.choose_btn.text = "..."
    edit.choose_btn.max_width = 32
    edit.margins = (0, 0, 0, 0)
    return edit


def _folder(edit: FileEdit) -> Path | None:
    """Return the folder that is given, if it is one."""
    path = Path(edit.line_edit.value).expanduser()
    return path if edit.line_edit.value and path.is_dir() else None


def _table() -> QTableWidget:
    table = QTableWidget(0, 2)
    table.setHorizontalHeaderLabels(["Map", "Result"])
    header = table.horizontalHeader()
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
    header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    table.verticalHeader().hide()
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setWordWrap(True)
    table.setMinimumHeight(_TABLE_HEIGHT)
    table.hide()
    return table
