"""Saving coordinates for other programs."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ...picking.coordinates import SUFFIXES
from ..widgets.layout import Form
from .desk import Desk
from .desk_panel import DeskPanel
from .micrograph_list import ask_for_folder

_USUAL = "coordinates"  # folder in that of the session
_TITLES = {".csv": "CSV", ".box": "EMAN .box", ".star": "RELION .star"}


class SavePanel(DeskPanel):
    """Format and folder, and the button."""

    save_wanted = Signal()

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.format = QComboBox()
        for suffix in SUFFIXES:
            self.format.addItem(_TITLES[suffix], suffix)
        self.format.setToolTip("Of the files: one for each micrograph, with its name")
        self.folder = QLineEdit()
        self.folder.setToolTip("Where the files go; files of these names are replaced")
        self.browse_button = QPushButton("...")
        self.browse_button.setToolTip("Choose the folder")
        self.button = QPushButton("Save coordinates")
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.folder, stretch=1)
        line.addWidget(self.browse_button)
        form = Form()
        form.add("Format", self.format)
        form.add("Folder", row)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(form)
        column.addWidget(self.button)
        self.format.currentIndexChanged.connect(self._on_format)
        self.folder.editingFinished.connect(self._on_folder)
        self.browse_button.clicked.connect(self._browse)
        self.button.clicked.connect(self.save_wanted)
        desk.changed.connect(self.refresh)
        self.refresh()

    @property
    def target(self) -> Path | None:
        """Where the files go; None where the user has to say so."""
        session = self._desk.session
        if session is None:
            return None
        if session.settings.out is not None:
            return Path(session.settings.out).expanduser()
        return None if session.folder is None else session.folder / _USUAL

    def _on_format(self) -> None:
        self._desk.change(format=self.format.currentData())

    def _on_folder(self) -> None:
        text = self.folder.text().strip()
        if self._desk.session is not None and text != str(self.target or ""):
            self._desk.change(out=text or None)

    def _browse(self) -> None:
        folder = ask_for_folder(self, "Folder for the coordinates")
        if folder:
            self._desk.change(out=folder)

    def refresh(self) -> None:
        """What is shown, and whether there is anything to save."""
        session = self._desk.session
        for control in (self.format, self.folder, self.browse_button):
            control.setEnabled(session is not None)
        problem = None
        if session is None:
            problem = "No micrograph is open"
        elif self._busy:
            problem = self._busy
        elif self.target is None:
            problem = "Choose a folder"
        if session is not None:
            with QSignalBlocker(self.format):
                self.format.setCurrentIndex(SUFFIXES.index(session.settings.format))
            if not self.folder.hasFocus():
                self.folder.setText(str(self.target or ""))
        self.button.setEnabled(problem is None)
        self.button.setToolTip(problem or "Write the particles of all micrographs that have some")
