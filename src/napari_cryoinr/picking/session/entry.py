"""One micrograph of a session."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ...support.array_types import Float64Array
from ..particles import Particles
from .marks import ACCEPTED, CLICKED, PICKED, REJECTED, Mark

_MOST_UNDONE = 1000

Marks = tuple[Mark, ...]


@dataclass(frozen=True, eq=False)
class Points:
    """What is shown of a micrograph: first all marks, then the picks that count.

    Attributes
    ----------
    xy : places, shape (n, 2), x then y, pixels.
    state : of each, one of `STATES`.
    score : shape (n,); NaN for what the model has not scored.
    """

    xy: Float64Array
    state: tuple[str, ...]
    score: Float64Array

    def __len__(self) -> int:
        return len(self.state)

    def count(self, *states: str) -> int:
        """How many are in one of these states."""
        return sum(state in states for state in self.state)

    def nearest(self, x: float, y: float, within: float) -> int | None:
        """Index of the point nearest to a place; None where none is within that many pixels."""
        if not len(self):
            return None
        distance = np.hypot(*(self.xy - (x, y)).T)
        index = int(distance.argmin())
        return index if distance[index] <= within else None


class Counts(NamedTuple):
    """Particles that the user has marked, picks, and rejected places."""

    marked: int
    picked: int
    rejected: int


class Entry:
    """A micrograph: what the user has marked in it, and what the model has found.

    Picks never change. A pick that is rejected or accepted becomes a mark, and a pick with a mark
    on it is not shown, so that taking the mark away brings the pick back.

    Attributes
    ----------
    candidates : all that the model has found, with scores; None before it was asked.
    round : the number of the training whose model found them.
    reviewed : whether the user has looked at all of it: all picks that are shown are particles.
    pixel_size : Å per pixel; None where it is not known.
    """

    def __init__(
        self,
        marks: Iterable[Mark] = (),
        candidates: Particles | None = None,
        training_round: int = 0,
        reviewed: bool = False,
        pixel_size: float | None = None,
    ) -> None:
        self._marks: Marks = tuple(marks)
        self._history: list[Marks] = []  # before each change
        self._unmarked: tuple[Marks, Particles, float, Float64Array, Float64Array] | None = None
        self.candidates = candidates
        self.round = training_round
        self.reviewed = reviewed
        self.pixel_size = pixel_size

    @property
    def marks(self) -> Marks:
        """What the user has marked, in that order."""
        return self._marks

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known that would have to be kept."""
        return not self._marks and self.candidates is None and not self.reviewed

    def points(self, threshold: float, near: float) -> Points:
        """The marks, and the picks of at least a score that are not near to a mark.

        Parameters
        ----------
        near : pixels; what is nearer than that to a mark is the same particle.
        """
        xy, state = [(mark.x, mark.y) for mark in self._marks], [mark.state for mark in self._marks]
        score = [math.nan if mark.score is None else mark.score for mark in self._marks]
        places, scores = self._unmarked_candidates(near)
        counts = scores >= threshold
        return Points(
            np.concatenate([np.array(xy, np.float64).reshape(-1, 2), places[counts]]),
            (*state, *[PICKED] * int(counts.sum())),
            np.concatenate([np.array(score, np.float64), scores[counts]]),
        )

    def counts(self, threshold: float, near: float) -> Counts:
        """How many points of each kind `points` has; quick."""
        particles = sum(mark.is_particle for mark in self._marks)
        _, scores = self._unmarked_candidates(near)
        picked = int(np.count_nonzero(scores >= threshold))
        return Counts(particles, picked, len(self._marks) - particles)

    def candidates_at(self, threshold: float) -> tuple[int, int]:
        """How many candidates have at least a score, and how many there are."""
        if self.candidates is None or self.candidates.score is None:
            return 0, 0
        return int((self.candidates.score >= threshold).sum()), len(self.candidates)

    # -- changes; each call is undone as a whole

    def add(self, places: Sequence[tuple[float, float]]) -> None:
        """There are particles at these places, x then y."""
        self._change((*self._marks, *(Mark(float(x), float(y), CLICKED) for x, y in places)))

    def accept(self, points: Points, indices: Iterable[int]) -> None:
        """These of the points that are shown are particles."""
        self._change(self._marks_with(points, dict.fromkeys(indices, ACCEPTED)))

    def reject(self, points: Points, indices: Iterable[int]) -> None:
        """These of the points that are shown are none."""
        self._change(self._marks_with(points, dict.fromkeys(indices, REJECTED)))

    def remove(self, points: Points, indices: Iterable[int]) -> None:
        """Forget what was clicked; what the model has found is rejected instead."""
        clicked = {i for i in indices if points.state[i] == CLICKED}
        others = {i: REJECTED for i in indices if i not in clicked}
        stated = self._marks_with(points, others)
        self._change(tuple(mark for i, mark in enumerate(stated) if i not in clicked))

    def move(self, points: Points, places: dict[int, tuple[float, float]], near: float) -> None:
        """Points that are shown have been put elsewhere.

        What the model has found and the user puts elsewhere is a particle there, and none where it
        was, unless that is as good as the same place.
        """
        known = dict.fromkeys((i for i in places if points.state[i] == PICKED), ACCEPTED)
        marks = list(self._marks_with(points, known))
        at = self._positions(points, known)
        for index, (x, y) in places.items():
            old = marks[at[index]]
            marks[at[index]] = replace(old, x=float(x), y=float(y))
            if old.score is not None and math.hypot(x - old.x, y - old.y) >= near:
                marks.append(replace(old, state=REJECTED))
        self._change(tuple(marks))

    def undo(self) -> bool:
        """Take back what was done last; whether there was anything."""
        if not self._history:
            return False
        self._marks = self._history.pop()
        return True

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to take back."""
        return bool(self._history)

    def _change(self, marks: Marks) -> None:
        if marks != self._marks:
            self._history = [*self._history[-_MOST_UNDONE + 1 :], self._marks]
            self._marks = marks

    def _marks_with(self, points: Points, states: dict[int, str]) -> Marks:
        """The marks with other states; picks among the points become marks, in their order."""
        count = len(self._marks)
        marks = [
            replace(mark, state=states.get(i, mark.state)) for i, mark in enumerate(self._marks)
        ]
        for index in sorted(i for i in states if i >= count):
            (x, y), score = points.xy[index], float(points.score[index])
            marks.append(Mark(float(x), float(y), states[index], score))
        return tuple(marks)

    def _positions(self, points: Points, states: dict[int, str]) -> dict[int, int]:
        """Where points are among the marks that `_marks_with` gives."""
        count = len(self._marks)
        new = sorted(i for i in states if i >= count)
        return {i: i for i in range(count)} | {i: count + at for at, i in enumerate(new)}

    def _unmarked_candidates(self, near: float) -> tuple[Float64Array, Float64Array]:
        """Places and scores of the candidates that are not near to a mark."""
        found = self.candidates
        if found is None or found.score is None:
            return np.empty((0, 2)), np.empty(0)
        known = self._unmarked
        if known is None or (known[0], known[2]) != (self._marks, near) or known[1] is not found:
            kept = np.ones(len(found), bool)
            if self._marks and len(found):
                marked = cKDTree([(mark.x, mark.y) for mark in self._marks])
                kept = marked.query(found.xy)[0] >= near
            known = (self._marks, found, near, found.xy[kept], found.score[kept])
            self._unmarked = known
        return known[3], known[4]
