"""A quality report in a dock: its numbers, and its charts, in tabs."""

from __future__ import annotations

from functools import partial
from html import escape

from qtpy.QtWidgets import QTabWidget, QTextBrowser, QVBoxLayout, QWidget

from ...quality import QualityReport, charts
from ..widgets.chart_canvas import ChartCanvas, Draw
from ..widgets.layout import wrapping_label
from .quality_work import Measured

TABS = ("numbers", "fsc", "error", "densities")
_TITLES = ("Numbers", "FSC", "Error", "Densities")
_TIPS = (
    "The report as a table; select and copy what you need",
    "Fourier shell correlation of both maps, and the resolutions where it falls below 0.99 and 0.5",
    "Error against density above the contour; between the lines are the voxels within 20 %",
    "Histograms of the densities of both maps",
)
_BAND_HEAD = ("band", "voxels", "within 20 %", "mean relative error")
_VALUE = "align='right' style='white-space: nowrap; padding-left: 6px'"
_NO_REPORT = "no report yet"


class ReportView(QWidget):
    """Shows one report, or says why there is none.

    Parameters
    ----------
    theme : name of napari's theme.
    """

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.note = wrapping_label("What the numbers below are")
        self.numbers = QTextBrowser()
        self.numbers.setPlaceholderText(_NO_REPORT)
        self.numbers.setMinimumHeight(160)
        self.panels = {name: _Panel(theme) for name in TABS[1:]}
        self.tabs = QTabWidget()
        for title, tip, page in zip(
            _TITLES, _TIPS, (self.numbers, *self.panels.values()), strict=True
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(page, title), tip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.note)
        layout.addWidget(self.tabs, stretch=1)

    @property
    def tab(self) -> str:
        """Which of `TABS` is in front."""
        return TABS[self.tabs.currentIndex()]

    @tab.setter
    def tab(self, name: str) -> None:
        self.tabs.setCurrentIndex(TABS.index(name))

    def set_theme(self, theme: str) -> None:
        """Draw the charts in the colours of another theme of napari."""
        for panel in self.panels.values():
            panel.canvas.set_theme(theme)

    def show_nothing(self, text: str) -> None:
        """Say what is needed for a report."""
        self.note.setText(text)
        self.numbers.clear()
        for panel in self.panels.values():
            panel.show_chart(partial(charts.draw_message, text=_NO_REPORT))

    def show_report(
        self, report: QualityReport, note: str, measured: Measured | None, missing: str
    ) -> None:
        """Show a report.

        Parameters
        ----------
        note : where the numbers come from.
        measured : what was counted for the charts; without it they show what the report tells.
        missing : why nothing was counted.
        """
        self.note.setText(note)
        self.numbers.setHtml(_tables(report))
        two_points = "" if report.fsc else f"Two points alone: {missing}"
        self.panels["fsc"].show_chart(partial(charts.draw_fsc, report=report), two_points)
        if measured is None:
            bands = f"By density band alone: {missing}"
            self._show_counts(
                partial(charts.draw_band_errors, report=report),
                partial(charts.draw_band_voxels, report=report),
                bands,
            )
        else:
            self._show_counts(
                partial(charts.draw_errors, counts=measured.errors, contour=report.contour),
                partial(charts.draw_densities, counts=measured.densities),
            )

    def _show_counts(self, errors: Draw, densities: Draw, missing: str = "") -> None:
        self.panels["error"].show_chart(errors, missing)
        self.panels["densities"].show_chart(densities, missing)


def _tables(report: QualityReport) -> str:
    """Return the numbers of a report in the HTML that Qt knows."""
    html = ["<table width='99%' cellspacing='0' style='font-size: 9pt'>"]
    for name, value in report.rows():
        html.append(f"<tr><td>{escape(name)}</td><td {_VALUE}>{escape(value)}</td></tr>")
    html.append("</table>")
    if report.bands:
        html.append("<p style='font-size: 9pt'>By density, as a share of the largest magnitude</p>")
        html.append("<table width='99%' cellspacing='0' style='font-size: 9pt'>")
        for first, *others in (_BAND_HEAD, *report.band_rows()):
            cells = "".join(f"<td {_VALUE}>{escape(text)}</td>" for text in others)
            html.append(f"<tr><td>{escape(first)}</td>{cells}</tr>")
        html.append("</table>")
    return "".join(html)


class _Panel(QWidget):
    """A chart, below a line that says what is missing from it."""

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.missing = wrapping_label("What this chart lacks")
        self.canvas = ChartCanvas(theme)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.missing)
        layout.addWidget(self.canvas, stretch=1)

    def show_chart(self, draw: Draw, missing: str = "") -> None:
        self.missing.setText(missing)
        self.missing.setVisible(bool(missing))
        self.canvas.show_chart(draw)
