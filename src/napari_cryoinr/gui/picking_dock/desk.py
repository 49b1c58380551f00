"""The micrograph that is worked on: what is marked in it, kept of it, and seen of it.

It knows sessions and layers, and nothing of the widget, which listens to its signals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from ...errors import CinrError, MicrographError
from ...picking.examples import check_box
from ...picking.particles import Particles
from ...picking.session import Entry, ModelSummary, Points, Session
from .discs import Discs
from .places import OpenedPlace
from .preview import low_pass_of, preview_steps
from .scene import Scene
from .shelf import Shelf
from .ties import Ties

_SHOW_AFTER = 15  # milliseconds; a slider that moves asks more often
_RENEW_AFTER = 120  # the same for previews, which take longer


class Desk(QObject):
    """What a user does to the particles of a micrograph.

    Attributes
    ----------
    shelf : the micrographs.
    discs : the layer of the particles.
    scene : the other layers.
    """

    changed = Signal()  # something is different
    aimed = Signal()  # another layer is selected
    said = Signal(str)
    _unsaved = Signal(str)
    _found = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._ties = Ties(self._unsaved.emit)
        self.shelf = Shelf(viewer, self._ties)
        self.shelf.setParent(self)
        self.discs = Discs(viewer, self.click, self._on_edited)
        self.discs.bind("Control-Z", self.undo)
        self.scene = Scene(viewer, self.discs)
        self._timer = self._timer_for(_SHOW_AFTER, self._show_points)
        self._preview_timer = self._timer_for(_RENEW_AFTER, self.renew_preview)
        self._unsaved.connect(self.said)
        self._found.connect(self._on_found)
        self.shelf.said.connect(self.said)
        self.shelf.opening.connect(self._take_edits)
        self.shelf.opened.connect(self._on_opened)
        self.shelf.closed.connect(self._on_closed)
        self.shelf.moved.connect(self.touch)
        self.destroyed.connect(self._ties.cut)
        self._ties.events.connect(viewer.layers.selection.events.active, self._on_active)
        self.shelf.look()

    # -- what there is

    @property
    def session(self) -> Session | None:
        """The session of the micrograph."""
        return self.shelf.session

    @property
    def entry(self) -> Entry | None:
        """What is known of the micrograph."""
        place = self.shelf.place
        return None if place is None or place.session is None else place.session.entry(place.name)

    @property
    def points(self) -> Points | None:
        """What is shown of it."""
        place = self.shelf.place
        return None if place is None or place.session is None else place.session.points(place.name)

    @property
    def pixel_size(self) -> float | None:
        """Å per pixel of the micrograph; None where it is not known."""
        return None if self.shelf.micrograph is None else self.shelf.micrograph.pixel_size

    @property
    def low_pass(self) -> float:
        """Finest detail of the preview, pixels."""
        assert self.session is not None
        return low_pass_of(self.session.settings)

    @property
    def misfit(self) -> str | None:
        """What is wrong with the box, in a sentence."""
        if self.shelf.micrograph is None or self.session is None:
            return None
        try:
            check_box(self.shelf.micrograph, self.session.box)
        except MicrographError as error:
            return str(error)
        return None

    # -- what a user does

    def click(self, x: float, y: float) -> None:
        """A click at a place of the micrograph, pixels."""
        place = self.shelf.place
        if place is None or place.session is None:
            return
        self._take_edits()
        place.session.click(place.name, x, y)
        self.touch()

    def undo(self) -> None:
        """Take back what was done last."""
        self._take_edits()
        entry = self.entry
        if entry is not None and entry.undo():
            self.touch()

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
        self._take_edits()
        try:
            session.change_settings(**settings)
        except CinrError as error:
            self.said.emit(str(error))
            return
        self.touch()

    def take_clicks(self) -> None:
        """Let clicks on the canvas mean particles."""
        self.scene.put_discs()
        self._show_points()
        self.discs.take_clicks()

    def want_preview(self, wanted: bool) -> None:
        """Show the preview, or the micrograph as it is."""
        self.scene.want_preview(wanted)
        if wanted and not self.scene.has_preview:
            self.renew_preview()

    # -- what a model does

    def found(self, session: Session, name: str, candidates: Particles) -> None:
        """The model has picked a micrograph of a session; may be called in any thread."""
        self._found.emit((session, name, candidates))

    def trained(self, session: Session, model: ModelSummary) -> None:
        """There is a new model."""
        session.set_model(model)
        self._ties.saver.save(session)
        self.touch()

    # -- what is kept and seen

    def touch(self) -> None:
        """Something is different: keep it, show it, and tell those who listen."""
        if self.session is not None:
            self._ties.saver.save(self.session)
        self._timer.start()
        self.changed.emit()

    def renew_preview_soon(self) -> None:
        """Make the preview again once the settings have stopped changing."""
        self._preview_timer.start()

    def renew_preview(self) -> None:
        """Make the preview again, with what the settings say now."""
        micrograph, session = self.shelf.micrograph, self.session
        if micrograph is not None and session is not None:
            steps = preview_steps(micrograph.data, self.low_pass, session.box)
            self._ties.work("preview", steps, self.scene.show_preview, self._on_failed)

    def flush(self) -> None:
        """Wait until all that was done is in the session's files."""
        self._take_edits()
        self._ties.saver.flush()

    def release(self) -> None:
        """Stop all work and leave the viewer alone; marks that nothing keeps stay as a layer."""
        self._take_edits()
        self._timer.stop()
        self._preview_timer.stop()
        self._ties.cut()
        self.scene.release()
        if self.shelf.at_stake() is None:
            self.discs.remove()
        else:
            self.discs.leave()
        self.shelf.leave()

    # -- how it is done

    def _timer_for(self, milliseconds: int, call: Callable[[], None]) -> QTimer:
        """Calls once, so long after it was started last."""
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(call)
        return timer

    def _on_opened(self, found: OpenedPlace) -> None:
        place = self.shelf.place
        assert place is not None
        if place.layer is None:
            self.scene.show_micrograph(found.opened.micrograph, found.opened.contrast_limits)
        else:
            self.scene.show_layer(place.layer)
        self._ties.stop("preview")  # of the one before
        self.scene.show_preview(found.preview)
        self._show_points()
        self.changed.emit()

    def _on_closed(self) -> None:
        self.changed.emit()
        QTimer.singleShot(0, self._clear)  # not while the layer is being removed

    def _clear(self) -> None:
        """The layer of the micrograph is gone."""
        if self.shelf.place is None:
            self.scene.release()
            self.discs.remove()

    def _on_active(self) -> None:
        self.aimed.emit()

    def _on_failed(self, kind: str, error: Exception) -> None:
        self.said.emit(" ".join(str(error).split()) or type(error).__name__)

    def _on_found(self, what: tuple[Session, str, Particles]) -> None:
        session, name, candidates = what
        self._take_edits()
        session.set_candidates(name, candidates)
        self._ties.saver.save_candidates(session, name, candidates)
        self._ties.saver.save(session)
        self.touch()

    def _show_points(self) -> None:
        self._take_edits()
        points, session = self.points, self.session
        if points is not None and session is not None:
            self.discs.show(points, session.box)

    def _on_edited(self) -> None:
        """Others have changed the layer; look at it soon, for it is in the middle of that."""
        QTimer.singleShot(0, self._show_edits)

    def _show_edits(self) -> None:
        if self._take_edits():
            self.touch()

    def _take_edits(self) -> bool:
        """Do to the session what the user has done to the layer with napari's own tools."""
        entry, session, taken = self.entry, self.session, self.discs.take_edits()
        if taken is None or entry is None or session is None:
            return False
        points, edits = taken
        if edits.removed:
            entry.remove(points, edits.removed)
        if edits.moved:
            entry.move(points, edits.moved, session.near)
        if edits.added:
            entry.add(edits.added)
        self._ties.saver.save(session)
        shown = self.points
        assert shown is not None
        self.discs.show(shown, session.box)
        return True
