"""Which of napari's functions has led to this place, where napari does not say so."""

from __future__ import annotations

import sys
from types import FrameType


def called_by(name: str) -> bool:
    """Whether a function or method of napari of this name is being called."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_name == name and module.startswith("napari."):
            return True
        frame = frame.f_back
    return False
