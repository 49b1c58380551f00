"""Picking sessions: what was clicked, picked, accepted and rejected in micrographs."""

from .entry import ACCEPTED, CLICKED, PICKED, REJECTED, STATES, Entry, Mark, Points
from .session import ModelSummary, Session, SessionSettings, TrainingLabels

__all__ = ["ACCEPTED", "CLICKED", "PICKED", "REJECTED", "STATES", "Entry", "Mark", "ModelSummary"]
__all__ += ["Points", "Session", "SessionSettings", "TrainingLabels"]
