"""What became of the maps of a batch, a row each."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget
from qtpy.QtWidgets import QTreeWidgetItem as Row

from ...batches.summary import summary_row
from ...quality.verdict import size_text
from ...workers.map_jobs import MapResult

_HEAD = ("File", "Size", "Verdict", "Time")
_HEIGHT = 150
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class BatchTable(QTreeWidget):
    """File, size, verdict and time of each map; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[MapResult] = []
        self.setHeaderLabels(_HEAD)
        self.setRootIsDecorated(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setMinimumHeight(_HEIGHT)
        header = self.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(40)
        self.hide()

    def clear_results(self) -> None:
        """Remove all rows."""
        self.results = []
        self.clear()
        self.hide()

    def add(self, result: MapResult) -> None:
        """Add the row of a map."""
        self.results.append(result)
        name, verdict, *_ = summary_row(result)
        report = result.report
        size = "" if report is None or report.bytes is None else size_text(report.bytes)
        row = Row([name, size, verdict, f"{result.seconds:,.1f} s"])
        for column in (1, 3):
            row.setTextAlignment(column, _RIGHT)
        for column in (0, 2):  # which may be cut off
            row.setToolTip(column, "\n".join([row.text(column), *result.warnings]))
        self.addTopLevelItem(row)
        self.scrollToItem(row)
        self.show()
