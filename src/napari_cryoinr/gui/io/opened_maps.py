"""Telling what opened archives keep: one notification, and in the tooltip of each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from ..jobs.blocking_run import has_event_loop, is_running
from .callers import called_by
from .layer_matching import details_of
from .words import kept_words

if TYPE_CHECKING:
    from ...archive import Archive, Member

_DELAY_MILLISECONDS = 100  # for the next of several files
_MOST_LINES = 4


def kept_by(archive: Archive, member: Member) -> str:
    """Say what an archive keeps of a map, by which model."""
    kept = "made without a quality report" if member.quality is None else kept_words(member.quality)
    return f"{kept}, model {archive.header.model.name}"


class _Announcer:
    """Gathers lines until no file is being opened any more."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self._lines: list[str] = []
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MILLISECONDS)
        self._timer.timeout.connect(self._show)

    def add(self, lines: list[str]) -> None:
        self._lines += lines
        self._timer.start()

    def _show(self) -> None:
        if is_running() or called_by("open"):  # napari goes on with the next file
            self._timer.start()
            return
        from napari import current_viewer
        from napari.utils.notifications import show_info

        lines, self._lines = self._lines, []
        more = len(lines) - _MOST_LINES
        shown = lines if more <= 1 else [*lines[:_MOST_LINES], f"and {more} more"]
        show_info("\n".join(shown))
        if (viewer := current_viewer()) is not None:
            for layer in viewer.layers:
                _describe(layer)


_announcer: _Announcer | None = None


def announce(lines: list[str]) -> None:
    """Tell soon, together with those of other files that are opened at once; only in a window."""
    global _announcer
    if not lines or not has_event_loop():
        return
    from napari import current_viewer

    if current_viewer() is None:
        return
    if _announcer is None:
        _announcer = _Announcer()
    _announcer.add(lines)


def _describe(layer: Any) -> None:
    """Say in the tooltip of a layer what is kept."""
    kept = details_of(layer).get("kept")
    if kept is None or "get_source_str" in vars(layer):
        return
    of_layer, usual = ref(layer), type(layer).get_source_str
    layer.get_source_str = lambda: f"{usual(of_layer())}\n{kept}"
