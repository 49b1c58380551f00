"""The dock widget Pick particles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QWidget

from ... import workers
from ...picking.coordinates import READ_SUFFIXES
from ...picking.networks.network_base import ScoreMap
from ...picking.particles import Particles
from ...picking.session import ModelSummary, Session
from ...picking.session.importing import import_steps
from ...workers.picking_tasks import ModelSource, Picked
from ..widgets.dock import DockWidget
from ..widgets.layout import Scrolling, fill, group
from .coordinates_panel import CoordinatesPanel, coordinate_files, save_coordinates_steps
from .micrograph_panel import MicrographPanel
from .picking_panel import CorrectionPanel, PickingPanel
from .session_controller import SessionController
from .training_panel import TrainingPanel
from .view_panel import ParticlePanel, ViewPanel
from .work_bar import WorkBar


class PickWidget(DockWidget):
    """Click particles, train, pick, correct, train again, go to the next micrograph, save."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.controller = controller = SessionController(napari_viewer, self.resources)
        controller.setParent(self)
        self.files, self.view = MicrographPanel(controller), ViewPanel(controller)
        self.particle, self.training = (
            ParticlePanel(controller),
            TrainingPanel(controller, napari_viewer.theme),
        )
        self.picking = PickingPanel(controller, napari_viewer.theme)
        self.correction = CorrectionPanel(controller)
        self.coordinates = CoordinatesPanel(controller)
        buttons = (self.picking.button, self.correction.reviewed, self.coordinates.button)
        self.work = WorkBar(controller, *buttons)
        panels = {"Micrographs": self.files, "View": self.view, "Particle": self.particle}
        panels |= {"Learn": self.training, "Pick": self.picking, "Correct": self.correction}
        panels |= {"Coordinates": self.coordinates}
        self.scroll = Scrolling(*(group(title, panel) for title, panel in panels.items()))
        above, below = QWidget(), QWidget()
        fill(above, self.work, margin=6)
        fill(below, self.bar, self.message, margin=6)
        fill(self, above, self.scroll, below).setStretchFactor(self.scroll, 1)
        self.setAcceptDrops(True)
        controller.message.connect(self.say)
        self.training.train_wanted.connect(self._train)
        self.training.model_chosen.connect(self._adopt_model)
        self.picking.pick_wanted.connect(self._pick)
        self.view.scores_wanted.connect(self._show_scores)
        self.coordinates.save_wanted.connect(self._save_coordinates)
        self.coordinates.import_wanted.connect(self.import_coordinates)
        self.bar.changed.connect(self._disable_buttons)
        self.attach()

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer."""
        self.controller.connect_viewer()
        self.resources.connect(self.viewer.events.theme, self._on_theme)

    def unsaved_work(self) -> str | None:
        """Work that is going on, or marks that are in no file."""
        if self.bar.running:
            return "Work on particles is going on; what it has not finished is lost."
        return self.controller.unsaved_work()

    def release(self) -> None:
        """Stop all work and leave the viewer; what was marked is saved."""
        self.controller.release()
        super().release()

    def import_coordinates(self, files: list[Path]) -> None:
        """Mark the particles in files of coordinates, each in its micrograph."""
        session, micrographs = self.controller.session, self.controller.micrographs
        if session is None or micrographs.current is None:
            self.say("Open a micrograph or a folder first, then import its coordinates.")
            return
        if self.bar.running:
            self.say(self.bar.why_busy)
            return
        own = [item for item in micrographs.items if item.session is session]
        sources = {item.name: micrographs.source(item) for item in own}

        def done(found: dict[str, list[Particles]]) -> None:
            count = self.controller.add_particles(session, found)
            ending = "" if len(found) == 1 else "s"
            self.say(f"{count:,} particles imported into {len(found)} micrograph{ending}.")

        steps = import_steps(files, sources, micrographs.current.name)
        self.start(steps, "Importing", done)

    # -- jobs; their buttons are disabled while there is no session, or a job is running

    def _session(self) -> Session:
        assert self.controller.session is not None
        return self.controller.session

    def _train(self) -> None:
        """Train with all that was marked."""
        session, micrographs = self._session(), self.controller.micrographs
        examples = list(micrographs.training_examples(session))
        missing = len(session.training_labels()) - len(examples)
        self.say(f"{missing} micrographs are gone; they are left out." if missing else "")

        def done(model: ModelSummary) -> None:
            self.controller.set_model(session, model)
            last = model.rounds[-1]
            self.say(f"Trained on {last.particles} particles in {last.seconds:.0f} s. Now pick.")

        settings, path = session.settings.training, micrographs.model_path(session)
        go_on = self.training.continues
        steps = workers.train_picker_steps(examples, settings, path, go_on=go_on)
        self.training.loss.clear()
        self.start(steps, "Training", done, self.training.loss.add)

    def _adopt_model(self, path: str) -> None:
        """Pick with a model from elsewhere."""
        session = self._session()

        def done(model: ModelSummary) -> None:
            self.controller.set_model(session, model)
            self.controller.change_settings(box=model.box, network=model.network)
            self.say(f"A {model.network} for a box of {model.box:g} px. Now pick.")

        target = self.controller.micrographs.model_path(session)
        self.start(workers.adopt_picker_steps(Path(path), target), "Reading the model", done)

    def _pick(self, everything: bool) -> None:
        """Pick the current micrograph, or all that were not reviewed."""
        session, micrographs = self._session(), self.controller.micrographs
        items = [item for item in micrographs.items if item is micrographs.current]
        if everything:
            items = [item for item in micrographs.items if item.session is session]
            items = [item for item in items if not session.entry(item.name).reviewed]
        problems: list[str] = []

        def found(picked: Picked) -> None:  # in the thread of the job
            if picked.candidates is None:
                problems.append(picked.problem)
            else:
                name = items[picked.number].name
                self.controller.candidates_found.emit(session, name, picked.candidates)

        def done(count: int) -> None:
            text = "" if count == 1 else f"{count} micrographs picked."
            self.say(f"{text} {len(problems)} not: {problems[0]}".strip() if problems else text)

        self.say("")
        settings = session.settings
        sources = [micrographs.source(item) for item in items]
        model, device = self._model(session), settings.training.device
        steps = workers.pick_steps(sources, model, settings.selection, device, found)
        self.start(steps, "Picking", done, kept="what was found so far stays")

    def _model(self, session: Session) -> ModelSource:
        """Return the model of a session; before its first training the one of the package."""
        if session.model is not None:
            return self.controller.micrographs.model_path(session)
        return session.box  # whose discs just hold a particle

    def _show_scores(self, shown: bool) -> None:
        """Make the score map of the micrograph, or remove it."""
        session, micrographs = self._session(), self.controller.micrographs
        view, item = self.controller.view, micrographs.current
        view.hide_scores()
        if not shown or item is None or self.bar.running:
            self.view.show_scores_checked(False)
            return

        def done(scores: ScoreMap) -> None:
            if item is micrographs.current:
                view.show_scores(scores)
            self.view.show_scores_checked(view.scores is not None)

        def failed(line: str) -> None:
            self.view.show_scores_checked(False)
            self.say(line)

        model, device = self._model(session), session.settings.training.device
        steps = workers.score_map_steps(micrographs.source(item), model, device)
        self.start(steps, "Making the score map", done, failed=failed)

    def _save_coordinates(self) -> None:
        """Write the particles of all micrographs of the session."""
        session = self._session()
        if self.coordinates.target is None:
            self.coordinates.choose_folder()
        if (target := self.coordinates.target) is None:
            return
        self.controller.flush()
        files = coordinate_files(session, target)
        if self.coordinates.confirms_replacing(files):
            self.start(save_coordinates_steps(files, target), "Saving", self.say)

    def _on_theme(self) -> None:
        self.picking.histogram.set_theme(self.viewer.theme)
        self.training.loss.set_theme(self.viewer.theme)

    def _disable_buttons(self) -> None:
        for panel in (self.files, self.training, self.picking, self.coordinates):
            panel.set_busy(self.bar.why_busy)

    # -- folders and files that are dropped

    def dragEnterEvent(self, event: Any) -> None:
        """Accept a folder of micrographs, or files of coordinates."""
        folder, files = _dropped(event)
        event.setAccepted(folder is not None or bool(files))

    def dropEvent(self, event: Any) -> None:
        """Open a folder, or import coordinates."""
        folder, files = _dropped(event)
        if folder is not None:
            event.acceptProposedAction()
            self.controller.micrographs.open_folder(folder)
        elif files:
            event.acceptProposedAction()
            self.import_coordinates(files)


def _dropped(event: Any) -> tuple[Path | None, list[Path]]:
    """Return the first folder among what is dropped, and all files of coordinates."""
    paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
    folder = next((path for path in paths if path.is_dir()), None)
    return folder, [path for path in paths if path.suffix.lower() in READ_SUFFIXES]
