"""Work whose result a caller waits for while napari's window stays responsive.

napari calls readers and writers in the GUI thread and wants their result when they return. So the
generator of progress is drained in a job's thread while a local event loop serves the window, and
napari's activity panel shows a bar with a Cancel button.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ...errors import CinrError
from ...progress import Progress, Steps, drain

T = TypeVar("T")
_SCALE = 1000
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


def run(steps: Steps[T], title: str) -> T:
    """Drain a generator of progress without freezing napari, and return its result.

    Without a Qt application, and in other threads than the main one, it is simply drained. `title`
    says what is being done, for the bar and for messages.

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
        return _run(steps, title)
    finally:
        _running = False


def _run(steps: Steps[T], title: str) -> T:
    from napari import current_viewer
    from napari.utils import cancelable_progress
    from qtpy.compat import isalive
    from qtpy.QtCore import QEventLoop, QTimer

    from .job import Job

    loop, timer = QEventLoop(), QTimer()
    bar = cancelable_progress(total=_SCALE, desc=title)
    viewer = current_viewer()
    window: Any = None if viewer is None else viewer.window._qt_window
    if window is not None and not window.isVisible():
        window = None
    outcome: dict[str, Any] = {}  # stays empty where the work is cancelled

    def show(record: Progress) -> None:
        loss = "" if record.loss is None else f", loss {record.loss:.3g}"
        bar.set_description(f"{title}: {record.phase}{loss}")
        bar.update(round(_SCALE * record.step / max(record.steps, 1)) - bar.n)

    def end(**ended: Any) -> None:
        outcome.update(ended)
        loop.quit()

    job = Job(
        steps,
        progress=show,
        done=lambda result: end(result=result),
        failed=lambda error: end(error=error),
        cancelled=end,
    )

    def poll() -> None:
        closed = window is not None and not (
            isalive(window) and (window.isVisible() or window.isMinimized())
        )
        if bar.is_canceled or closed:
            job.cancel()

    timer.timeout.connect(poll)
    timer.start(_POLL_MILLISECONDS)
    try:
        loop.exec()
    finally:
        timer.stop()
        bar.close()
        job.forget()  # where the application quits, which ends every event loop
    if not outcome:
        raise Cancelled(f"{title}: cancelled")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
