"""Dialogs that ask for files, and before work is lost."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget


def ask_for_target(parent: QWidget, title: str, name: str, kind: str) -> Path | None:
    """Ask where to save a file; None if the user cancels.

    The suggested `name` has the suffix that is added to a name without one; `kind` describes such
    files.
    """
    suffix = Path(name).suffix
    dialog = QFileDialog(parent, title, "", f"{kind} (*{suffix})")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suffix)
    dialog.selectFile(name)
    try:
        return Path(dialog.selectedFiles()[0]) if dialog.exec() else None
    finally:
        dialog.deleteLater()


def confirms_closing(window: QWidget | None, reason: str) -> bool:
    """Ask whether to close a window in spite of a reason not to."""
    answer = QMessageBox.question(
        window,
        "Close Window?",
        f"{reason}\n\nClose the window all the same?",
        QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
        QMessageBox.StandardButton.Cancel,
    )
    return bool(answer == QMessageBox.StandardButton.Close)
