"""Which micrographs can be worked on, and which one is: files of a folder, and layers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from ... import workers
from ...picking.micrographs import Micrograph
from ...picking.session import Session, TrainingLabels
from ...picking.session.session import MODEL_FILE
from ..io.layer_matching import is_derived
from ..io.micrograph_layers import OpenedMicrograph, is_image, why_no_micrograph
from .places import (
    OpenedFolder,
    OpenedPlace,
    Place,
    move_steps,
    open_folder_steps,
    open_place_steps,
)
from .ties import Ties


class Shelf(QObject):
    """Opens micrographs one at a time.

    Attributes
    ----------
    places : those that can be worked on.
    place : the one that is worked on; None for none.
    micrograph : its image; None where none is worked on.
    """

    listed = Signal()  # there are others
    opening = Signal()  # another one is about to be shown
    opened = Signal(object)  # it is there: `OpenedPlace`
    closed = Signal()  # its layer is gone
    moved = Signal()  # the session is kept elsewhere
    said = Signal(str)

    def __init__(self, viewer: Any, ties: Ties) -> None:
        super().__init__()
        self._viewer, self._ties = viewer, ties
        self.places: list[Place] = []
        self.place: Place | None = None
        self.micrograph: Micrograph | None = None
        self._wanted: Place | None = None  # it is being opened
        self._sessions: dict[Path | None, Session] = {}  # by the folder of their micrographs
        self._kept: Path | None = None  # where the user wants sessions to be kept
        self._complaints: tuple[str, ...] = ()  # of opening a folder, to be said with its first one
        self._images: dict[str, Micrograph] = {}  # of layers that are in no file
        layers = viewer.layers.events
        for emitter in (layers.inserted, layers.removed):
            ties.events.connect(emitter, self._on_layers)
        ties.events.connect(viewer.layers.selection.events.active, self._follow)

    @property
    def session(self) -> Session | None:
        """The session of the micrograph that is worked on."""
        return None if self.place is None else self.place.session

    def model_path(self, session: Session) -> Path:
        """Where the model of a session is or will be."""
        folder = Path(self._ties.temporary) if session.folder is None else session.folder
        return folder / MODEL_FILE

    def image(self, place: Place) -> workers.MicrographSource:
        """A micrograph, for work in a process of its own."""
        source = self._images[place.name] if place.path is None else place.path
        return workers.MicrographSource(place.name, source)

    def examples(self, session: Session) -> list[tuple[workers.MicrographSource, TrainingLabels]]:
        """What training may learn from, in the micrographs that are there."""
        found = []
        for known in session.training_labels():
            if session.root is None:
                source: Path | Micrograph | None = self._images.get(known.name)
            else:
                path = session.root / known.name
                source = path if path.is_file() else None
            if source is not None:
                found.append((workers.MicrographSource(known.name, source), known))
        return found

    def at_stake(self) -> str | None:
        """What would be lost with the window, in a sentence."""
        for session in self._sessions.values():
            if session.folder is None and any(not e.is_empty for e in session.entries.values()):
                return "Particles were marked in an image that is in no file: nothing keeps them."
        return None

    # -- going to another one

    def look(self) -> None:
        """See which layers there are, and open one."""
        self._on_layers()

    def open_folder(self, folder: Path) -> None:
        """Work through the micrographs of a folder."""
        folder = Path(os.path.abspath(folder))
        self.said.emit(f"Looking for micrographs in {folder.name}...")
        steps = open_folder_steps(folder, self._kept, self._sessions.get(folder))
        self._ties.work("folder", steps, self._on_folder, self._on_failed)

    def go(self, place: Place) -> None:
        """Work on another micrograph."""
        if place is self._wanted or (place is self.place and self._wanted is None):
            return
        self._wanted = place
        steps = open_place_steps(place, self._sessions, self._kept)
        self._ties.work("open", steps, self._on_opened, self._on_failed)

    def step(self, by: int) -> None:
        """Go to the next micrograph, or back."""
        at = self._wanted or self.place
        index = self.places.index(at) + by if at in self.places else 0
        if 0 <= index < len(self.places):
            self.go(self.places[index])

    def keep_in(self, folder: Path) -> None:
        """Keep the session elsewhere; one that is there already is opened."""
        session, self._kept = self.session, folder
        if session is not None and session.folder != folder:
            steps = move_steps(session, folder, self.model_path(session))
            self._ties.work("move", steps, self._on_moved, self._on_failed)

    def leave(self) -> None:
        """Work on none."""
        self.place = self.micrograph = None

    # -- how it is done

    def _on_failed(self, kind: str, error: Exception) -> None:
        if kind == "open":
            self._wanted = None
            self.listed.emit()
        self.said.emit(" ".join(str(error).split()) or type(error).__name__)

    def _on_folder(self, found: OpenedFolder) -> None:
        root, session = found.paths[0].parent, found.session
        self._sessions[root] = session
        self.places = [Place(path.name, path, None, session) for path in found.paths]
        self._wanted = None
        self._complaints = found.complaints
        self.listed.emit()
        new = (place for place in self.places if not session.entry(place.name).reviewed)
        self.go(next(new, self.places[0]))

    def _on_opened(self, found: OpenedPlace) -> None:
        place, self._wanted = self._wanted, None
        if place is None or place not in self.places:  # its layer was closed meanwhile
            return
        self.opening.emit()
        opened, session = found.opened, found.session
        self._sessions.setdefault(session.root, session)
        place.path, place.session = opened.path, session
        place.name = self._remember(opened)
        session.entry(place.name).pixel_size = opened.micrograph.pixel_size
        self.place, self.micrograph = place, opened.micrograph
        self.said.emit(" ".join([*self._complaints, *found.complaints]))
        self._complaints = ()
        self.opened.emit(found)
        self.listed.emit()

    def _remember(self, opened: OpenedMicrograph) -> str:
        """A name that only this image has; that of a layer that is in no file is kept."""
        if opened.path is not None:
            return opened.name
        name, number, data = opened.name, 1, opened.micrograph.data
        while not np.array_equal(self._images.setdefault(name, opened.micrograph).data, data):
            number += 1
            name = f"{opened.name} [{number}]"
        return name

    def _on_moved(self, moved: tuple[Session, tuple[str, ...]]) -> None:
        before, (session, complaints) = self.session, moved
        for place in self.places:
            if place.session is before:
                place.session = session
        self._sessions[session.root] = session
        self.said.emit(" ".join(complaints))
        self.moved.emit()

    def _on_layers(self) -> None:
        """Layers were opened or closed: files of a folder stay, layers follow."""
        files = [place for place in self.places if place.layer is None]
        known = {place.layer.unique_id: place for place in self.places if place.layer is not None}
        paths = {place.path for place in files}
        layers = []
        for layer in self._viewer.layers:
            if self._may_be_one(layer):
                place = known.get(layer.unique_id) or Place(layer.name, layer=layer)
                if place.path is None or place.path not in paths:
                    layers.append(place)
        places = files + layers
        if places != self.places:
            self.places = places
            self.listed.emit()
        if not places and not any(is_image(layer) for layer in self._viewer.layers):
            self.said.emit("")  # what was wrong with an image that is gone
        if self.place is not None and self.place not in places:
            self.leave()
            self.closed.emit()
        self._follow()

    def _follow(self) -> None:
        """Without a folder, the micrograph is the layer that is selected, or was opened last."""
        if any(place.layer is None for place in self.places):
            return
        active = self._viewer.layers.selection.active
        for place in self.places:
            if active is not None and place.layer == active:
                self.go(place)
                return
        if self.place is not None or self._wanted is not None:
            return
        if self.places:
            self.go(self.places[-1])
        elif active is not None and is_image(active) and not is_derived(active):
            self.said.emit(why_no_micrograph(active) or "")

    def _may_be_one(self, layer: Any) -> bool:
        return is_image(layer) and not is_derived(layer) and why_no_micrograph(layer) is None
