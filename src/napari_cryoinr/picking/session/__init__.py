"""Working through micrographs: what was clicked, picked, accepted and rejected."""

from __future__ import annotations

from .entry import Counts, Entry, Points
from .marks import ACCEPTED, CLICKED, PICKED, REJECTED, STATES, Mark
from .session import Known, ModelFacts, Session, SessionSettings

__all__ = [
    "ACCEPTED",
    "CLICKED",
    "PICKED",
    "REJECTED",
    "STATES",
    "Counts",
    "Entry",
    "Known",
    "Mark",
    "ModelFacts",
    "Points",
    "Session",
    "SessionSettings",
]
