"""What a user has done to the points of a layer, seen by comparing before and after."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Place = tuple[float, float]


@dataclass(frozen=True)
class Edits:
    """Differences of two lists of places.

    Attributes
    ----------
    removed : indices of places that are there no more.
    moved : new places by the index of the old ones.
    added : places that are new.
    """

    removed: list[int] = field(default_factory=list)
    moved: dict[int, Place] = field(default_factory=dict)
    added: list[Place] = field(default_factory=list)


def edits_between(before: Floats, after: Floats) -> Edits:
    """What was done between two states of a list of places, both of shape (n, 2)."""
    if len(before) == len(after):
        rows = np.flatnonzero((before != after).any(1))
        return Edits(moved={int(i): (float(after[i, 0]), float(after[i, 1])) for i in rows})
    places: dict[Place, list[int]] = {}
    for index, (x, y) in enumerate(before.tolist()):
        places.setdefault((x, y), []).append(index)
    added = []
    for x, y in after.tolist():
        same = places.get((x, y))
        if same:
            same.pop(0)
        else:
            added.append((x, y))
    return Edits(removed=sorted(i for same in places.values() for i in same), added=added)
