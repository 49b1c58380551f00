"""Where a user works through micrographs: which one is shown, and what happens to it.

It knows sessions and layers, and nothing of the widget, which listens to its signals.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from ... import apart
from ...errors import CinrError, MicrographError
from ...picking.examples import check_box
from ...picking.micrographs import Micrograph
from ...picking.particles import Particles
from ...picking.session import Entry, Known, ModelFacts, Points, Session
from ...picking.session.session import MODEL_FILE
from ...progress import Steps
from ..connections import Connections
from ..jobs import Job
from ..matching import is_derived
from .discs import Discs
from .opening import is_image
from .places import (
    OpenedFolder,
    OpenedPlace,
    Place,
    move_steps,
    open_folder_steps,
    open_place_steps,
)
from .preview import preview_steps, usual_low_pass
from .saving import Saver
from .scene import Scene

_SHOW_AFTER = 15  # milliseconds; a slider that moves asks more often


class _Ties:
    """What works for the desk; knows nothing of Qt, so that it outlives the widget."""

    def __init__(self, saver: Saver) -> None:
        self.events = Connections()
        self.jobs: dict[str, Job] = {}
        self.saver = saver
        self.temporary: tempfile.TemporaryDirectory[str] | None = None

    def cut(self) -> None:
        """The widget is gone: stop all work; what was clicked is written."""
        self.events.disconnect()
        for job in self.jobs.values():
            job.forget()
        self.jobs.clear()
        self.saver.flush()
        if self.temporary is not None:
            self.temporary.cleanup()
            self.temporary = None


class Desk(QObject):
    """The micrographs, and the one that is worked on.

    Attributes
    ----------
    places : those that can be worked on.
    place : the one that is shown; None for none.
    micrograph : its image; None where none is shown.
    """

    listed = Signal()  # other micrographs can be worked on
    changed = Signal()  # another one is shown, or something about it is different
    said = Signal(str)
    _unsaved = Signal(str)
    _found = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self.places: list[Place] = []
        self.place: Place | None = None
        self.micrograph: Micrograph | None = None
        self._wanted: Place | None = None  # it is being opened
        self._sessions: dict[Path | None, Session] = {}
        self._kept: Path | None = None  # where the user wants sessions to be kept
        self._images: dict[str, Micrograph] = {}  # of layers that are in no file
        self._ties = _Ties(Saver(self._unsaved.emit))
        self._discs = Discs(viewer, self.click, self._on_edited)
        self._discs.bind("Control-Z", self.undo)
        self.scene = Scene(viewer, self._discs)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SHOW_AFTER)
        self._timer.timeout.connect(self._show_points)
        self._unsaved.connect(self.said)
        self._found.connect(self._on_found)
        self.destroyed.connect(self._ties.cut)
        layers = viewer.layers.events
        for emitter in (layers.inserted, layers.removed, layers.renamed):
            self._ties.events.connect(emitter, self._on_layers)
        self._ties.events.connect(viewer.layers.selection.events.active, self._on_active)
        self._on_layers()

    # -- what there is

    @property
    def session(self) -> Session | None:
        """The session of the micrograph that is shown."""
        return None if self.place is None else self.place.session

    @property
    def entry(self) -> Entry | None:
        """What is known of the micrograph that is shown."""
        if self.place is None or self.place.session is None:
            return None
        return self.place.session.entry(self.place.name)

    @property
    def points(self) -> Points | None:
        """What is shown of it."""
        if self.place is None or self.place.session is None:
            return None
        return self.place.session.points(self.place.name)

    @property
    def model_path(self) -> Path | None:
        """Where the session's model is or will be."""
        session = self.session
        if session is None:
            return None
        if session.folder is not None:
            return session.folder / MODEL_FILE
        if self._ties.temporary is None:
            self._ties.temporary = tempfile.TemporaryDirectory(prefix="cryoinr-")
        return Path(self._ties.temporary.name) / MODEL_FILE

    @property
    def low_pass(self) -> float:
        """Finest detail of the preview, pixels."""
        assert self.session is not None
        return self.session.settings.low_pass or usual_low_pass(self.session.box)

    def misfit(self) -> str | None:
        """What is wrong with the box, in a sentence."""
        if self.micrograph is None or self.session is None:
            return None
        try:
            check_box(self.micrograph, self.session.box)
        except MicrographError as error:
            return str(error)
        return None

    def image(self, place: Place) -> apart.Image:
        """A micrograph, for work in a process of its own."""
        if place.path is not None:
            return apart.Image(place.name, place.path)
        return apart.Image(place.name, self._images[place.name])

    def examples(self) -> list[tuple[apart.Image, Known]]:
        """What training may learn from, in all micrographs of the session that are there."""
        session = self.session
        if session is None:
            return []
        found = []
        for known in session.examples():
            if known.name in self._images and session.root is None:
                found.append((apart.Image(known.name, self._images[known.name]), known))
            elif session.root is not None and (session.root / known.name).is_file():
                found.append((apart.Image(known.name, session.root / known.name), known))
        return found

    def at_stake(self) -> str | None:
        """What would be lost with the window, in a sentence."""
        for session in self._sessions.values():
            if session.folder is None and any(not e.is_empty for e in session.entries.values()):
                return (
                    "Particles were marked in an image that is in no file: they are saved nowhere."
                )
        return None

    # -- which micrograph is shown

    def open_folder(self, folder: Path) -> None:
        """Work through the micrographs of a folder."""
        folder = Path(os.path.abspath(folder))
        self.said.emit(f"Looking for micrographs in {folder.name}...")
        steps = open_folder_steps(folder, self._kept, self._sessions.get(folder))
        self._work("folder", steps, "Opening a folder", self._on_folder)

    def go(self, place: Place) -> None:
        """Show another micrograph."""
        if place is self._wanted or (place is self.place and self._wanted is None):
            return
        self._wanted = place
        steps = open_place_steps(place, self._sessions, self._kept)
        self._work("open", steps, f"Opening {place.name}", self._on_opened)

    def step(self, by: int) -> None:
        """Go to the next micrograph, or back."""
        at = self._wanted or self.place
        if at in self.places:
            index = self.places.index(at) + by
            if 0 <= index < len(self.places):
                self.go(self.places[index])
        elif self.places:
            self.go(self.places[0])

    def keep_in(self, folder: Path) -> None:
        """Keep the session elsewhere; one that is there already is opened."""
        session = self.session
        self._kept = folder
        if session is None or session.folder == folder:
            return
        steps = move_steps(session, folder, self.model_path)
        self._work("move", steps, "Moving the session", self._on_moved)

    # -- what a user does to the particles

    def click(self, x: float, y: float) -> None:
        """A click at a place of the micrograph, pixels."""
        if self.place is None or self.place.session is None:
            return
        self._take_edits()
        self.place.session.click(self.place.name, x, y)
        self.touch()

    def undo(self) -> None:
        """Take back what was done last."""
        if self.place is None or self.place.session is None:
            return
        self._take_edits()
        if self.place.session.undo(self.place.name):
            self.touch()

    def take_clicks(self) -> None:
        """Let clicks on the canvas mean particles."""
        self._discs.take_clicks()

    def review(self, reviewed: bool) -> None:
        """The user has looked at all of the micrograph, or not."""
        entry = self.entry
        if entry is not None and entry.reviewed != reviewed:
            entry.reviewed = reviewed
            self.touch()

    def change(self, **settings: Any) -> None:
        """Change settings of the session by name; what is wrong with them is said."""
        session = self.session
        if session is None:
            return
        try:
            session.change(**settings)
        except CinrError as error:
            self.said.emit(str(error))
            return
        self.touch()

    def found(self, session: Session, name: str, candidates: Particles) -> None:
        """The model has picked a micrograph of a session; may be called in any thread."""
        self._found.emit((session, name, candidates))

    def trained(self, session: Session, model: ModelFacts) -> None:
        """There is a new model."""
        session.trained(model)
        self._ties.saver.save(session)
        self.touch()

    def touch(self) -> None:
        """Something is different: keep it, show it, and tell those who listen."""
        if self.session is not None:
            self._ties.saver.save(self.session)
        self._timer.start()
        self.changed.emit()

    # -- what is seen

    def renew_preview(self) -> None:
        """Make the preview again, with what the settings say now."""
        if self.micrograph is None or self.session is None:
            return
        steps = preview_steps(self.micrograph.data, self.low_pass, self.session.box)
        self._work("preview", steps, "Preparing the view", self.scene.show_preview)

    def flush(self) -> None:
        """Wait until all that was done is in the session's files."""
        self._take_edits()
        self._ties.saver.flush()

    def release(self) -> None:
        """Stop all work and leave the viewer alone."""
        self._take_edits()
        self._timer.stop()
        self._ties.cut()
        self.scene.release()
        if self.at_stake() is None:
            self._discs.remove()
        self.place = self.micrograph = None

    # -- how it is done

    def _work(self, kind: str, steps: Steps[Any], title: str, done: Callable[[Any], None]) -> None:
        """Work in the background, instead of other work of its kind."""
        before = self._ties.jobs.pop(kind, None)
        if before is not None:
            before.forget()
        failed = partial(self._on_failed, kind)
        self._ties.jobs[kind] = Job(steps, title, done=done, failed=failed)

    def _on_failed(self, kind: str, error: Exception) -> None:
        if kind == "open":
            self._wanted = None
            self.changed.emit()
        self.said.emit(" ".join(str(error).split()) or type(error).__name__)

    def _on_folder(self, opened: OpenedFolder) -> None:
        root = opened.paths[0].parent
        self._sessions[root] = opened.session
        files = [Place(path.name, path, None, opened.session) for path in opened.paths]
        self.places = files
        self.said.emit(" ".join(opened.complaints))
        self.listed.emit()
        self._wanted = None
        first = next(
            (one for one in files if not opened.session.entry(one.name).reviewed), files[0]
        )
        self.go(first)

    def _on_opened(self, found: OpenedPlace) -> None:
        place, self._wanted = self._wanted, None
        assert place is not None
        self._take_edits()
        opened, place.session = found.opened, found.session
        place.name, place.path = opened.name, opened.path
        self._sessions.setdefault(found.session.root, found.session)
        if opened.path is None:
            place.name = self._remember(opened.micrograph)
        found.session.entry(place.name).pixel_size = opened.micrograph.pixel_size
        self.place, self.micrograph = place, opened.micrograph
        if place.layer is None:
            self.scene.show_micrograph(opened.micrograph, opened.limits)
        else:
            self.scene.show_layer(place.layer)
        self.said.emit(" ".join(found.complaints))
        self.renew_preview()
        self._show_points()
        self.listed.emit()
        self.changed.emit()

    def _remember(self, micrograph: Micrograph) -> str:
        """Keep the image of a layer that is in no file; returns a name that only this image has."""
        name, number = micrograph.name, 1
        while not np.array_equal(self._images.setdefault(name, micrograph).data, micrograph.data):
            number += 1
            name = f"{micrograph.name} [{number}]"
        return name

    def _on_moved(self, moved: tuple[Session, tuple[str, ...]]) -> None:
        before, (session, complaints) = self.session, moved
        for place in self.places:
            if place.session is before:
                place.session = session
        if self.place is not None:
            self.place.session = session
        self._sessions[session.root] = session
        self.said.emit(" ".join(complaints))
        self.touch()

    def _on_found(self, what: tuple[Session, str, Particles]) -> None:
        session, name, candidates = what
        self._take_edits()
        session.found(name, candidates)
        self._ties.saver.save_candidates(session, name, candidates)
        self._ties.saver.save(session)
        self.touch()

    def _show_points(self) -> None:
        self._take_edits()
        points, session = self.points, self.session
        if points is not None and session is not None:
            self._discs.show(points, session.box)

    def _on_edited(self) -> None:
        """Others have changed the layer; soon, for it is in the middle of that."""
        QTimer.singleShot(0, self._show_edits)

    def _show_edits(self) -> None:
        if self._take_edits():
            self.touch()

    def _take_edits(self) -> bool:
        """Do to the session what the user has done to the layer with napari's own tools."""
        taken = self._discs.take_edits()
        if taken is None or self.entry is None or self.session is None or self.place is None:
            return False
        points, edits = taken
        if edits.removed:
            self.entry.remove(points, edits.removed)
        if edits.moved:
            self.entry.move(points, edits.moved, self.session.near)
        if edits.added:
            self.entry.add(edits.added)
        self._ties.saver.save(self.session)
        self._discs.show(self.session.points(self.place.name), self.session.box)
        return True

    def _on_layers(self) -> None:
        """Layers were opened, closed or named: files of a folder stay, layers follow."""
        files = [place for place in self.places if place.layer is None]
        known = {place.layer.unique_id: place for place in self.places if place.layer is not None}
        paths = {place.path for place in files}
        layers = []
        for layer in self._viewer.layers:
            if is_image(layer) and not is_derived(layer):
                place = known.get(layer.unique_id) or Place(layer.name, layer=layer)
                if place.path is None or place.path not in paths:
                    layers.append(place)
        self.places = files + layers
        if self.place is not None and self.place.layer is not None and self.place not in layers:
            self.place = self.micrograph = None
            QTimer.singleShot(0, self._clear)  # not while the layer is being removed
            self.changed.emit()
        self.listed.emit()
        self._on_active()

    def _clear(self) -> None:
        """The layer of the micrograph is gone."""
        if self.place is None:
            self.scene.release()
            self._discs.remove()

    def _on_active(self) -> None:
        """Without a folder, the micrograph is the layer that is selected, or was opened last."""
        if any(place.layer is None for place in self.places):
            return
        active = self._viewer.layers.selection.active
        for place in self.places:
            if active is not None and place.layer == active:
                self.go(place)
                return
        if self.place is None and self._wanted is None and self.places:
            self.go(self.places[-1])
