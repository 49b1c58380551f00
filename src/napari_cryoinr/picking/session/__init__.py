"""Working through micrographs: what was clicked, picked, accepted and rejected."""

from __future__ import annotations

from .entry import Counts, Entry, Points
from .marks import ACCEPTED, CLICKED, PICKED, REJECTED, STATES, Mark
from .session import ModelSummary, Session, SessionSettings, TrainingLabels

__all__ = [
    "ACCEPTED",
    "CLICKED",
    "PICKED",
    "REJECTED",
    "STATES",
    "Counts",
    "Entry",
    "Mark",
    "ModelSummary",
    "Points",
    "Session",
    "SessionSettings",
    "TrainingLabels",
]
