"""Compressing the selected layers, or all maps of a folder, with the settings above.

The maps go one after the other; a failure does not stop the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from magicgui.widgets import FileEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QPlainTextEdit

from ... import workers
from ...batches.planning import map_files
from ...errors import CinrError, one_line
from ...maps.map_reading import read_map
from ...progress import Progress, Steps
from ...settings import Settings
from ...support.output_paths import file_stems
from ..io.map_layers import MapReader, map_reader
from ..widgets.job_bar import JobBar
from ..widgets.layout import Form, Section, button
from ..widgets.map_chooser import maps_of
from ..widgets.resources import Resources

LAYERS, FOLDER = "Selected layers", "Maps of a folder"
_LOG_HEIGHT = 150

Item = tuple[str, MapReader]  # name of a map, and a function that reads it in any thread


class BatchPanel(Section):
    """A section for batches; the maps are read in a thread, and compressed in child processes.

    `settings` returns the settings, or raises `CinrError`; `say` shows a line to the user.
    """

    _line_made = Signal(str, str)  # emitted in the thread of the batch, received on the GUI thread

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
        self.replace_files = QCheckBox("Replace files that exist")
        self.replace_files.setToolTip("Otherwise maps whose file exists are left out")
        self.button = button("", "", self.start)
        self.bar = JobBar(resources)
        self.lines: list[tuple[str, str]] = []  # name of a map, and what became of it
        self._log = QPlainTextEdit()
        self._log.setReadOnly(True)
        self._log.setMinimumHeight(_LOG_HEIGHT)
        self._log.hide()
        form = Form()
        form.add("Maps", self.source)
        self._from_label = form.add("From", self.from_folder.native)
        form.add("Into", self.to_folder.native)
        super().__init__("Batch", form, self.replace_files, self.button, self.bar, self._log)
        self.source.currentTextChanged.connect(self.refresh)
        for edit in (self.from_folder, self.to_folder):
            edit.line_edit.changed.connect(self.refresh)
        self.bar.changed.connect(self.refresh)
        self._line_made.connect(self._add_line)
        self.refresh()

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
        self.lines = []
        self._log.clear()
        self._log.show()
        replaced = self.replace_files.isChecked()
        steps = batch_steps(items, folder, settings, replaced, self._line_made.emit)
        self.bar.start(steps, "Compressing a batch", self._say, self._say)

    def refresh(self) -> None:
        """Say what would be compressed now."""
        by_layers = self.source.currentText() == LAYERS
        for widget in (self._from_label, self.from_folder.native):
            widget.setVisible(not by_layers)
        count = len(self._layers() if by_layers else self._items())
        problem = self.bar.why_busy
        if not problem and not count:
            problem = "The folder holds no map (MRC/CCP4)"
            if by_layers:
                problem = "Select layers that are maps, in the layer list"
            elif _folder(self.from_folder) is None:
                problem = "Give a folder with maps"
        elif not problem and _folder(self.to_folder) is None:
            problem = "Give a folder for the files"
        word = "map" if count == 1 else "maps"
        self.button.setText(f"Compress {count} {word}" if count else "Compress")
        self.button.setEnabled(not problem)
        self.button.setToolTip(problem or "Each map becomes a file of its name in the folder")

    def _layers(self) -> list[Any]:
        return [layer for layer in maps_of(self._viewer) if layer in self._viewer.layers.selection]

    def _items(self) -> list[Item]:
        if self.source.currentText() == LAYERS:
            return [(layer.name, map_reader(layer)) for layer in self._layers()]
        folder = _folder(self.from_folder)
        files = [] if folder is None else map_files(folder, deep=False)
        return [(path.name, partial(read_map, path)) for path in files]

    def _add_line(self, name: str, text: str) -> None:
        self.lines.append((name, text))
        self._log.appendPlainText(f"{name}: {text}")


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


def batch_steps(
    items: Sequence[Item],
    folder: Path,
    settings: Settings,
    replace_files: bool,
    report: Callable[[str, str], object],
) -> Steps[str]:
    """Compress maps into files of a folder, each in a child process.

    `report` is called with the name of each map and a line about it, in the thread that does the
    work. Returns a line about the batch.
    """
    done, names = 0, []
    for number, (name, read) in enumerate(items):
        yield Progress(name, 0, 1, share=number / len(items))
        try:
            density_map = read()
            names.append(density_map.name)
            stem = file_stems(names)[-1]  # unlike those before
            target = folder / f"{stem}.cinr"
            if target.exists() and not replace_files:
                raise CinrError(f"{target.name} exists already; left as it is")
            steps = workers.compress_steps(density_map, target, settings)
            (made,) = yield from _placed_steps(steps, name, number, len(items))
        except (CinrError, OSError, MemoryError) as error:
            report(name, one_line(error))
        else:
            done += 1
            report(name, f"{made.bytes:,} bytes, {made.ratio:,.1f} : 1, NRMSE {made.nrmse:.3g}")
    failed = f", {len(items) - done} not" if done < len(items) else ""
    return f"Batch: {done} compressed{failed}"


def _placed_steps(steps: Steps[Any], name: str, number: int, count: int) -> Steps[Any]:
    """Show the progress of one map as a share of the whole batch."""
    try:
        while True:
            record = next(steps)
            share = (number + (record.share or 0.0)) / count
            yield replace(record, phase=f"{name}: {record.phase}", share=share, loss=None)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()
