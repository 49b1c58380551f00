"""Saving the coordinates of the particles for other programs."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from ...picking.coordinates import SUFFIXES, write_coordinates
from ...picking.micrographs import micrograph_name
from ...picking.session import Session
from ...progress import Clock, Progress, Steps
from ..widgets.layout import Form
from .session_controller import SessionController
from .session_panel import SessionPanel

_FOLDER = "coordinates"  # in the folder of the session, unless the user chooses
_TITLES = {".csv": "CSV", ".box": "EMAN .box", ".star": "RELION .star"}


def save_coordinates_steps(session: Session, folder: Path) -> Steps[str]:
    """Write a file for each micrograph that has particles, in the format of the settings.

    Returns
    -------
    A sentence that says how many were written, and where.

    Raises
    ------
    MicrographError, OSError
        if the format cannot hold them, or a file cannot be written.
    """
    clock, suffix = Clock(), session.settings.format
    found = {name: session.particles_of(name) for name in sorted(session.entries)}
    found = {name: particles for name, particles in found.items() if len(particles)}
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, particles) in enumerate(found.items()):
        yield Progress(name, number, len(found), clock.seconds)
        path = folder / f"{micrograph_name(name)}{suffix}"
        write_coordinates(particles, path, micrograph=name, overwrite=True)
    count = sum(map(len, found.values()))
    return f"{count} particles of {len(found)} micrographs saved in {folder}."


class CoordinatesPanel(SessionPanel):
    """Format and folder, and the button."""

    save_wanted = Signal()

    def __init__(self, controller: SessionController) -> None:
        super().__init__(controller)
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
        self._add_rows(form, self.button)
        self.format.currentIndexChanged.connect(self._on_format)
        self.folder.editingFinished.connect(self._on_folder)
        self.browse_button.clicked.connect(self._browse)
        self.button.clicked.connect(self.save_wanted)
        self._refresh()

    @property
    def target(self) -> Path | None:
        """Where the files go; None if the user has to choose."""
        session = self._controller.session
        if session is None:
            return None
        if session.settings.out is not None:
            return Path(session.settings.out).expanduser()
        return None if session.folder is None else session.folder / _FOLDER

    def _on_format(self) -> None:
        self._controller.change_settings(format=self.format.currentData())

    def _on_folder(self) -> None:
        text = self.folder.text().strip()
        if text != str(self.target or ""):
            self._controller.change_settings(out=text or None)

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the coordinates")
        if folder:
            self._controller.change_settings(out=folder)

    def _refresh(self) -> None:
        session = self._controller.session
        for control in (self.format, self.folder, self.browse_button):
            control.setEnabled(session is not None)
        problem = self._busy or ("" if self.target else "Choose a folder")
        if session is None:
            problem = "No micrograph is open"
        else:
            with QSignalBlocker(self.format):
                self.format.setCurrentIndex(SUFFIXES.index(session.settings.format))
            if not self.folder.hasFocus():
                self.folder.setText(str(self.target or ""))
        self._enable(self.button, problem, "Write the particles of all micrographs that have some")
