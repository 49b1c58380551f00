"""The micrographs that can be picked, which of them is the current one, and their sessions.

They are the files of a folder, or image layers that the user has opened.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from ...errors import one_line
from ...picking.micrographs import Micrograph
from ...picking.session import Session, TrainingLabels
from ...picking.session.session import MODEL_FILE
from ...support.atomic_files import new_temporary_folder
from ...workers import MicrographSource
from ..io.layer_matching import is_derived
from ..io.micrograph_layers import LayerSource, is_image, why_no_micrograph
from ..widgets.resources import Resources
from .micrograph_loading import (
    LoadedMicrograph,
    OpenSessions,
    SessionAndMessages,
    load_folder_steps,
    load_micrograph_steps,
    move_session_steps,
)


@dataclass(eq=False)
class ListedMicrograph:
    """A micrograph of the list."""

    name: str  # its key in the session: its file name, or the name of its layer
    path: Path | None = None  # None if it is in no file that can be read without napari
    layer: Any = None  # None for a file of a folder
    session: Session | None = None  # None before it was opened


class MicrographList(QObject):
    """Opens micrographs one at a time."""

    changed = Signal()  # `items` are others
    about_to_switch = Signal()  # another micrograph becomes the current one
    switched = Signal(object)  # another one is the current one: `LoadedMicrograph`
    closed = Signal()  # the layer of the current one was removed
    session_moved = Signal(object, object)  # the session before, and that in the other folder
    message = Signal(str)  # for the user

    def __init__(self, viewer: Any, resources: Resources) -> None:
        super().__init__()
        self._viewer, self._resources = viewer, resources
        self.items: list[ListedMicrograph] = []
        self.current: ListedMicrograph | None = None  # that is worked on
        self.micrograph: Micrograph | None = None  # its image
        self._loading: ListedMicrograph | None = None
        self._sessions = OpenSessions()
        self._messages: tuple[str, ...] = ()  # of opening a folder, shown with its first micrograph
        self._images: dict[str, Micrograph] = {}  # of layers that are in no file
        self._temporary: Path | None = None  # for the model of a session without a folder

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer."""
        layers = self._viewer.layers
        for emitter in (layers.events.inserted, layers.events.removed):
            self._resources.connect(emitter, self._on_layers)
        self._resources.connect(layers.selection.events.active, self._follow_selection)
        self._on_layers()

    @property
    def session(self) -> Session | None:
        """The session of the current micrograph."""
        return None if self.current is None else self.current.session

    def model_path(self, session: Session) -> Path:
        """Where the model of a session is or will be."""
        if session.folder is not None:
            return session.folder / MODEL_FILE
        if self._temporary is None:
            self._temporary = new_temporary_folder()
            self._resources.at_release(self._remove_temporary)
        return self._temporary / MODEL_FILE

    def source(self, item: ListedMicrograph) -> MicrographSource:
        """Return what a child process reads a micrograph from."""
        return item.path or self._images[item.name]

    def training_examples(
        self, session: Session
    ) -> Iterator[tuple[MicrographSource, TrainingLabels]]:
        """Find what training can learn from, in the micrographs that still exist."""
        for labels in session.training_labels():
            source: MicrographSource | None = self._images.get(labels.name)
            if session.root is not None:
                path = session.root / labels.name
                source = path if path.is_file() else None
            if source is not None:
                yield source, labels

    def unsaved_work(self) -> str | None:
        """Return what would be lost with the window because it is in no file, in a sentence."""
        for session in self._sessions.values():
            if session.folder is None and any(not e.is_empty for e in session.entries.values()):
                return "Particles were marked in an image that is in no file; they are not stored."
        return None

    # -- what a user does

    def open_folder(self, folder: Path) -> None:
        """List the micrographs of a folder and open the first that was not reviewed."""
        folder = Path(os.path.abspath(folder))
        self.message.emit(f"Looking for micrographs in {folder.name}...")
        steps = load_folder_steps(folder, self._sessions)
        self._resources.start_job("folder", steps, done=self._on_folder, failed=self._on_failed)

    def open(self, item: ListedMicrograph) -> None:
        """Make a micrograph the current one."""
        if item is self._loading or (item is self.current and self._loading is None):
            return
        source = item.path if item.layer is None else LayerSource.of(item.layer)
        assert source is not None
        steps = load_micrograph_steps(source, self._sessions)
        self._loading = item
        done = partial(self._on_loaded, item)
        self._resources.start_job("load", steps, done=done, failed=self._on_not_loaded)

    def open_next(self) -> None:
        """Open the micrograph after the current one."""
        self._step(1)

    def open_previous(self) -> None:
        """Open the micrograph before the current one."""
        self._step(-1)

    def _step(self, by: int) -> None:
        at = self._loading or self.current
        index = self.items.index(at) + by if at in self.items else 0
        if 0 <= index < len(self.items):
            self.open(self.items[index])

    def move_session(self, folder: Path) -> None:
        """Store the session in another folder, or open the one that is there."""
        session, self._sessions.folder = self.session, folder
        if session is not None and session.folder != folder:
            steps = move_session_steps(session, folder, self.model_path(session))
            done = partial(self._on_moved, session)
            self._resources.start_job("move", steps, done=done, failed=self._on_failed)

    def close(self) -> None:
        """Leave the current micrograph."""
        self.current = self.micrograph = self._loading = None

    # -- when work has ended

    def _on_failed(self, error: Exception) -> None:
        self.message.emit(one_line(error))

    def _on_folder(self, loaded: tuple[list[Path], SessionAndMessages]) -> None:
        paths, (session, self._messages) = loaded
        self.items = [ListedMicrograph(path.name, path, None, session) for path in paths]
        self._loading = None
        self.changed.emit()
        unseen = (item for item in self.items if not session.entry(item.name).reviewed)
        self.open(next(unseen, self.items[0]))

    def _on_not_loaded(self, error: Exception) -> None:
        self._loading = None
        self.changed.emit()
        self._on_failed(error)

    def _on_loaded(self, item: ListedMicrograph, loaded: LoadedMicrograph) -> None:
        self._loading = None
        if item not in self.items:  # its layer was removed meanwhile
            return
        self.about_to_switch.emit()
        micrograph, session = loaded.micrograph, loaded.session
        item.path, item.session = loaded.path, session
        item.name = self._unique_name(micrograph) if item.path is None else item.path.name
        session.entry(item.name).pixel_size = micrograph.pixel_size
        self.current, self.micrograph = item, micrograph
        self.message.emit(" ".join([*self._messages, *loaded.messages]))
        self._messages = ()
        self.switched.emit(loaded)
        self.changed.emit()

    def _unique_name(self, micrograph: Micrograph) -> str:
        """Keep a micrograph that is in no file, by a name that no other one has."""
        name, number = micrograph.name, 1
        while not np.array_equal(self._images.setdefault(name, micrograph).data, micrograph.data):
            number += 1
            name = f"{micrograph.name} [{number}]"
        return name

    def _on_moved(self, before: Session, moved: SessionAndMessages) -> None:
        session, messages = moved
        for item in self.items:
            if item.session is before:
                item.session = session
        self._sessions[session.root] = session
        self.message.emit(" ".join(messages))
        self.session_moved.emit(before, session)

    # -- the layers of the viewer

    def _on_layers(self) -> None:
        """List the layers that may be micrographs; files of a folder stay."""
        files = [item for item in self.items if item.layer is None]
        known = {item.layer.unique_id: item for item in self.items if item.layer is not None}
        paths = {item.path for item in files}
        layers = []
        for layer in self._viewer.layers:
            if is_image(layer) and not is_derived(layer) and why_no_micrograph(layer) is None:
                item = known.get(layer.unique_id) or ListedMicrograph(layer.name, layer=layer)
                if item.path is None or item.path not in paths:
                    layers.append(item)
        items = files + layers
        if items != self.items:
            self.items = items
            self.changed.emit()
        if not items and not any(is_image(layer) for layer in self._viewer.layers):
            self.message.emit("")  # what was wrong with an image that is gone
        if self.current is not None and self.current not in items:
            self.close()
            self.closed.emit()
        self._follow_selection()

    def _follow_selection(self) -> None:
        """Without a folder the current micrograph is the selected layer, or the last one."""
        if any(item.layer is None for item in self.items):
            return
        active = self._viewer.layers.selection.active
        for item in self.items:
            if active is not None and item.layer == active:
                self.open(item)
                return
        if self.current is not None or self._loading is not None:
            return
        if self.items:
            self.open(self.items[-1])
        elif active is not None and is_image(active) and not is_derived(active):
            self.message.emit(why_no_micrograph(active) or "")

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None
