"""Buttons that copy and save a quality report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QApplication, QHBoxLayout, QPushButton, QWidget

from ...quality import QualityReport
from ...quality.csv_report import write_csv
from ..io.map_layers import map_reader
from ..widgets.dialogs import ask_for_target
from ..widgets.dock import DockWidget
from .quality_work import Measured, html_steps


@dataclass(frozen=True, eq=False)
class ShownReport:
    """A report, and where it comes from.

    Attributes
    ----------
    note : where it comes from, in a sentence.
    measured : what was counted for its charts, if anything was.
    original, decoded : the layers that it is about; None where they are not known, or removed.
    recorded : it was not measured here, but read from the archive.
    """

    report: QualityReport
    note: str
    measured: Measured | None = None
    original: Any = None
    decoded: Any = None
    recorded: bool = False

    @property
    def name(self) -> str:
        """Name of the map."""
        named = [layer for layer in (self.decoded, self.original) if layer is not None]
        return str(named[0].name) if named else "map"

    @property
    def pair(self) -> tuple[Any, Any] | None:
        """The layers (original, decoded) that pictures can be made of, if they can."""
        if self.measured is None or self.original is None or self.decoded is None:
            return None
        return self.original, self.decoded


class SavingRow(QWidget):
    """Copy the text, save as HTML, save as CSV.

    Parameters
    ----------
    dock : runs the work, and says what was done, or what went wrong.
    """

    def __init__(self, dock: DockWidget) -> None:
        super().__init__()
        self._dock = dock
        self._shown: ShownReport | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.copy_button, self.html_button, self.csv_button = (
            QPushButton(text) for text in ("Copy text", "Save HTML...", "Save CSV...")
        )
        for button, slot in (
            (self.copy_button, self._copy),
            (self.html_button, self._save_html),
            (self.csv_button, self._save_csv),
        ):
            button.clicked.connect(slot)
            layout.addWidget(button)

    def offer(self, shown: ShownReport | None, busy: str) -> None:
        """Let this report be saved; None: there is none. `busy` says why nothing can be done."""
        self._shown = shown
        why_not = busy or ("" if shown else "There is no report yet.")
        for button, tip in (
            (self.copy_button, "Copy the numbers to the clipboard, in aligned lines"),
            (self.html_button, f"Save the report as one HTML file, {self._pictured()}"),
            (self.csv_button, "Save all numbers, the density bands and the FSC curve as a table"),
        ):
            button.setEnabled(not why_not)
            button.setToolTip(why_not or tip)

    def _pictured(self) -> str:
        if self._shown is None or self._shown.measured is None:
            return "without pictures: the voxels were not measured"
        return "with pictures" if self._shown.pair else "without pictures: a layer was removed"

    def _copy(self) -> None:
        if self._shown is not None:
            QApplication.clipboard().setText(f"{self._shown.note}\n{self._shown.report.text()}\n")
            self._dock.say("Copied to the clipboard.")

    def _save_html(self) -> None:
        shown = self._shown
        path = self._ask("HTML", ".html")
        if shown is None or path is None:
            return
        pair = None
        if shown.pair is not None:
            pair = map_reader(shown.pair[0]), map_reader(shown.pair[1])
        steps = html_steps(path, shown.name, shown.report, shown.note, pair)
        self._dock.start(steps, f"Saving {path.name}", self._on_written)

    def _save_csv(self) -> None:
        shown = self._shown
        path = self._ask("CSV", ".csv")
        if shown is None or path is None:
            return
        try:
            write_csv(path, shown.report, {"map": shown.name, "note": shown.note})
        except OSError as error:
            self._dock.say(f"{path}: cannot be written ({error.strerror or error}).")
        else:
            self._on_written(path)

    def _ask(self, kind: str, suffix: str) -> Path | None:
        if self._shown is None:
            return None
        plain = "".join(c if c.isalnum() or c in "-_. " else "_" for c in self._shown.name)
        title, name = f"Save the report as {kind}", f"{plain}-quality{suffix}"
        return ask_for_target(self, title, name, kind)

    def _on_written(self, path: Path) -> None:
        self._dock.say(f"Written: {path} ({path.stat().st_size:,} bytes).")
