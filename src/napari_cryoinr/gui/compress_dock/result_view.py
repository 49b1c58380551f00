"""The outcome of one compression: a verdict in words and colour, and the numbers behind it."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from ...quality.quality_report import QualityReport
from ...quality.verdict import IN_PART, KEPT, LOST, verdict_of
from ..io.words import density_words, kept_words
from ..widgets.layout import Section, fill

# Backgrounds on which white text is read well, in both themes.
COLOURS = {KEPT: "#2e7d32", IN_PART: "#8f5300", LOST: "#b3261e"}
MARKS = {KEPT: "✓", IN_PART: "◐", LOST: "✗"}
_MEANINGS = {
    KEPT: "What was promised is in the file, and the surface at the contour stands",
    IN_PART: "Some of the detail, or some of the surface, is not in the file: ask for more",
    LOST: "The file does not show this map any more: ask for more, or choose another threshold",
}


class ResultView(QWidget):
    """Shows a quality report: its verdict, three numbers, and all others on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextFormat(Qt.TextFormat.PlainText)
        numbers, form = QWidget(), QFormLayout()
        numbers.setLayout(form)
        form.setContentsMargins(2, 2, 2, 2)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.shells, self.size, self.surface = QLabel(), QLabel(), QLabel()
        self._shells_name = QLabel()
        for name, label in (
            (self._shells_name, self.shells),
            (QLabel("File size"), self.size),
            (QLabel("Surface overlap"), self.surface),
        ):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            form.addRow(name, label)
        self.shells.setToolTip(
            "The lowest Fourier shell correlation of the decoded map with the original"
        )
        self.size.setToolTip("Bytes of the file, and how many times smaller it is than the voxels")
        self.surface.setToolTip(
            "Voxels inside both surfaces over voxels inside either; 1 is the same surface"
        )
        self.all_numbers = QLabel()
        self.all_numbers.setWordWrap(True)
        self.all_numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.section = Section("All numbers", self.all_numbers)
        fill(self, self.verdict, numbers, self.section)

    def show_report(self, report: QualityReport, kept: str = "") -> None:
        """Show the numbers of a report, with what is kept in words."""
        verdict, text = verdict_of(report), kept or kept_words(report)
        self.verdict.setText(f"{MARKS[verdict]}  {text[:1].upper()}{text[1:]}")
        self.verdict.setToolTip(f"{_MEANINGS[verdict]}. {report.verdict()}")
        self.verdict.setStyleSheet(
            f"background-color: {COLOURS[verdict]}; color: white; font-weight: bold;"
            " font-size: 14px; padding: 6px; border-radius: 3px;"
        )
        self._shells_name.setText("FSC" if report.keep == "volume" else "Masked FSC")
        self.shells.setText(_big(*_shells(report)))
        ratio = "" if report.ratio is None else f"{report.ratio:,.4g} : 1"
        self.size.setText(_big(f"{report.bytes:,} bytes" if report.bytes else "-", ratio))
        self.surface.setText(_big(f"{report.iou[1]:.3f}", f"at {density_words(report.level)}"))
        rows = "".join(
            f"<tr><td>{escape(name)}&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>"
            for name, text in report.rows()
        )
        notes = "".join(f"<p>{escape(note)}.</p>" for note in report.notes())
        self.all_numbers.setText(f"{notes}<table>{rows}</table>")


def _shells(report: QualityReport) -> tuple[str, str]:
    """Return the lowest correlation, and up to where."""
    if report.max_error == 0:
        return "1", "no error"
    if report.lowest_fsc is None or report.resolution is None:
        fallen = report.resolution_text(report.fsc_099)
        return f"0.99 to {fallen}" if report.fsc_099 else "above 0.99", f"of {report.nyquist:.2f} Å"
    return f"{report.lowest_fsc:.3f} or better", f"to {report.resolution:.3g} Å"


def _big(number: str, rest: str) -> str:
    return f"<span style='font-size: 15px'><b>{escape(number)}</b></span>&nbsp; {escape(rest)}"
