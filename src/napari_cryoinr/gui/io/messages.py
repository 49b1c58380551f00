"""Telling the user in one sentence that a file cannot be opened.

By itself napari 0.9 shows a paragraph of its own, whose last line says what is wrong and whose
first is all that is seen of it. What it shows is an error that it makes itself: nothing that a
reader raises makes it shorter.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..jobs.blocking_run import has_event_loop


def tell(error: Exception, paths: Iterable[Path]) -> bool:
    """Show a notification; returns whether it was shown.

    It is not, and the error is to be raised, where a script opens the files, which wants an
    exception, or where another plugin reads such files too, which napari offers to the user then.
    """
    paths = list(paths)
    if not _asked_by_user() or any(_others_read(path) for path in paths):
        return False
    from napari.utils.notifications import show_error

    line = str(error)
    for path in paths:
        line = line.replace(str(path), path.name)  # a folder would fill the line that is seen
    show_error(line)
    return True


def _asked_by_user() -> bool:
    """Whether this was called by an event of the window: a menu, a dialog, a drop."""
    if not has_event_loop():
        return False
    from qtpy.QtCore import QThread

    return bool(QThread.currentThread().loopLevel())


def _others_read(path: Path) -> bool:
    from npe2 import PluginManager

    readers = PluginManager.instance().iter_compatible_readers(str(path))
    return len({reader.plugin_name for reader in readers}) > 1
