"""The dock widget Pick particles."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QVBoxLayout

from ... import workers
from ...picking.networks.network_base import ScoreMap
from ...picking.session import ModelSummary, Session
from ...workers.picking_tasks import Picked
from ..widgets.dock import DockWidget
from ..widgets.layout import Scrolling, group
from .coordinates_panel import CoordinatesPanel, save_coordinates_steps
from .micrograph_list import ListedMicrograph
from .micrograph_panel import MicrographPanel
from .picking_panel import CorrectionPanel, PickingPanel
from .session_controller import SessionController
from .training_panel import TrainingPanel
from .view_panel import ParticlePanel, ViewPanel


class PickWidget(DockWidget):
    """Click some particles, train, pick, correct, train again, go on to the next micrograph, save.

    Parameters
    ----------
    napari_viewer : where the micrographs are shown.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.controller = controller = SessionController(napari_viewer, self.resources)
        controller.setParent(self)
        self.files, self.view = MicrographPanel(controller), ViewPanel(controller)
        self.particle, self.training = ParticlePanel(controller), TrainingPanel(controller)
        self.picking, self.correction = PickingPanel(controller), CorrectionPanel(controller)
        self.coordinates = CoordinatesPanel(controller)
        self.scroll = Scrolling(
            group("Micrographs", self.files),
            group("View", self.view),
            group("Particle", self.particle),
            group("Learn", self.training),
            group("Pick", self.picking),
            group("Correct", self.correction),
            group("Save", self.coordinates),
        )
        column, below = QVBoxLayout(self), QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        below.setContentsMargins(6, 0, 6, 4)
        below.addWidget(self.bar)
        below.addWidget(self.message)
        column.addWidget(self.scroll, stretch=1)
        column.addLayout(below)
        self.setAcceptDrops(True)
        controller.message.connect(self.say)
        self.training.train_wanted.connect(self._train)
        self.training.model_chosen.connect(self._adopt_model)
        self.picking.pick_wanted.connect(self._pick)
        self.view.scores_wanted.connect(self._show_scores)
        self.coordinates.save_wanted.connect(self._save_coordinates)
        self.bar.changed.connect(self._on_bar)
        self.attach()

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer."""
        self.controller.connect_viewer()

    def unsaved_work(self) -> str | None:
        """Work that is going on, or marks that are in no file."""
        if self.bar.running:
            return "Work on particles is going on; what it has not finished is lost."
        return self.controller.unsaved_work()

    def release(self) -> None:
        """Stop all work and leave the viewer; what was marked is saved."""
        self.controller.release()
        super().release()

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
        steps = workers.train_picker_steps(
            examples,
            session.settings.training,
            micrographs.model_path(session),
            go_on=self.training.continues,
        )
        self.start(steps, "Training", partial(self._on_trained, session))

    def _adopt_model(self, path: str) -> None:
        """Pick with a model from elsewhere."""
        session = self._session()
        target = self.controller.micrographs.model_path(session)
        steps = workers.adopt_picker_steps(Path(path), target)
        self.start(steps, "Reading the model", partial(self._on_adopted, session))

    def _pick(self, everything: bool) -> None:
        """Pick the current micrograph, or all that were not reviewed."""
        session, micrographs = self._session(), self.controller.micrographs
        items = [item for item in micrographs.items if item.session is session]
        if everything:
            items = [item for item in items if not session.entry(item.name).reviewed]
        else:
            items = [item for item in items if item is micrographs.current]
        failures: list[str] = []

        def found(picked: Picked) -> None:
            if picked.candidates is None:
                failures.append(picked.problem)
            else:
                name = items[picked.number].name
                self.controller.set_candidates(session, name, picked.candidates)

        self.say("")
        steps = workers.pick_steps(
            [micrographs.source(item) for item in items],
            micrographs.model_path(session),
            session.settings.selection,
            session.settings.training.device,
            found,
        )
        done = partial(self._on_picked, failures)
        self.start(steps, "Picking", done, kept="what was found so far stays")

    def _show_scores(self, shown: bool) -> None:
        """Make the score map of the micrograph, or remove it."""
        session, micrographs = self._session(), self.controller.micrographs
        item = micrographs.current
        self.controller.view.hide_scores()
        if not shown or item is None or self.bar.running:
            self.view.show_scores_checked(False)
            return
        steps = workers.score_map_steps(
            micrographs.source(item),
            micrographs.model_path(session),
            session.settings.training.device,
        )
        done = partial(self._on_scores, item)
        self.start(steps, "Making the score map", done, failed=self._on_no_scores)

    def _save_coordinates(self) -> None:
        """Write the particles of all micrographs of the session."""
        session, target = self._session(), self.coordinates.target
        assert target is not None
        self.controller.flush()
        self.start(save_coordinates_steps(session, target), "Saving", self.say)

    def _on_trained(self, session: Session, model: ModelSummary) -> None:
        self.controller.set_model(session, model)
        last = model.rounds[-1]
        self.say(f"Trained on {last.particles} particles in {last.seconds:.0f} s. Now pick.")

    def _on_adopted(self, session: Session, model: ModelSummary) -> None:
        self.controller.set_model(session, model)
        self.controller.change_settings(box=model.box, network=model.network)
        self.say(f"A {model.network} for a box of {model.box:g} px. Now pick.")

    def _on_picked(self, failures: list[str], count: int) -> None:
        text = "" if count == 1 else f"{count} micrographs picked."
        if failures:
            text = f"{text} {len(failures)} not: {failures[0]}".strip()
        self.say(text)

    def _on_scores(self, item: ListedMicrograph, scores: ScoreMap) -> None:
        if item is self.controller.micrographs.current:
            self.controller.view.show_scores(scores)
        self.view.show_scores_checked(self.controller.view.scores is not None)

    def _on_no_scores(self, line: str) -> None:
        self.view.show_scores_checked(False)
        self.say(line)

    def _on_bar(self) -> None:
        for panel in (self.files, self.training, self.picking, self.coordinates):
            panel.set_busy(self.bar.why_busy)

    # -- folders that are dropped

    def dragEnterEvent(self, event: Any) -> None:
        """Accept a folder."""
        if _dropped_folder(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Open a folder."""
        folder = _dropped_folder(event)
        if folder is not None:
            event.acceptProposedAction()
            self.controller.micrographs.open_folder(folder)


def _dropped_folder(event: Any) -> Path | None:
    for url in event.mimeData().urls():
        path = Path(url.toLocalFile())
        if url.isLocalFile() and path.is_dir():
            return path
    return None
