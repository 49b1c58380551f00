"""Buttons that copy and save a quality report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QApplication, QHBoxLayout, QPushButton, QWidget

from ...errors import CinrError, one_line
from ...quality import QualityReport
from ...quality.csv_report import write_csv
from ...support.output_paths import file_stems
from ..io.map_layers import map_reader
from ..widgets.dialogs import ask_for_target
from ..widgets.dock import DockWidget
from .quality_work import Measured, html_steps


@dataclass(frozen=True, eq=False)
class ShownReport:
    """A report, and where it comes from."""

    report: QualityReport
    note: str  # where it comes from, in a sentence
    measured: Measured | None = None  # what was counted for its charts
    original: Any = None  # layer; None where it is not known, or removed
    decoded: Any = None
    recorded: bool = False  # read from the archive, not measured here

    @property
    def name(self) -> str:
        """Name of the map."""
        layer = self.original if self.decoded is None else self.decoded
        return "map" if layer is None else str(layer.name)

    @property
    def pictured(self) -> bool:
        """Whether pictures can be made."""
        return None not in (self.measured, self.original, self.decoded)


class SavingRow(QWidget):
    """Copy the text, save as HTML, save as CSV; `dock` runs the work and shows what was done."""

    def __init__(self, dock: DockWidget) -> None:
        super().__init__()
        self._dock = dock
        self._shown: ShownReport | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.copy_button = QPushButton("Copy text")
        self.html_button = QPushButton("Save HTML...")
        self.csv_button = QPushButton("Save CSV...")
        self.copy_button.clicked.connect(self._copy)
        self.html_button.clicked.connect(self._save_html)
        self.csv_button.clicked.connect(self._save_csv)
        for button in (self.copy_button, self.html_button, self.csv_button):
            layout.addWidget(button)

    def offer(self, shown: ShownReport | None, busy: str) -> None:
        """Let this report be saved; None: there is none. `busy` says why nothing can be done."""
        self._shown = shown
        why_not = busy or ("" if shown else "There is no report yet.")
        pictures = "with pictures"
        if shown is None or shown.measured is None:
            pictures = "without pictures: the voxels were not measured"
        elif not shown.pictured:
            pictures = "without pictures: a layer was removed"
        for button, tip in (
            (self.copy_button, "Copy the numbers to the clipboard, in aligned lines"),
            (self.html_button, f"Save the report as one HTML file, {pictures}"),
            (self.csv_button, "Save all numbers, the density bands and the FSC curve as a table"),
        ):
            button.setEnabled(not why_not)
            button.setToolTip(why_not or tip)

    def _copy(self) -> None:
        assert self._shown is not None
        QApplication.clipboard().setText(f"{self._shown.note}\n{self._shown.report.text()}\n")
        self._dock.say("Copied to the clipboard.")

    def _save_html(self) -> None:
        shown, path = self._shown, self._ask("HTML", ".html")
        if shown is None or path is None:
            return
        pair = None
        if shown.pictured:
            pair = map_reader(shown.original), map_reader(shown.decoded)
        steps = html_steps(path, shown.name, shown.report, shown.note, pair)
        self._dock.start(steps, f"Saving {path.name}", self._on_written)

    def _save_csv(self) -> None:
        shown, path = self._shown, self._ask("CSV", ".csv")
        if shown is None or path is None:
            return
        try:
            write_csv(path, shown.report, {"map": shown.name, "note": shown.note}, overwrite=True)
        except (CinrError, OSError) as error:
            self._dock.say(one_line(error))
        else:
            self._on_written(path)

    def _ask(self, kind: str, suffix: str) -> Path | None:
        assert self._shown is not None
        (stem,) = file_stems([self._shown.name])
        return ask_for_target(self, f"Save the report as {kind}", f"{stem}-quality{suffix}", kind)

    def _on_written(self, path: Path) -> None:
        self._dock.say(f"Written: {path} ({path.stat().st_size:,} bytes).")
