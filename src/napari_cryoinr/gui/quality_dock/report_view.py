"""A quality report in a dock: its numbers and charts in tabs, and buttons that save it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path

from qtpy.QtWidgets import QApplication, QHBoxLayout, QTabWidget, QTextBrowser, QWidget

from ...errors import CinrError, one_line
from ...quality import charts
from ...quality.quality_report import BAND_HEAD
from ...support.output_paths import file_stems
from ..io.map_layers import map_reader
from ..widgets.chart_canvas import ChartCanvas
from ..widgets.dock import DockWidget, ask_for_target
from ..widgets.layout import button, fill, wrapping_label
from .quality_work import ShownLikeness, ShownReport, html_steps

Shown = ShownReport | ShownLikeness

_CHARTS = {
    "FSC": "Fourier shell correlation in what is kept, and where it falls below 0.99 and 0.5",
    "Error": "Error against density above the contour; between the lines are the voxels within"
    " 20 %",
    "Densities": "Histograms of the densities of both maps",
}
_NO_REPORT = "no report yet"
_TWO_MAPS = "for a decoded map and its original"
_NOT_MEASURED = "measure against the original for this chart"


class ReportView(QWidget):
    """Shows one report, or says why there is none; `theme` is the name of napari's theme."""

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.note = wrapping_label("What the numbers below are")
        self.numbers = QTextBrowser()
        self.numbers.setPlaceholderText(_NO_REPORT)
        self.numbers.setMinimumHeight(160)
        self.tabs = QTabWidget()
        tip = "The report as a table; select and copy what you need"
        self.tabs.setTabToolTip(self.tabs.addTab(self.numbers, "Numbers"), tip)
        self.charts = {name: ChartCanvas(theme) for name in _CHARTS}
        for name, canvas in self.charts.items():
            self.tabs.setTabToolTip(self.tabs.addTab(canvas, name), _CHARTS[name])
        fill(self, self.note, self.tabs).setStretchFactor(self.tabs, 1)

    def set_theme(self, theme: str) -> None:
        """Draw the charts in the colours of another theme of napari."""
        for canvas in self.charts.values():
            canvas.set_theme(theme)

    def show_nothing(self, text: str) -> None:
        """Say what is needed for a report."""
        self.note.setText(text)
        self.numbers.clear()
        for canvas in self.charts.values():
            canvas.show_chart(partial(charts.draw_message, text=_NO_REPORT))

    def show_report(self, shown: ShownReport) -> None:
        """Show a report; if no voxels were counted, only the FSC has a chart, of two points."""
        report, measured = shown.report, shown.measured
        self.note.setText(shown.note)
        tables = f"<p><b>{escape(report.verdict())}</b></p>{_table(report.rows())}"
        if report.bands:
            title = "By density, as a share of the largest magnitude"
            tables += f"<p style='font-size: 9pt'>{title}</p>"
            tables += _table([BAND_HEAD, *report.band_rows()])
        self.numbers.setHtml(tables)
        errors = densities = partial(charts.draw_message, text=_NOT_MEASURED)
        if measured is not None:
            errors = partial(charts.draw_errors, counts=measured.errors, contour=report.contour)
            densities = partial(charts.draw_densities, counts=measured.densities)
        self.charts["FSC"].show_chart(partial(charts.draw_fsc, report=report))
        self.charts["Error"].show_chart(errors)
        self.charts["Densities"].show_chart(densities)

    def show_likeness(self, shown: ShownLikeness) -> None:
        """Show how alike two maps are."""
        likeness = shown.likeness
        self.note.setText(shown.note)
        self.numbers.setHtml(f"<p><b>{escape(likeness.verdict())}</b></p>{_table(likeness.rows())}")
        self.charts["FSC"].show_chart(partial(charts.draw_likeness, likeness=likeness))
        for name in ("Error", "Densities"):
            self.charts[name].show_chart(partial(charts.draw_message, text=_TWO_MAPS))


def _table(rows: Sequence[Sequence[str]]) -> str:
    html = "<table width='99%' cellspacing='0' style='font-size: 9pt'>"
    for first, *others in rows:
        # Of two columns both wrap, for values can be long; numbers in more columns never do.
        wrap, width = ("normal", " width='50%'") if len(others) == 1 else ("nowrap", "")
        style = f"align='right' style='white-space: {wrap}; padding-left: 6px'"
        cells = "".join(f"<td {style}>{escape(text)}</td>" for text in others)
        html += f"<tr><td{width}>{escape(first)}</td>{cells}</tr>"
    return html + "</table>"


class SavingRow(QWidget):
    """Copy the text, save as HTML, save as CSV; `dock` runs the work and shows what was done."""

    def __init__(self, dock: DockWidget) -> None:
        super().__init__()
        self._dock = dock
        self._shown: Shown | None = None
        self.copy_button = button("Copy text", "", self._copy)
        self.html_button = button("Save HTML...", "", self._save_html)
        self.csv_button = button("Save CSV...", "", self._save_csv)
        fill(self, self.copy_button, self.html_button, self.csv_button, kind=QHBoxLayout)

    def offer(self, shown: Shown | None, busy: str) -> None:
        """Let this report be saved; None: there is none. `busy` says why nothing can be done."""
        self._shown = shown
        why_not = busy or ("" if shown else "There is no report yet.")
        report = shown if isinstance(shown, ShownReport) else None
        pictures = "with pictures"
        if report is None or report.measured is None:
            pictures = "without pictures: the voxels were not measured"
        elif not report.pictured:
            pictures = "without pictures: a layer was removed"
        for one, tip in (
            (self.copy_button, "Copy the numbers to the clipboard, in aligned lines"),
            (self.html_button, f"Save the report as one HTML file, {pictures}"),
            (self.csv_button, "Save all numbers, the density bands and the FSC curve as a table"),
        ):
            one.setEnabled(not why_not)
            one.setToolTip(why_not or tip)
        if isinstance(shown, ShownLikeness):
            self.html_button.setEnabled(False)
            self.html_button.setToolTip(f"A page with pictures is made {_TWO_MAPS}")

    def _copy(self) -> None:
        assert self._shown is not None
        QApplication.clipboard().setText(f"{self._shown.note}\n{self._shown.text}\n")
        self._dock.say("Copied to the clipboard.")

    def _save_html(self) -> None:
        shown, path = self._shown, self._ask("HTML", ".html")
        if not isinstance(shown, ShownReport) or path is None:
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
            shown.write_csv(path)
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
