"""A quality report in a dock: its numbers, and its charts, in tabs."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QTabWidget, QTextBrowser, QVBoxLayout, QWidget

from ...quality import QualityReport, charts
from ...quality.html import tables
from ..canvas import ChartCanvas, Draw
from .quality_work import Measured

TABS = ("numbers", "fsc", "error", "densities")
_TITLES = ("Numbers", "FSC", "Error", "Densities")
_TIPS = (
    "The report as a table; select and copy what you need",
    "Fourier shell correlation of both maps, and the resolutions where it falls below 0.99 and 0.5",
    "Error against density above the contour; between the lines are the voxels within 20 %",
    "Histograms of the densities of both maps",
)
_TABLE_STYLE = """
table { margin-bottom: 8px; }
th, td { padding: 1px 10px 1px 0px; font-weight: normal; text-align: left; }
"""


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
        self.numbers.document().setDefaultStyleSheet(_TABLE_STYLE)
        self.numbers.setMinimumHeight(160)
        self.panels = {name: _Panel(theme) for name in TABS[1:]}
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
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
            panel.show_chart(partial(charts.draw_nothing, text="no report yet"))

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
        self.numbers.setHtml("\n".join(tables(report)))
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


def wrapping_label(tip: str) -> QLabel:
    """A label whose text can be selected, and that never widens the dock."""
    label = QLabel()
    label.setWordWrap(True)
    label.setToolTip(tip)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label
