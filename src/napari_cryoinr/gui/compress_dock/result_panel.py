"""What came out of a compression, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import CinrError
from ...quality.quality_report import QualityReport
from .compressed_map import Compressed

_ROWS = ("size", "ratio", "NRMSE", "PSNR", "maximum error", "within 20 %", "surface (IoU)")


def ask_for_file(parent: QWidget, name: str) -> str:
    """Where to save; empty if the user does not."""
    path, _ = QFileDialog.getSaveFileName(
        parent, "Save compressed map", f"{name}.cinr", "Compressed density maps (*.cinr)"
    )
    return str(path)


def wants_to_save(parent: QWidget, name: str) -> bool:
    """Whether the user wants to save a map whose widget was closed."""
    answer = QMessageBox.question(
        parent,
        "Save compressed map?",
        f"{name} was compressed, but is not saved.",
        QMessageBox.StandardButton.Save | QMessageBox.StandardButton.Discard,
        QMessageBox.StandardButton.Save,
    )
    return bool(answer == QMessageBox.StandardButton.Save)


def rescue(parent: QWidget, compressed: Compressed) -> None:
    """Offer to save a map whose widget was closed, then let go of it."""
    try:
        if wants_to_save(parent, compressed.name):
            path = ask_for_file(parent, Path(compressed.archive.path).stem)
            if path:
                compressed.save(with_suffix(path))
    finally:
        compressed.discard()


def with_suffix(path: str | Path) -> Path:
    """The path, with `.cinr` where it is missing."""
    target = Path(path)
    if target.suffix.lower() == ".cinr":
        return target
    return target.with_name(f"{target.name}.cinr")


class ResultPanel(QWidget):
    """Numbers and buttons for one compressed map; hidden while there is none.

    Parameters
    ----------
    shown, error, report : called with the map by the buttons.
    said : gets a line for the user.
    """

    def __init__(
        self,
        *,
        shown: Callable[[Compressed], None],
        error: Callable[[Compressed], None],
        report: Callable[[Compressed], None],
        said: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.compressed: Compressed | None = None
        # Kept here, and called by methods: Qt would hold on to functions for as long as it lives.
        self._shown, self._error, self._report, self._said = shown, error, report, said
        self._values = [QLabel() for _ in _ROWS]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.heading = QLabel()
        self.heading.setWordWrap(True)
        layout.addWidget(self.heading)
        table = QGridLayout()
        table.setColumnStretch(1, 1)
        for row, (name, value) in enumerate(zip(_ROWS, self._values, strict=True)):
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            table.addWidget(QLabel(name), row, 0)
            table.addWidget(value, row, 1)
        layout.addLayout(table)
        self.save_button = QPushButton("Save as .cinr...")
        self.show_button = QPushButton("Show decoded")
        self.error_button = QPushButton("Show error")
        self.report_button = QPushButton("Open report")
        actions = (
            (self.save_button, "Write the file to a place of your choice", self._on_save),
            (self.show_button, "Decode the file and show the map as a new layer", self._on_show),
            (
                self.error_button,
                "Show where the decoded map differs from the original",
                self._on_error,
            ),
            (
                self.report_button,
                "Show all numbers and curves in the Quality widget",
                self._on_report,
            ),
        )
        buttons = QGridLayout()
        for place, (button, tip, action) in enumerate(actions):
            button.setToolTip(tip)
            button.clicked.connect(action)
            buttons.addWidget(button, place // 2, place % 2)
        layout.addLayout(buttons)
        self.hide()

    def show_result(self, compressed: Compressed) -> None:
        """Show another map; the one before is gone if it was not saved."""
        self.clear()
        self.compressed = compressed
        report = compressed.report
        self.heading.setText(f"<b>{compressed.name}</b>, not saved yet")
        for label, text in zip(self._values, _numbers(report), strict=True):
            label.setText(text)
        self.show()

    @property
    def unsaved(self) -> bool:
        """Whether there is something that would be lost."""
        return self.compressed is not None and self.compressed.saved is None

    def save(self, path: str | Path) -> None:
        """Save to a file; `.cinr` is added where it is missing.

        Raises
        ------
        CinrError
            if it cannot be written.
        """
        assert self.compressed is not None
        target = with_suffix(path)
        self.compressed.save(target)
        self.heading.setText(f"<b>{self.compressed.name}</b>, saved as {target.name}")
        self._said(f"Saved {target}")

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
        if self.compressed is None:
            return
        path = ask_for_file(self, Path(self.compressed.archive.path).stem)
        if path:
            try:
                self.save(path)
            except CinrError as error:
                self._said(str(error))

    def _on_show(self) -> None:
        if self.compressed is not None:
            self._shown(self.compressed)

    def _on_error(self) -> None:
        if self.compressed is not None:
            self._error(self.compressed)

    def _on_report(self) -> None:
        if self.compressed is not None:
            self._report(self.compressed)


def _numbers(report: QualityReport) -> list[str]:
    """Values for `_ROWS`."""
    psnr = "no error" if report.max_error == 0 else "-"
    if report.psnr is not None:
        psnr = f"{report.psnr:.2f} dB"
    return [
        f"{report.bytes:,} bytes",
        f"{report.ratio:,.1f} : 1",
        f"{report.nrmse:.4g}",
        psnr,
        f"{report.max_error:.4g}",
        f"{100 * report.within_20_percent:.2f} % of what is kept",
        f"{report.iou[1]:.3f} at the contour",
    ]
