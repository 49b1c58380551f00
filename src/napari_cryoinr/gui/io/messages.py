"""One sentence for the user about a file that cannot be opened.

napari 0.9 wraps whatever a reader raises in another error, whose last line gives the reason, and
shows only the first line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..jobs.blocking_run import has_event_loop


def notify_error(error: Exception, paths: Iterable[Path]) -> bool:
    """Show a notification; return whether it was shown.

    It is not, and the error should be raised, if a script opens the files, which expects an
    exception, or if another plugin reads such files too, which napari offers to the user then.
    """
    paths = list(paths)
    if not _called_by_event() or any(_others_read(path) for path in paths):
        return False
    from napari.utils.notifications import show_error

    line = str(error)
    for path in paths:
        line = line.replace(str(path), path.name)  # a folder would fill the visible line
    show_error(line)
    return True


def _called_by_event() -> bool:
    """Whether an event of the window led here: a menu, a dialog, a drop."""
    if not has_event_loop():
        return False
    from qtpy.QtCore import QThread

    return bool(QThread.currentThread().loopLevel())


def _others_read(path: Path) -> bool:
    from npe2 import PluginManager

    readers = PluginManager.instance().iter_compatible_readers(str(path))
    return len({reader.plugin_name for reader in readers}) > 1
