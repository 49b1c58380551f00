"""What a user does to the particles of the current micrograph is done, saved, and displayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import qdebounced, qthrottled

from ...errors import CinrError, MicrographError, one_line
from ...picking.examples import check_box
from ...picking.particles import Particles
from ...picking.session import Entry, ModelSummary, Points, Session
from ..widgets.resources import Resources
from .micrograph_list import MicrographList
from .micrograph_loading import LoadedMicrograph
from .micrograph_view import MicrographView
from .particle_layer import ParticleLayer
from .preview import low_pass_of, preview_steps
from .session_writer import SessionWriter

_DISPLAY_EVERY = 15  # milliseconds: a slider that is dragged asks more often
_PREVIEW_AFTER = 120  # milliseconds without a change: a preview takes longer


class SessionController(QObject):
    """Changes sessions, and keeps their files and the layers of the viewer up to date.

    It knows nothing of the panels, which listen to its signals.
    """

    changed = Signal()  # the session, or which one it is
    layer_selected = Signal()
    message = Signal(str)  # for the user
    # Picks of a micrograph, to be taken: session, name, candidates; may be emitted in any thread.
    candidates_found = Signal(object, str, object)

    def __init__(self, viewer: Any, resources: Resources) -> None:
        super().__init__()
        self._viewer, self._resources = viewer, resources
        self._writer = SessionWriter(self.message.emit)
        self.micrographs = MicrographList(viewer, resources)
        self.micrographs.setParent(self)
        self.particles = ParticleLayer(
            viewer, self.click, self._show_points_soon, self.undo, self.redo
        )
        self.view = MicrographView(viewer, self.particles)
        self.candidates_found.connect(self._on_candidates)
        self.micrographs.message.connect(self.message)
        self.micrographs.about_to_switch.connect(self._take_edits)
        self.micrographs.switched.connect(self._on_switched)
        self.micrographs.closed.connect(self._on_closed)
        self.micrographs.session_moved.connect(self._on_session_moved)

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer; all that is marked is written at the release."""
        self._resources.at_release(self._writer.flush)
        selected = self._viewer.layers.selection.events.active
        self._resources.connect(selected, self._on_layer_selected)
        self.micrographs.connect_viewer()

    # -- the current micrograph

    @property
    def session(self) -> Session | None:
        """The session of the current micrograph."""
        return self.micrographs.session

    @property
    def entry(self) -> Entry | None:
        """What is marked and was picked in the current micrograph."""
        current, session = self.micrographs.current, self.session
        return None if current is None or session is None else session.entry(current.name)

    @property
    def points(self) -> Points | None:
        """The points that are displayed."""
        current, session = self.micrographs.current, self.session
        return None if current is None or session is None else session.points(current.name)

    @property
    def pixel_size(self) -> float | None:
        """Å per pixel; None if it is not known."""
        micrograph = self.micrographs.micrograph
        return None if micrograph is None else micrograph.pixel_size

    @property
    def box_problem(self) -> str | None:
        """What is wrong with the box, in a sentence."""
        if self.micrographs.micrograph is None or self.session is None:
            return None
        try:
            check_box(self.micrographs.micrograph, self.session.box)
        except MicrographError as error:
            return str(error)
        return None

    def unsaved_work(self) -> str | None:
        """Return what would be lost with the window, in a sentence."""
        return self._writer.problem or self.micrographs.unsaved_work()

    # -- what a user does

    def click(self, x: float, y: float) -> None:
        """Do what a click means at a position of the micrograph, pixels."""
        current, session = self.micrographs.current, self.session
        if current is not None and session is not None:
            self._take_edits()
            session.click(current.name, x, y)
            self._on_change()

    def undo(self) -> None:
        """Take back the last change of marks in the micrograph."""
        self._take_edits()
        if self.entry is not None and self.entry.undo():
            self._on_change()

    def redo(self) -> None:
        """Make the last change that was taken back again."""
        self._take_edits()
        if self.entry is not None and self.entry.redo():
            self._on_change()

    def add_particles(self, session: Session, found: Mapping[str, Sequence[Particles]]) -> int:
        """Mark particles that are known from elsewhere; return how many were new.

        A session without marks and model takes its box from them.
        """
        self._take_edits()
        each = [(name, one) for name, several in found.items() for one in several]
        boxes = {session.converted(*pair).box for pair in each} - {None}
        is_new = session.model is None and not any(e.marks for e in session.entries.values())
        if is_new and len(boxes) == 1 and session is self.session:
            self.change_settings(box=boxes.pop())
        count = sum(session.add_particles(name, one) for name, one in each)
        self._on_change()
        return count

    def set_reviewed(self, reviewed: bool) -> None:
        """Set whether the user has looked at the whole micrograph."""
        entry = self.entry
        if entry is not None and entry.reviewed != reviewed:
            entry.reviewed = reviewed
            self._on_change()

    def change_settings(self, **settings: Any) -> None:
        """Change settings of the session by name; invalid ones become a message."""
        session = self.session
        if session is None:
            return
        self._take_edits()
        try:
            session.change_settings(**settings)
        except CinrError as error:
            self.message.emit(str(error))
            return
        self._on_change()
        if "box" in settings or "low_pass" in settings:
            self._renew_preview()

    def select_particles(self) -> None:
        """Select the layer of the particles, so that clicks on the canvas mean particles."""
        if self.entry is not None and not self.particles.exists:
            self.view.put_particles()
        self._show_points()
        self.particles.select()

    def set_preview_wanted(self, wanted: bool) -> None:
        """Show the preview, or the micrograph as it is."""
        self.view.set_preview_wanted(wanted)
        if wanted and not self.view.has_preview:
            self._renew_preview()

    def set_model(self, session: Session, model: ModelSummary) -> None:
        """Take a new model of a session."""
        session.model = model
        self._writer.write(session)
        self._on_change()

    # -- files, and the end

    def flush(self) -> bool:
        """Write all that was marked to the files of the session; return whether it is there."""
        self._take_edits()
        return self._writer.flush()

    def release(self) -> None:
        """Save, and remove our layers; marks that are not saved remain as a layer of points."""
        saved = self.flush()
        self._show_points()
        if not saved and self._writer.problem is not None:
            from napari.utils.notifications import show_warning

            show_warning(self._writer.problem)
        self._show_points_soon.cancel()
        self._renew_preview.cancel()
        self.view.release()
        self.particles.release(remove=saved and self.micrographs.unsaved_work() is None)
        self.micrographs.close()

    # -- how it is done

    def _on_change(self) -> None:
        """Save and display the session, and let the panels know."""
        if self.session is not None:
            self._writer.write(self.session)
        self._show_points_soon()
        self.changed.emit()

    def _on_switched(self, loaded: LoadedMicrograph) -> None:
        current = self.micrographs.current
        assert current is not None
        self.view.show(loaded.micrograph, loaded.limits, current.layer)
        self._resources.stop_job("preview")  # of the micrograph before
        self.view.show_preview(loaded.preview)
        self._show_points()
        self.changed.emit()

    def _on_layer_selected(self) -> None:
        self.layer_selected.emit()

    def _on_closed(self) -> None:
        self.changed.emit()
        QTimer.singleShot(0, self._remove_layers)  # napari is removing a layer just now

    def _remove_layers(self) -> None:
        if self.micrographs.current is None:
            self.view.release()
            self.particles.release(remove=True)

    def _on_session_moved(self, before: Session, session: Session) -> None:
        if before.folder is not None and session.entries is before.entries:
            self._writer.discard(before.folder)
        self._on_change()

    def _on_candidates(self, session: Session, name: str, candidates: Particles) -> None:
        self._take_edits()
        session.set_candidates(name, candidates)
        self._writer.write_candidates(session, name, candidates)
        self._writer.write(session)
        self._on_change()

    def _take_edits(self) -> None:
        """Do to the session what the user has done to the layer with napari's own tools."""
        entry, session, taken = self.entry, self.session, self.particles.take_edits()
        if taken is None or entry is None or session is None:
            return
        points, edits = taken
        entry.remove(points, edits.removed)
        entry.move(points, edits.moved, session.near)
        entry.add(edits.added)
        self._writer.write(session)
        self._show_points(edited=False)
        self.changed.emit()

    def _show_points(self, *, edited: bool = True) -> None:
        if edited:
            self._take_edits()
        if self.points is not None and self.session is not None:
            self.particles.show(self.points, self.session.box)

    @qdebounced(timeout=_PREVIEW_AFTER)
    def _renew_preview(self) -> None:
        micrograph, session = self.micrographs.micrograph, self.session
        if micrograph is not None and session is not None:
            steps = preview_steps(micrograph.data, low_pass_of(session.settings), session.box)
            self._resources.start_job(
                "preview", steps, done=self.view.show_preview, failed=self._on_failed
            )

    def _on_failed(self, error: Exception) -> None:
        self.message.emit(one_line(error))

    @qthrottled(timeout=_DISPLAY_EVERY, leading=False)
    def _show_points_soon(self) -> None:
        self._show_points()
