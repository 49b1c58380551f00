"""Saving the coordinates of the particles for other programs, and taking theirs."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel, QMessageBox, QPushButton

from ...picking.coordinates import READ_SUFFIXES, SUFFIXES, write_coordinates
from ...picking.micrographs import micrograph_name
from ...picking.particles import Particles
from ...picking.session import Session
from ...progress import Clock, Progress, Steps
from ..widgets.layout import Form
from .session_controller import SessionController
from .session_panel import SessionPanel, button, with_tip

_FOLDER = "coordinates"  # in the folder of the session, unless the user chooses
_TITLES = {".csv": "CSV", ".box": "EMAN .box", ".star": "RELION .star"}

CoordinateFiles = dict[Path, tuple[str, Particles]]
"""Files to be written: the name of the micrograph and its particles for each."""


def coordinate_files(session: Session, folder: Path) -> CoordinateFiles:
    """Return a file for each micrograph with particles, in the format of the session's settings."""
    suffix = session.settings.format
    found = {name: session.particles_of(name) for name in sorted(session.entries)}
    return {
        folder / f"{micrograph_name(name)}{suffix}": (name, particles)
        for name, particles in found.items()
        if len(particles)
    }


def save_coordinates_steps(files: CoordinateFiles, folder: Path) -> Steps[str]:
    """Write files of coordinates into a folder; return a sentence that says what was written."""
    clock, count = Clock(), 0
    folder.mkdir(parents=True, exist_ok=True)
    for number, (path, (name, particles)) in enumerate(files.items()):
        yield Progress(name, number, len(files), clock.seconds)
        write_coordinates(particles, path, micrograph=name, overwrite=True)
        count += len(particles)
    return f"{count} particles of {len(files)} micrographs saved in {folder}."


class CoordinatesPanel(SessionPanel):
    """Format and folder, and the buttons; that to save is shown elsewhere."""

    save_wanted = Signal()
    import_wanted = Signal(object)  # a list of paths

    def __init__(self, controller: SessionController) -> None:
        super().__init__(controller)
        self.format = with_tip(QComboBox(), "Of the files: one for each micrograph, with its name")
        for suffix in SUFFIXES:
            self.format.addItem(_TITLES[suffix], suffix)
        self.folder = QLabel()
        tip = "Choose the folder that the files are saved in"
        self.folder_button = button("Change...", tip, self.choose_folder)
        self.button = QPushButton("Save")
        self._import_tip = (
            "Mark the particles in files of other programs; such files can be dropped here too"
        )
        self.import_button = button("Import coordinates...", self._import_tip, self._choose_files)
        form = Form()
        form.add("Format", self.format)
        self._add_rows(form, (self.folder, self.folder_button), self.import_button)
        self.format.currentIndexChanged.connect(
            lambda: controller.change_settings(format=self.format.currentData())
        )
        self.button.clicked.connect(self.save_wanted)

    @property
    def target(self) -> Path | None:
        """Where the files go; None if the user has to choose."""
        session = self._controller.session
        if session is None:
            return None
        if session.settings.out is not None:
            return Path(session.settings.out).expanduser()
        return None if session.folder is None else session.folder / _FOLDER

    def confirms_replacing(self, files: CoordinateFiles) -> bool:
        """Ask whether files that exist may be replaced; if there are none, return True."""
        count = sum(path.exists() for path in files)
        if not count:
            return True
        text = f"{count} of {len(files)} files exist already in {self.target}.\n\nReplace them?"
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self, "Replace Files?", text, buttons.Yes | buttons.Cancel, buttons.Cancel
        )
        return bool(answer == buttons.Yes)

    def choose_folder(self) -> None:
        """Ask for the folder that the files are saved in."""
        if folder := QFileDialog.getExistingDirectory(self, "Folder for the coordinates"):
            self._controller.change_settings(out=folder)

    def _choose_files(self) -> None:
        names = f"Coordinates ({' '.join(f'*{suffix}' for suffix in READ_SUFFIXES)})"
        files, _ = QFileDialog.getOpenFileNames(self, "Coordinates of particles", "", names)
        if files:
            self.import_wanted.emit([Path(file) for file in files])

    def _refresh(self) -> None:
        session, target, problem = self._controller.session, self.target, self._busy
        for control in (self.format, self.folder_button):
            control.setEnabled(session is not None)
        if session is None:
            problem = "No micrograph is open"
        else:
            with QSignalBlocker(self.format):
                self.format.setCurrentIndex(SUFFIXES.index(session.settings.format))
        self.folder.setText("" if target is None else f"In {'/'.join(target.parts[-2:])}")
        self.folder.setToolTip(str(target or ""))
        tip = "Save the coordinates of all micrographs with particles (Ctrl+Shift+E)"
        self._enable(self.button, problem, tip)
        self._enable(self.import_button, problem, self._import_tip)
