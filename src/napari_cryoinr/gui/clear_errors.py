"""What napari tells the user when a file of ours cannot be opened: one sentence.

By itself napari 0.9 shows five lines, of which the last says what is wrong, and a notification
shows the first one only. Scripts get what napari raises, unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import CinrError
from .running import has_event_loop


def install() -> None:
    """From now on errors of our readers are told in one sentence; once is enough."""
    if has_event_loop():
        from napari.utils.notifications import notification_manager

        # Before those who show it; a function that is connected already is not connected again.
        notification_manager.notification_ready.connect(_tell_in_short, position="first")


def _tell_in_short(notification: Any) -> None:
    wrapped = getattr(notification, "exception", None)
    error = getattr(wrapped, "original_error", None)
    if isinstance(error, CinrError):
        line = str(error)
        for path in map(Path, wrapped.paths):
            line = line.replace(str(path), path.name)  # a folder would fill the one visible line
        notification.message = line
