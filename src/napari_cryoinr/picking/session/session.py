"""A picking session: micrographs, settings, a model, and what a training learns from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ...support import records
from ...support.records import checked_field
from ..calibration import THRESHOLD
from ..coordinates import SUFFIXES
from ..particles import Particles
from ..picker_model import Round
from ..picking_settings import NETWORKS, SelectionSettings, TrainingSettings
from ..pixel_sizes import converted
from .entry import ACCEPTED, CLICKED, PICKED, REJECTED, Entry, Points

FOLDER = "picking"  # beside the micrographs
MODEL_FILE = "model.h5"
_HIT = 0.5  # of a box: a click within this distance means the point


@dataclass(frozen=True)
class SessionSettings(records.Record):
    """What a user has chosen."""

    training: TrainingSettings = checked_field("how to train")
    selection: SelectionSettings = checked_field("which maxima are picks", SelectionSettings())
    threshold: float | None = checked_field(
        "least score; by default the model's", None, low=0, high=1
    )
    low_pass: float | None = checked_field(
        "finest detail of the preview, pixels; by default a quarter of the box", None, low=1
    )
    format: str = checked_field("of the coordinates that are saved", ".csv", choices=SUFFIXES)
    out: str | None = checked_field("folder of the coordinates", None)

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class ModelSummary(records.Record):
    """The model of a session, without its network."""

    network: str = checked_field("which network", choices=NETWORKS)
    box: float = checked_field("side of the square around one particle, pixels", low=8, high=4096)
    threshold: float = checked_field("least score of a particle", low=0, high=1)
    rounds: tuple[Round, ...] = checked_field("trainings, the first one first")


class TrainingLabels(NamedTuple):
    """What a training learns from one micrograph: particles, and rejected places."""

    name: str
    particles: Particles
    rejected: Particles


@dataclass(eq=False)
class Session:
    """What is known of some micrographs; everything but the images."""

    settings: SessionSettings
    root: Path | None = None  # folder of the micrographs; None where they are in no file
    folder: Path | None = None  # where the session is stored; None for one that is not
    model: ModelSummary | None = None
    entries: dict[str, Entry] = field(default_factory=dict)

    def entry(self, name: str) -> Entry:
        """Return the entry of a micrograph, by its file name without folders."""
        return self.entries.setdefault(name, Entry())

    @property
    def box(self) -> float:
        """Side of the square around one particle, pixels."""
        return self.settings.training.box

    @property
    def threshold(self) -> float:
        """Least score of a pick that counts."""
        if self.settings.threshold is not None:
            return self.settings.threshold
        return THRESHOLD if self.model is None else self.model.threshold

    @property
    def near(self) -> float:
        """Pixels; what is closer than this to a mark is the same particle."""
        return min(0.5, self.settings.selection.distance) * self.box

    def points(self, name: str) -> Points:
        """Return the points displayed on a micrograph."""
        return self.entry(name).points(self.threshold, self.near)

    def counts(self, name: str) -> tuple[int, int, int]:
        """Return how many particles of a micrograph are marked, picked, and rejected."""
        return self.entry(name).counts(self.threshold, self.near)

    def particles_of(self, name: str) -> Particles:
        """Return the particles of a micrograph: clicked, accepted, and picks not rejected.

        A clicked particle has the score 1 if others have scores.
        """
        points = self.points(name)
        kept = np.array([state != REJECTED for state in points.state], bool)
        score = None
        if not np.isnan(points.score).all():
            score = np.nan_to_num(points.score[kept], nan=1.0)
        return Particles(points.xy[kept], score, self.box, self.entry(name).pixel_size)

    def labels_of(self, name: str) -> TrainingLabels:
        """Return what a training learns from a micrograph.

        Particles are those that were clicked or accepted and, in a reviewed micrograph, all
        displayed picks.
        """
        points = self.points(name)
        taken = {CLICKED, ACCEPTED} | ({PICKED} if self.entry(name).reviewed else set())
        particles = [state in taken for state in points.state]
        rejected = [state == REJECTED for state in points.state]
        return TrainingLabels(
            name, *(Particles(points.xy[np.array(some, bool)]) for some in (particles, rejected))
        )

    def training_labels(self) -> list[TrainingLabels]:
        """Return the labels of every micrograph with particles or rejected places."""
        labels = [self.labels_of(name) for name in sorted(self.entries)]
        return [one for one in labels if len(one.particles) or len(one.rejected)]

    def training_counts(self) -> tuple[int, int, int]:
        """Return how many particles, rejected places and micrographs `training_labels` has."""
        found = []
        for name, entry in self.entries.items():
            marked, picked, rejected = self.counts(name)
            found.append((marked + picked * entry.reviewed, rejected))
        counts = np.array(found, int).reshape(-1, 2)
        particles, rejected = counts.sum(0).tolist()
        return particles, rejected, int(counts.any(1).sum())

    def totals(self, names: Iterable[str]) -> tuple[int, int]:
        """Return how many particles these micrographs have, and how many were reviewed."""
        particles = reviewed = 0
        for name in names:
            if name in self.entries:
                marked, picked, _ = self.counts(name)
                particles += marked + picked
                reviewed += self.entries[name].reviewed
        return particles, reviewed

    def converted(self, name: str, particles: Particles) -> Particles:
        """Return particles in pixels of the micrograph, whose size may be another than theirs."""
        return converted(particles, self.entry(name).pixel_size)

    def add_particles(self, name: str, particles: Particles) -> int:
        """Mark particles that are known from elsewhere; return how many were new.

        Places near a mark are left out, and so are those before the first pixel.
        """
        entry, places = self.entry(name), self.converted(name, particles).xy
        places = places[(places >= 0).all(1)]
        if entry.marks and len(places):
            marked = cKDTree([(mark.x, mark.y) for mark in entry.marks])
            places = places[marked.query(places)[0] >= self.near]
        entry.add([(x, y) for x, y in places.tolist()])
        return len(places)

    def click(self, name: str, x: float, y: float) -> str:
        """Change the point at a place; return its new state, or "removed".

        An empty place becomes a particle, a clicked particle is removed, and a pick is rejected;
        the next click accepts it again.
        """
        entry, points = self.entry(name), self.points(name)
        index = points.nearest(x, y, _HIT * self.box)
        if index is None:
            entry.add([(x, y)])
            return CLICKED
        if points.state[index] == CLICKED:
            entry.remove(points, [index])
            return "removed"
        state = ACCEPTED if points.state[index] == REJECTED else REJECTED
        entry.label(points, {index: state})
        return state

    def set_candidates(self, name: str, candidates: Particles) -> None:
        """Set what the model has found in a micrograph; the user's marks stay.

        Reviewed picks become accepted particles, and the micrograph has to be reviewed again.
        """
        entry = self.entry(name)
        if entry.reviewed:
            points = self.points(name)
            picks = [index for index, state in enumerate(points.state) if state == PICKED]
            entry.label(points, dict.fromkeys(picks, ACCEPTED))
            entry.reviewed = False
        entry.candidates = candidates
        entry.pixel_size = entry.pixel_size or candidates.pixel_size
        entry.round = len(self.model.rounds) if self.model is not None else 0

    def is_outdated(self, name: str) -> bool:
        """Whether a micrograph has picks of an older model that nobody has reviewed."""
        entry = self.entry(name)
        return (
            entry.candidates is not None
            and not entry.reviewed
            and self.model is not None
            and entry.round != len(self.model.rounds)
        )

    def can_continue_training(self) -> bool:
        """Whether a training can start from the model: the same network and box."""
        training = self.settings.training
        return self.model is not None and (
            self.model.network == training.network and self.model.box == training.box
        )

    def change_settings(self, **settings: Any) -> None:
        """Change settings by name, those of training and selection too.

        Raises
        ------
        SettingsError
            For a value against its rule; nothing is changed then.
        """
        own = self.settings
        for part in ("training", "selection"):
            record = getattr(own, part)
            names = {name for name in settings if hasattr(record, name)}
            changed = replace(record, **{name: settings.pop(name) for name in names})
            own = replace(own, **{part: changed})
        self.settings = replace(own, **settings)
