"""napari with a map, the widget Compress map and the guided tour."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ..errors import CinrError
from .preferences import PLUGIN


def prepare(viewer: Any, path: Path | None = None) -> Any:
    """Open a map, if one is given, and the guided tour, which opens all else and is returned."""
    if path is not None:
        viewer.open(path, plugin=PLUGIN)
    from .widgets.plugin_docks import open_dock

    return open_dock(viewer, "Guided tour")


def show(path: Path | None = None) -> None:
    """Open napari, and return when its windows are closed.

    Raises `CinrError` if there is no napari, Qt binding or display, or the map cannot be opened.
    """
    try:
        import napari
        import qtpy.QtWidgets  # noqa: F401
    except ImportError as error:
        hint = 'pip install "napari-cryoinr[all]"'
        raise CinrError(f"napari and a Qt binding are needed: {hint}") from error
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, displays)):
        raise CinrError("there is no display: set DISPLAY, or log in with a desktop")
    prepare(napari.Viewer(title="napari-cryoinr demo"), path)
    napari.run()
