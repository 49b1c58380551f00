"""What napari's Save dialog leaves to be done.

It asks the writer whose type is chosen there, whatever suffix was typed, and takes a writer that
wrote nothing for one that failed, also where the user cancelled.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ...errors import CinrError, one_line
from ...maps.density_map import MAP_SUFFIXES
from ..preferences import PLUGIN
from .callers import called_by

_DIALOG = "_save_layers_dialog"  # napari's function that shows the dialog and calls the writer
_SUFFIXES = (".cinr", *MAP_SUFFIXES)

_connected = False


def asked_by_dialog() -> bool:
    """Whether napari's Save dialog has called the writer, and no script."""
    return called_by(_DIALOG)


def mend_dialog() -> None:
    """From now on, let our suffixes be saved by our writers, whatever type is chosen."""
    global _connected
    if _connected:
        return
    from napari.utils.notifications import notification_manager

    _connected = True
    usual = notification_manager.dispatch

    def dispatch(notification: Any) -> None:  # napari's own callbacks come before any of a plugin
        if not _saves_instead(notification):
            usual(notification)

    notification_manager.dispatch = dispatch


def _saves_instead(notification: Any) -> bool:
    """Save what another writer was asked for, and refused, where it has one of our suffixes."""
    error = getattr(notification, "exception", None)
    if not isinstance(error, OSError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_name != _DIALOG:
        trace = trace.tb_next
    if trace is None:
        return False
    names = trace.tb_frame.f_locals
    path, viewer = names.get("filename"), getattr(names.get("self"), "viewer", None)
    if viewer is None or Path(str(path)).suffix.lower() not in _SUFFIXES:
        return False
    from qtpy.QtCore import QTimer

    selected = bool(names.get("selected"))
    QTimer.singleShot(0, lambda: _save(viewer, str(path), selected))
    return True


def _save(viewer: Any, path: str, selected: bool) -> None:
    from napari.utils.notifications import show_error, show_warning

    suffix = Path(path).suffix
    with warnings.catch_warnings(record=True):  # of a save that was cancelled, or has no writer
        warnings.simplefilter("always")
        try:
            written = viewer.layers.save(path, selected=selected, plugin=PLUGIN)
        except (CinrError, OSError) as error:
            show_error(one_line(error))
            return
    if not written and not _can_write(viewer, selected):
        show_warning(f"{Path(path).name} was not saved: only density maps can be saved as {suffix}")


def _can_write(viewer: Any, selected: bool) -> bool:
    from npe2 import PluginManager

    layers = [one for one in viewer.layers if not selected or one in viewer.layers.selection]
    kinds = [layer._type_string for layer in layers]
    writers = PluginManager.instance().iter_compatible_writers(kinds)
    return any(writer.plugin_name == PLUGIN for writer in writers)
