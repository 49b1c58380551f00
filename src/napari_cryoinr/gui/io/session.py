"""What belongs to one viewer as long as it lives: results of compressions, and current settings.

Results outlive the widget that made them: a dock that is closed loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from ...codec.members import HalfMaps
from ...errors import CinrError
from ...settings import Settings
from ...support.output_paths import file_stems
from ..widgets.closing import ClosingGuard
from ..widgets.dock import ask_for_target
from .compressed import Compressed
from .save_dialog import mend_dialog


@dataclass(frozen=True)
class Offer:
    """How the widget Compress map would compress its layer now."""

    settings: Settings
    half_maps: HalfMaps | None = None


class Session:
    """The results of one viewer, the latest last, until they are removed."""

    changed = Signal()
    can_save = True

    def __init__(self) -> None:
        self.results: list[Compressed] = []
        self._offers: list[Callable[[Any], Offer | None]] = []

    def add(self, compressed: Compressed) -> None:
        """Keep a result."""
        self.results.append(compressed)
        self.changed.emit()

    def remove(self, compressed: Compressed) -> None:
        """Forget a result, and delete its temporary file."""
        self.results.remove(compressed)
        compressed.discard()
        self.changed.emit()

    def save(self, compressed: Compressed, path: Path) -> None:
        """Save a result; raise `CinrError` if that is not possible."""
        compressed.save(path)
        self.changed.emit()

    def ask_and_save(self, parent: QWidget, compressed: Compressed) -> Path | None:
        """Ask where to save a result, and save it; None if the user cancels."""
        title, kind = "Save compressed map", "Compressed density maps"
        path = ask_for_target(parent, title, compressed.path.name, kind)
        if path is not None:
            self.save(compressed, path)
        return path

    @property
    def unsaved(self) -> list[Compressed]:
        """The results that were not saved."""
        return [one for one in self.results if one.saved is None]

    def lend_settings(self, offer: Callable[[Any], Offer | None]) -> Callable[[], None]:
        """Let a widget say how it would compress a layer; returns a function that ends it.

        `offer` returns None for layers that it does not show, and may raise `SettingsError`.
        """
        self._offers.append(offer)
        return lambda: self._offers.remove(offer)

    def offer_for(self, layer: Any) -> Offer | None:
        """Return how an open widget would compress a layer; None if none shows it."""
        offers = (offer(layer) for offer in reversed(self._offers))
        return next((one for one in offers if one is not None), None)

    def finished(self, layer: Any, offer: Offer) -> Compressed | None:
        """Return a result of this layer that was made with these settings."""
        with_halves = offer.half_maps is not None
        for one in reversed(self.results):
            same = one.original_id == str(layer.unique_id) and one.settings == offer.settings
            if same and (one.report.half_map_resolution is not None) == with_halves:
                return one
        return None

    # -- as an owner of unsaved work; see `ClosingGuard`

    def unsaved_work(self) -> str | None:
        """Name each result that was not saved."""
        return "\n".join(f"{one.summary}; not saved" for one in self.unsaved) or None

    def save_work(self, window: QWidget) -> bool:
        """Ask for a file, or a folder where several are unsaved; whether all is saved then."""
        unsaved = self.unsaved
        try:
            if len(unsaved) == 1:
                return self.ask_and_save(window, unsaved[0]) is not None
            folder = QFileDialog.getExistingDirectory(window, "Folder for the compressed maps")
            if not folder:
                return False
            for one, path in zip(unsaved, _free_paths(Path(folder), unsaved), strict=True):
                self.save(one, path)
        except CinrError as error:
            from napari.utils.notifications import show_error

            show_error(str(error))
            return False
        return True

    def release(self) -> None:
        """Delete all temporary files."""
        while self.results:
            self.results.pop().discard()


def _free_paths(folder: Path, results: list[Compressed]) -> list[Path]:
    """Return a new file in a folder for each result; none that exists is replaced."""
    taken = {path.stem for path in folder.glob("*.cinr")}
    paths = []
    for stem in file_stems([one.name for one in results]):
        number, free = 1, stem
        while free in taken:
            number += 1
            free = f"{stem} {number}"
        taken.add(free)
        paths.append(folder / f"{free}.cinr")
    return paths


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """Return the session of a viewer, whose window asks about it before it is closed."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # what napari hands to plugins
    if viewer not in _sessions:
        session = _sessions[viewer] = Session()
        window = getattr(viewer, "window", None)
        if window is not None:
            mend_dialog()
            ClosingGuard.of(window._qt_window).add(session)
            window._qt_window.destroyed.connect(session.release)
    return _sessions[viewer]
