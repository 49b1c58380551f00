"""Readers and writers as commands: napari calls them with a path, its command palette without.

Then the user is asked for one by napari's own dialog, which calls them again.
"""

from __future__ import annotations

from typing import Any

from . import reader, writer

_OPEN = "napari.window.file.open_files_dialog"
_OPEN_FOLDER = "napari.window.file.open_folder_dialog"
_SAVE = "napari.window.file.save_layers_dialog.selected"


def open_cinr(path: str | list[str] | None = None) -> reader.Reader | None:
    """Return a reader of `.cinr` files; without a path, ask for files and open them."""
    if path is None:
        _dialog(_OPEN)
        return None
    return reader.get_cinr_reader(path)


def open_map(path: str | list[str] | None = None) -> reader.Reader | None:
    """Return a reader of MRC/CCP4 files; without a path, ask for files and open them."""
    if path is None:
        _dialog(_OPEN)
        return None
    return reader.get_map_reader(path)


def open_folder(path: str | list[str] | None = None) -> reader.Reader | None:
    """Return a reader of the maps in a folder; without a path, ask for a folder and open it."""
    if path is None:
        _dialog(_OPEN_FOLDER)
        return None
    return reader.get_folder_reader(path)


def save_cinr(path: str | None = None, layers: Any = None) -> list[str] | None:
    """Compress layers into a file; without a path, ask for one and save the selected layers."""
    if path is None:
        _dialog(_SAVE)
        return None
    return writer.write_cinr(path, layers)


def save_mrc(path: str | None = None, data: Any = None, meta: Any = None) -> list[str] | None:
    """Save a layer as MRC; without a path, ask for one and save the selected layers."""
    if path is None:
        _dialog(_SAVE)
        return None
    return writer.write_mrc(path, data, meta)


def _dialog(command: str) -> None:
    """Do what an entry of napari's File menu does."""
    from napari import current_viewer
    from napari._app_model import get_app_model
    from napari.utils.notifications import show_info

    viewer = current_viewer()
    if command == _SAVE and (viewer is None or not viewer.layers.selection):
        show_info("Select the layers that are to be saved first")
        return
    get_app_model().commands.execute_command(command)
