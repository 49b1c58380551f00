"""Work whose result a caller waits for while napari's window stays responsive.

napari calls readers and writers in the GUI thread and wants their result when they return. So the
generator of progress is drained in a job's thread while a local event loop serves the window, which
shows a bar with a Cancel button.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ...errors import CinrError
from ...progress import Steps, drain

T = TypeVar("T")
_POLL_MILLISECONDS = 50

_running = False  # whether a run is going on; used in the GUI thread only


class Cancelled(CinrError):
    """The user cancelled; nothing was left behind."""


def has_event_loop() -> bool:
    """Whether there is a Qt application and the caller runs in its main thread."""
    try:
        from qtpy.QtCore import QThread
        from qtpy.QtWidgets import QApplication
    except ImportError:  # no Qt binding, or none that qtpy knows
        return False
    app = QApplication.instance()
    return app is not None and QThread.currentThread() is app.thread()


def in_event_loop() -> bool:
    """Whether an event of a window led here, and no script."""
    if not has_event_loop():
        return False
    from qtpy.QtCore import QThread

    return bool(QThread.currentThread().loopLevel())


def is_running() -> bool:
    """Whether a run is going on."""
    return _running


def run(steps: Steps[T], title: str, may_finish: bool = False) -> T:
    """Drain a generator of progress without freezing napari, and return its result.

    Without a Qt application, and in other threads than the main one, it is simply drained. `title`
    says what is being done, for the bar and for messages; with `may_finish` training may be ended
    early.

    Raises
    ------
    Cancelled
        If the user pressed Cancel or closed the window.
    CinrError
        If another run is going on, and whatever the work itself raises.
    """
    global _running
    if not has_event_loop():
        return drain(steps)
    if _running:
        steps.close()
        raise CinrError(f"{title}: another map is being read or saved; wait for it or cancel it")
    _running = True
    try:
        return _run(steps, title, may_finish)
    finally:
        _running = False


def _run(steps: Steps[T], title: str, may_finish: bool) -> T:
    from qtpy.compat import isalive
    from qtpy.QtCore import QEventLoop, QTimer

    from ..widgets.floating_bar import FloatingBar
    from .job import Job

    loop, timer = QEventLoop(), QTimer()
    outcome: dict[str, Any] = {}  # stays empty where the work is cancelled

    def noted() -> Steps[None]:
        try:
            outcome["result"] = yield from steps
        except Exception as error:
            outcome["error"] = error
            raise

    window = _visible_window()
    if window is None:
        job = Job(noted(), **dict.fromkeys(("done", "failed"), lambda _: loop.quit()))
    else:
        bar = FloatingBar(window, title, f"{title} is not done yet.")
        bar.start(noted(), loop.quit, may_finish)

    def poll() -> None:
        if not isalive(window) or not (window.isVisible() or window.isMinimized()):
            timer.stop()
            loop.quit()

    timer.timeout.connect(poll)
    if window is not None:
        timer.start(_POLL_MILLISECONDS)
    try:
        loop.exec()
    finally:  # also where the application quits, which ends every event loop
        timer.stop()
        if window is None:
            job.forget()
        elif isalive(bar):
            bar.end()
    if not outcome:
        raise Cancelled(f"{title}: cancelled")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def _visible_window() -> Any:
    """Return napari's window if there is one that is seen."""
    from napari import current_viewer

    viewer = current_viewer()
    window: Any = None if viewer is None else viewer.window._qt_window
    return window if window is not None and window.isVisible() else None
