"""Compressing the selected layers, or all maps of a folder, with the settings above.

By the runner of `cryoinr batch`: a failure does not stop the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magicgui.widgets import FileEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QSpinBox

from ...batches.planning import map_files
from ...batches.summary import CSV_NAME, write_table
from ...errors import CinrError, one_line
from ...settings import Settings
from ...workers.map_jobs import MapResult
from ..io.map_layers import map_reader
from ..preferences import saved_scheduler
from ..widgets.dock import ask_for_target
from ..widgets.job_bar import JobBar
from ..widgets.layout import Form, Section, button
from ..widgets.map_chooser import maps_of
from ..widgets.resources import Resources
from .batch_table import BatchTable
from .batch_work import LEAVE, REPLACE, RESUME, Batch

LAYERS, FOLDER = "Selected layers", "Maps of a folder"


class BatchPanel(Section):
    """A section for batches; the maps are compressed in child processes, or by a Dask cluster.

    `settings` returns the settings, or raises `CinrError`; `say` shows a line to the user.
    """

    _result_made = Signal(object)  # emitted in the thread of the batch, received on the GUI thread

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
        self.source.setToolTip("Which maps are compressed, each into its own file")
        self.from_folder = _folder_edit("The folder with the maps (MRC/CCP4)")
        self.to_folder = _folder_edit("The folder that the .cinr files are written to")
        self.deep = QCheckBox("With its sub-folders")
        self.deep.setToolTip("Which are made again in the folder of the files")
        self.existing = QComboBox()
        self.existing.addItems([LEAVE, RESUME, REPLACE])
        self.existing.setToolTip(
            "What becomes of files that exist. A file is right if it is sound, and was made from"
            " this map with these settings; others are made again"
        )
        self.jobs = QSpinBox()
        self.jobs.setRange(1, max(1, os.cpu_count() or 1))
        self.jobs.setToolTip("How many maps are compressed at a time on this machine")
        self.button = button("", "", self.start)
        self.bar = JobBar(resources)
        self.table = BatchTable()
        self.save_button = button(
            "Save table...", "Write the table as CSV, with what is known of each map", self.save
        )
        form = Form()
        form.add("Maps", self.source)
        self._from_label = form.add("From", self.from_folder.native)
        self._deep_label = form.add("", self.deep)
        form.add("Into", self.to_folder.native)
        form.add("Files that exist", self.existing)
        form.add("At a time", self.jobs)
        super().__init__("Batch", form, self.button, self.bar, self.table, self.save_button)
        self.source.currentTextChanged.connect(self.refresh)
        self.deep.toggled.connect(self.refresh)
        for edit in (self.from_folder, self.to_folder):
            edit.line_edit.changed.connect(self.refresh)
        self.bar.changed.connect(self.refresh)
        self._result_made.connect(self._add_result)
        self.refresh()

    def start(self) -> None:
        """Compress all of them in the background."""
        folder, source = _target(self.to_folder), _folder(self.from_folder)
        if folder is None or self.bar.running:
            return
        try:
            batch = Batch(
                folder,
                self._settings(),
                self._result_made.emit,
                self.existing.currentText(),
                self.jobs.value(),
                saved_scheduler(),
            )
            if self._by_layers:
                layers = [(layer.name, map_reader(layer)) for layer in self._layers()]
                steps = batch.layers_steps(layers)
            elif source is not None:
                steps = batch.files_steps(source, self.deep.isChecked())
            else:
                return
            folder.mkdir(exist_ok=True)
        except CinrError as error:
            self._say(str(error))
            return
        except OSError as error:
            self._say(f"{folder}: cannot be made ({error.strerror or error})")
            return
        self.table.clear_results()
        self.bar.start(
            steps,
            "Compressing a batch",
            lambda results: self._say(_line(results)),
            self._say,
            kept="files that are complete stay",
        )

    def save(self) -> None:
        """Ask for a file, and write the table into it."""
        path = ask_for_target(self, "Save Table", CSV_NAME, "tables")
        if path is None:
            return
        try:
            write_table(path, self.table.results)
        except OSError as error:
            self._say(one_line(error))

    def refresh(self) -> None:
        """Say what would be compressed now."""
        by_layers = self._by_layers
        for widget in (self._from_label, self.from_folder.native, self._deep_label, self.deep):
            widget.setVisible(not by_layers)
        source, problem = _folder(self.from_folder), self.bar.why_busy
        if by_layers:
            count: int | None = len(self._layers())
            nothing = "Select layers that are maps, in the layer list"
        elif source is None:
            count, nothing = 0, "Give a folder with maps"
        else:  # all sub-folders may be far too many to look into here
            count = None if self.deep.isChecked() else len(map_files(source, deep=False))
            nothing = "The folder holds no map (MRC/CCP4)"
        if not problem and count == 0:
            problem = nothing
        elif not problem and _target(self.to_folder) is None:
            problem = "Give a folder for the files; a new one in a folder that exists is made"
        what = "all maps" if count is None else f"{count} map" if count == 1 else f"{count} maps"
        self.button.setText(f"Compress {what}" if count != 0 else "Compress")
        self.button.setEnabled(not problem)
        self.button.setToolTip(problem or "Each map becomes a file of its name in the folder")
        self.save_button.setVisible(bool(self.table.results))

    @property
    def _by_layers(self) -> bool:
        return bool(self.source.currentText() == LAYERS)

    def _layers(self) -> list[Any]:
        return [layer for layer in maps_of(self._viewer) if layer in self._viewer.layers.selection]

    def _add_result(self, result: MapResult) -> None:
        self.table.add(result)
        self.save_button.show()


def _line(results: list[MapResult]) -> str:
    done = sum(not result.error for result in results)
    failed = f", {len(results) - done} not" if done < len(results) else ""
    return f"Batch: {done} compressed{failed}"


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


def _target(edit: FileEdit) -> Path | None:
    """Return the folder that is given, if it is one or can be made."""
    path = Path(edit.line_edit.value).expanduser()
    can_be_made = not path.exists() and path.parent.is_dir()
    return path if edit.line_edit.value and (path.is_dir() or can_be_made) else None
