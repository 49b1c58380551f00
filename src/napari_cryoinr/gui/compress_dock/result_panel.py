"""What came out of a compression: its numbers, and buttons for what can be done with it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QMessageBox, QPushButton, QVBoxLayout, QWidget

from ...errors import CinrError
from ...quality.quality_report import QualityReport
from ..widgets.dialogs import ask_for_target
from .compressed_map import Compressed


def ask_for_archive(parent: QWidget, compressed: Compressed) -> Path | None:
    """Where to save the archive; None if the user does not want to."""
    title, kind = "Save compressed map", "Compressed density maps"
    return ask_for_target(parent, title, compressed.path.name, kind)


def wants_to_save(parent: QWidget, name: str) -> bool:
    """Whether the user wants to save a map whose dock was closed."""
    answer = QMessageBox.question(
        parent,
        "Save compressed map?",
        f"{name} was compressed, but is not saved.",
        QMessageBox.StandardButton.Save | QMessageBox.StandardButton.Discard,
        QMessageBox.StandardButton.Save,
    )
    return bool(answer == QMessageBox.StandardButton.Save)


def offer_to_save(parent: QWidget, compressed: Compressed) -> None:
    """Offer to save a map whose dock was closed, then discard it."""
    try:
        if wants_to_save(parent, compressed.name):
            path = ask_for_archive(parent, compressed)
            if path is not None:
                compressed.save(path)
    finally:
        compressed.discard()


class ResultPanel(QWidget):
    """Numbers and buttons for one compressed map; hidden while there is none.

    What the buttons do but for saving is up to the owner.
    """

    said = Signal(str)  # a line for the user

    def __init__(self) -> None:
        super().__init__()
        self.compressed: Compressed | None = None
        self.heading, self.numbers = QLabel(), QLabel()
        self.heading.setWordWrap(True)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.save_button = _button("Save as .cinr...", "Write the file to a place of your choice")
        self.show_button = _button(
            "Show decoded", "Decode the file and show the map as a new layer"
        )
        self.error_button = _button(
            "Show error", "Show where the decoded map differs from the original"
        )
        self.report_button = _button(
            "Open report", "Show all numbers and curves in the Quality widget"
        )
        self.save_button.clicked.connect(self._on_save)
        buttons = QGridLayout()
        buttons.addWidget(self.save_button, 0, 0)
        buttons.addWidget(self.show_button, 0, 1)
        buttons.addWidget(self.error_button, 1, 0)
        buttons.addWidget(self.report_button, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.heading)
        layout.addWidget(self.numbers)
        layout.addLayout(buttons)
        self.hide()

    def show_result(self, compressed: Compressed) -> None:
        """Show another map; the one before is removed if it was not saved."""
        self.clear()
        self.compressed = compressed
        self.heading.setText(f"<b>{compressed.name}</b>, not saved yet")
        rows = (
            f"<tr><td>{name}</td><td>{text}</td></tr>" for name, text in _rows(compressed.report)
        )
        self.numbers.setText(f"<table cellspacing='4'>{''.join(rows)}</table>")
        self.show()

    @property
    def unsaved(self) -> bool:
        """Whether there is something that would be lost."""
        return self.compressed is not None and self.compressed.saved is None

    def take(self) -> Compressed | None:
        """Hand over the map, and show nothing."""
        compressed, self.compressed = self.compressed, None
        self.hide()
        return compressed

    def clear(self) -> None:
        """Show nothing, and remove what was not saved."""
        compressed = self.take()
        if compressed is not None:
            compressed.discard()

    def _on_save(self) -> None:
        assert self.compressed is not None
        path = ask_for_archive(self, self.compressed)
        if path is None:
            return
        try:
            self.compressed.save(path)
        except CinrError as error:
            self.said.emit(str(error))
            return
        name, file = escape(self.compressed.name), escape(path.name)
        self.heading.setText(f"<b>{name}</b>, saved as {file}")
        self.said.emit(f"Saved {path}")


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def _rows(report: QualityReport) -> list[tuple[str, str]]:
    """(name, value) of the numbers that are shown."""
    psnr = "no error" if report.max_error == 0 else "-"
    if report.psnr is not None:
        psnr = f"{report.psnr:.2f} dB"
    return [
        ("size", f"{report.bytes:,} bytes"),
        ("ratio", f"{report.ratio:,.1f} : 1"),
        ("NRMSE", f"{report.nrmse:.4g}"),
        ("PSNR", psnr),
        ("maximum error", f"{report.max_error:.4g}"),
        ("within 20 %", f"{100 * report.within_20_percent:.2f} % of what is kept"),
        ("surface (IoU)", f"{report.iou[1]:.3f} at the contour"),
    ]
