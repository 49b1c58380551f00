"""The dock widget Pick particles."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QVBoxLayout

from ... import workers
from ...picking.networks.network_base import ScoreMap
from ...picking.session import ModelSummary, Session
from ..widgets.dock import DockWidget
from ..widgets.layout import Scrolling, group
from .choose_panel import ChoosePanel
from .coordinate_saving import Saved, save_steps
from .correct_panel import CorrectPanel
from .desk import Desk
from .learn_panel import LearnPanel
from .micrograph_list import MicrographList
from .places import Place
from .save_panel import SavePanel
from .view_panel import ParticlePanel, ViewPanel


class PickWidget(DockWidget):
    """Click some particles, train, pick, correct, train again, go on to the next micrograph, save.

    Parameters
    ----------
    napari_viewer : where the micrographs are shown.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._failures: list[str] = []
        self.desk = Desk(napari_viewer)
        self.desk.setParent(self)
        self.files = MicrographList(self.desk)
        self.view, self.particle = ViewPanel(self.desk), ParticlePanel(self.desk)
        self.learn, self.choose = LearnPanel(self.desk), ChoosePanel(self.desk)
        self.correct, self.save = CorrectPanel(self.desk), SavePanel(self.desk)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.scroll = Scrolling(
            group("Micrographs", self.files),
            group("View", self.view),
            group("Particle", self.particle),
            group("Learn", self.learn),
            group("Pick", self.choose),
            group("Correct", self.correct),
            group("Save", self.save),
        )
        column.addWidget(self.scroll, stretch=1)
        below = QVBoxLayout()
        below.setContentsMargins(6, 0, 6, 4)
        below.addWidget(self.bar)
        below.addWidget(self.message)
        column.addLayout(below)
        self.setAcceptDrops(True)
        self.desk.said.connect(self.say)
        self.learn.train_wanted.connect(self.train)
        self.learn.model_chosen.connect(self.use_model)
        self.choose.pick_wanted.connect(self.pick)
        self.view.scores_wanted.connect(self.show_scores)
        self.save.save_wanted.connect(self.save_coordinates)
        self.bar.changed.connect(self._on_bar)
        self.attach()

    # -- long work, each in the background

    def train(self) -> None:
        """Learn from all that was marked."""
        session, shelf = self.desk.session, self.desk.shelf
        if session is None or self.bar.running:
            return
        examples = shelf.examples(session)
        missing = len(session.training_labels()) - len(examples)
        self.say(f"{missing} micrographs are gone; they are left out." if missing else "")
        steps = workers.train_picker_steps(
            examples, session.settings.training, shelf.model_path(session), go_on=self.learn.goes_on
        )
        self.bar.start(steps, "Training", partial(self._on_trained, session), self.say)

    def use_model(self, path: str) -> None:
        """Pick with a model from elsewhere."""
        session = self.desk.session
        if session is None or self.bar.running:
            return
        steps = workers.adopt_picker_steps(Path(path), self.desk.shelf.model_path(session))
        self.bar.start(steps, "Reading the model", partial(self._on_adopted, session), self.say)

    def pick(self, everything: bool) -> None:
        """Find the particles of the micrograph that is shown, or of all that were not reviewed."""
        session, shelf = self.desk.session, self.desk.shelf
        if session is None or session.model is None or self.bar.running:
            return
        places = [place for place in shelf.places if place.session is session]
        if everything:
            places = [place for place in places if not session.entry(place.name).reviewed]
        else:
            places = [place for place in places if place is shelf.place]
        self._failures = []
        self.say("")
        steps = workers.pick_steps(
            [shelf.image(place) for place in places],
            shelf.model_path(session),
            session.settings.selection,
            session.settings.training.device,
            partial(self.desk.found, session),
            self._note_failure,
        )
        kept = "what was found so far stays"
        self.bar.start(steps, "Picking", self._on_picked, self.say, kept=kept)

    def show_scores(self, shown: bool) -> None:
        """Show the score map of the micrograph, or take it away."""
        place, session, shelf = self.desk.shelf.place, self.desk.session, self.desk.shelf
        self.desk.scene.hide_scores()
        if not shown or place is None or session is None or self.bar.running:
            self.view.show_scores(False)
            return
        device = session.settings.training.device
        steps = workers.score_map_steps(shelf.image(place), shelf.model_path(session), device)
        done = partial(self._on_scores, place)
        self.bar.start(steps, "Making the score map", done, self._on_no_scores)

    def save_coordinates(self) -> None:
        """Write the particles of all micrographs of the session."""
        session, target = self.desk.session, self.save.target
        if session is None or target is None or self.bar.running:
            return
        self.desk.flush()
        steps = save_steps(session, target)
        self.bar.start(steps, "Saving", self._on_saved, self.say)

    # -- what becomes of it

    def _on_trained(self, session: Session, model: ModelSummary) -> None:
        self.desk.trained(session, model)
        last = model.rounds[-1]
        self.say(f"Trained on {last.particles} particles in {last.seconds:.0f} s. Now pick.")

    def _on_adopted(self, session: Session, model: ModelSummary) -> None:
        self.desk.trained(session, model)
        self.desk.change(box=model.box, network=model.network)
        self.say(f"A {model.network} for a box of {model.box:g} px. Now pick.")

    def _note_failure(self, name: str, reason: str) -> None:
        self._failures.append(reason)

    def _on_picked(self, count: int) -> None:
        text = "" if count == 1 else f"{count} micrographs picked."
        if self._failures:
            text = f"{text} {len(self._failures)} not: {self._failures[0]}".strip()
        self.say(text)

    def _on_scores(self, place: Place, scores: ScoreMap) -> None:
        if place is self.desk.shelf.place:
            self.desk.scene.show_scores(scores)
        self.view.show_scores(self.desk.scene.scores is not None)

    def _on_no_scores(self, line: str) -> None:
        self.view.show_scores(False)
        self.say(line)

    def _on_saved(self, saved: Saved) -> None:
        self.say(
            f"{saved.particles} particles of {saved.files} micrographs saved in {saved.folder}."
        )

    def _on_bar(self) -> None:
        for panel in (self.files, self.learn, self.choose, self.save):
            panel.set_busy(self.bar.running)

    # -- folders that are dropped

    def dragEnterEvent(self, event: Any) -> None:
        if self._dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        folder = self._dropped(event)
        if folder is not None:
            event.acceptProposedAction()
            self.desk.shelf.open_folder(folder)

    @staticmethod
    def _dropped(event: Any) -> Path | None:
        for url in event.mimeData().urls():
            path = Path(url.toLocalFile())
            if url.isLocalFile() and path.is_dir():
                return path
        return None

    # -- how it ends

    def release(self) -> None:
        """Stop all work and disconnect from the viewer; what was clicked is written."""
        super().release()
        self.desk.release()

    def unsaved_work(self) -> str | None:
        """Work that is going on, or marks that nothing keeps."""
        if self.bar.running:
            return "Work on particles is going on; what it has not finished is lost."
        return self.desk.shelf.at_stake()
