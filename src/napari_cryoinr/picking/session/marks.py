"""Marks: places in a micrograph that a user has labelled."""

from __future__ import annotations

from dataclasses import dataclass

from ...support import records
from ...support.records import checked_field

CLICKED, PICKED, ACCEPTED, REJECTED = "clicked", "picked", "accepted", "rejected"
STATES = (CLICKED, PICKED, ACCEPTED, REJECTED)
_FARTHEST = 1e7  # pixels


@dataclass(frozen=True)
class Mark(records.Record):
    """One place that a user has labelled."""

    x: float = checked_field("column, pixels of the micrograph", low=-_FARTHEST, high=_FARTHEST)
    y: float = checked_field("row", low=-_FARTHEST, high=_FARTHEST)
    state: str = checked_field("what it is", choices=(CLICKED, ACCEPTED, REJECTED))
    score: float | None = checked_field("the model's, if it was a pick", None, low=0, high=1)

    @property
    def is_particle(self) -> bool:
        """Whether the user says that there is a particle."""
        return self.state != REJECTED
