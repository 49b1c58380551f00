"""Picking sessions: what was clicked, picked, accepted and rejected in micrographs."""

from __future__ import annotations

from .entry import ACCEPTED, CLICKED, PICKED, REJECTED, STATES, Counts, Entry, Mark, Points
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
