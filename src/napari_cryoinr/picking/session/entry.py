"""One micrograph of a session."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import cKDTree

from ...support import records
from ...support.array_types import Float64Array
from ...support.records import checked_field
from ..particles import Particles

CLICKED, PICKED, ACCEPTED, REJECTED = "clicked", "picked", "accepted", "rejected"
STATES = (CLICKED, PICKED, ACCEPTED, REJECTED)
_FARTHEST = 1e7  # pixels


@dataclass(frozen=True)
class Mark(records.Record):
    """A place that a user has labelled."""

    x: float = checked_field("column, pixels of the micrograph", low=-_FARTHEST, high=_FARTHEST)
    y: float = checked_field("row", low=-_FARTHEST, high=_FARTHEST)
    state: str = checked_field("what it is", choices=(CLICKED, ACCEPTED, REJECTED))
    score: float | None = checked_field("the model's, if it was a pick", None)


Marks = tuple[Mark, ...]
_Key = tuple[Marks, Particles, float]


@dataclass(frozen=True, eq=False)
class Points:
    """The points displayed on a micrograph: all marks, then the picks above the threshold."""

    xy: Float64Array  # shape (n, 2), x then y, pixels
    state: tuple[str, ...]  # of each, one of `STATES`
    score: Float64Array  # shape (n,); NaN where the model gave none

    def __len__(self) -> int:
        return len(self.state)

    def count(self, *states: str) -> int:
        """Return how many points are in one of these states."""
        return sum(state in states for state in self.state)

    def nearest(self, x: float, y: float, within: float) -> int | None:
        """Return the index of the nearest point, if one is within that many pixels."""
        if not len(self):
            return None
        distance = np.hypot(*(self.xy - (x, y)).T)
        index = int(distance.argmin())
        return index if distance[index] <= within else None


@dataclass(eq=False)
class Entry:
    """One micrograph: the user's marks and the model's candidates.

    Candidates never change. A pick that is rejected or accepted becomes a mark, and a candidate
    near a mark is not displayed, so removing the mark restores the pick.
    """

    marks: Marks = ()  # the user's, in the order in which they were made
    candidates: Particles | None = None  # all that the model found, with scores; None: not picked
    round: int = 0  # number of the training whose model found them
    reviewed: bool = False  # the user has checked all of it: all displayed picks are particles
    pixel_size: float | None = None  # Å; None if unknown
    _history: list[Marks] = field(default_factory=list)  # the marks before each change
    _undone: list[Marks] = field(default_factory=list)  # those after each that was reverted
    _unmarked: tuple[_Key, Float64Array, Float64Array] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not self.marks and self.candidates is None and not self.reviewed

    def points(self, threshold: float, near: float) -> Points:
        """Return the marks, and the picks with at least the threshold that are not near a mark.

        A candidate closer to a mark than `near`, pixels, is the same particle.
        """
        marked = [(m.x, m.y, math.nan if m.score is None else m.score) for m in self.marks]
        marks = np.array(marked, np.float64).reshape(-1, 3)
        places, scores = self._unmarked_candidates(near)
        shown = scores >= threshold
        return Points(
            np.concatenate([marks[:, :2], places[shown]]),
            (*(mark.state for mark in self.marks), *[PICKED] * int(shown.sum())),
            np.concatenate([marks[:, 2], scores[shown]]),
        )

    def counts(self, threshold: float, near: float) -> tuple[int, int, int]:
        """Return how many particles are marked, picked, and rejected; faster than `points`."""
        rejected = sum(mark.state == REJECTED for mark in self.marks)
        _, scores = self._unmarked_candidates(near)
        return len(self.marks) - rejected, int((scores >= threshold).sum()), rejected

    # -- changes; each call is undone as a whole

    def add(self, places: Sequence[tuple[float, float]]) -> None:
        """Mark particles at these places, x then y."""
        self._change((*self.marks, *(Mark(float(x), float(y), CLICKED) for x, y in places)))

    def label(self, points: Points, states: dict[int, str]) -> None:
        """Mark displayed points, by their index, as ACCEPTED or REJECTED."""
        self._change(self._marks_with(points, states)[0])

    def remove(self, points: Points, indices: Iterable[int]) -> None:
        """Delete clicked points; what the model found is rejected instead."""
        clicked = {i for i in indices if points.state[i] == CLICKED}
        others = {i: REJECTED for i in indices if i not in clicked}
        marks, _ = self._marks_with(points, others)
        self._change(tuple(mark for i, mark in enumerate(marks) if i not in clicked))

    def move(self, points: Points, places: dict[int, tuple[float, float]], near: float) -> None:
        """Move displayed points.

        A pick that is moved becomes an accepted particle at the new place. If that is at least
        `near` pixels away, the old place is rejected.
        """
        picks = {i: ACCEPTED for i in places if points.state[i] == PICKED}
        found, at = self._marks_with(points, picks)
        marks = list(found)
        for index, (x, y) in places.items():
            old = marks[at[index]]
            marks[at[index]] = replace(old, x=float(x), y=float(y))
            if old.score is not None and math.hypot(x - old.x, y - old.y) >= near:
                marks.append(replace(old, state=REJECTED))
        self._change(tuple(marks))

    def undo(self) -> bool:
        """Revert the last change; return whether there was one."""
        if not self._history:
            return False
        self._undone.append(self.marks)
        self.marks = self._history.pop()
        return True

    def redo(self) -> bool:
        """Make the last change that was reverted again; return whether there was one."""
        if not self._undone:
            return False
        self._history.append(self.marks)
        self.marks = self._undone.pop()
        return True

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to revert."""
        return bool(self._history)

    @property
    def can_redo(self) -> bool:
        """Whether there is a reverted change."""
        return bool(self._undone)

    def _change(self, marks: Marks) -> None:
        if marks != self.marks:
            self._history.append(self.marks)
            self._undone.clear()
            self.marks = marks

    def _marks_with(self, points: Points, states: dict[int, str]) -> tuple[Marks, dict[int, int]]:
        """Return the marks with new states, and the index of each point among them.

        Picks among the points become marks.
        """
        marks = [replace(m, state=states.get(i, m.state)) for i, m in enumerate(self.marks)]
        at = {i: i for i in range(len(marks))}
        for index in sorted(i for i in states if i >= len(self.marks)):
            (x, y), score = points.xy[index], float(points.score[index])
            at[index] = len(marks)
            marks.append(Mark(float(x), float(y), states[index], score))
        return tuple(marks), at

    def _unmarked_candidates(self, near: float) -> tuple[Float64Array, Float64Array]:
        """Return places and scores of the candidates that are not near a mark; cached."""
        found = self.candidates
        if found is None or found.score is None:
            return np.empty((0, 2)), np.empty(0)
        key = (self.marks, found, near)
        if self._unmarked is None or self._unmarked[0] != key:
            kept = np.ones(len(found), bool)
            if self.marks and len(found):
                marked = cKDTree([(mark.x, mark.y) for mark in self.marks])
                kept = marked.query(found.xy)[0] >= near
            self._unmarked = (key, found.xy[kept], found.score[kept])
        return self._unmarked[1:]
