"""Dialogs that ask for files."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget


def ask_for_target(parent: QWidget, title: str, name: str, kind: str) -> Path | None:
    """Where to save a file; None if the user does not want to.

    Parameters
    ----------
    name : what is suggested, with the suffix that a name without one gets.
    kind : what such files are, for the dialog's filter.
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
