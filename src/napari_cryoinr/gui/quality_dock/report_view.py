"""A quality report in a dock: its numbers, and its charts, in tabs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape

from qtpy.QtWidgets import QTabWidget, QTextBrowser, QVBoxLayout, QWidget

from ...quality import QualityReport, charts
from ...quality.quality_report import BAND_HEAD
from ..widgets.chart_canvas import ChartCanvas
from ..widgets.layout import wrapping_label
from .quality_work import Measured

_CHARTS = {
    "FSC": "Fourier shell correlation of both maps, and the resolutions where it falls below 0.99"
    " and 0.5",
    "Error": "Error against density above the contour; between the lines are the voxels within"
    " 20 %",
    "Densities": "Histograms of the densities of both maps",
}
_NO_REPORT = "no report yet"
_NOT_MEASURED = "measure against the original for this chart"


class ReportView(QWidget):
    """Shows one report, or says why there is none.

    `theme` is the name of napari's theme.
    """

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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.note)
        layout.addWidget(self.tabs, stretch=1)

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

    def show_report(self, report: QualityReport, note: str, measured: Measured | None) -> None:
        """Show a report; `note` says where the numbers come from.

        Without the voxels that were counted, only the FSC has a chart, of two points.
        """
        self.note.setText(note)
        self.numbers.setHtml(_tables(report))
        errors = densities = partial(charts.draw_message, text=_NOT_MEASURED)
        if measured is not None:
            errors = partial(charts.draw_errors, counts=measured.errors, contour=report.contour)
            densities = partial(charts.draw_densities, counts=measured.densities)
        self.charts["FSC"].show_chart(partial(charts.draw_fsc, report=report))
        self.charts["Error"].show_chart(errors)
        self.charts["Densities"].show_chart(densities)


def _tables(report: QualityReport) -> str:
    """Return the numbers of a report in the HTML that Qt knows."""
    html = _table(report.rows())
    if report.bands:
        html += "<p style='font-size: 9pt'>By density, as a share of the largest magnitude</p>"
        html += _table([BAND_HEAD, *report.band_rows()])
    return html


def _table(rows: Sequence[Sequence[str]]) -> str:
    html = "<table width='99%' cellspacing='0' style='font-size: 9pt'>"
    style = "align='right' style='white-space: nowrap; padding-left: 6px'"
    for first, *others in rows:
        cells = "".join(f"<td {style}>{escape(text)}</td>" for text in others)
        html += f"<tr><td>{escape(first)}</td>{cells}</tr>"
    return html + "</table>"
