"""Long work inside napari: the window lives on, a bar shows progress, Cancel works.

A napari reader or writer is called on the GUI thread and must have its result when it returns. So
the generator of progress runs in a thread while a local event loop keeps the window alive.
Without a Qt application, or away from the main thread, the generator is simply drained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CinrError
from ...progress import Progress, Steps, drain

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_SCALE = 1000
_busy = False


class Cancelled(CinrError):
    """The user cancelled; nothing was left behind."""


def run(steps: Steps[T], title: str) -> T:
    """Drain a generator of progress without freezing napari.

    Raises
    ------
    Cancelled
        if the user pressed Cancel, or closed the window.
    CinrError
        if other work of this plugin is still running, and whatever the work itself raises.
    """
    if not has_event_loop():
        return drain(steps)
    global _busy
    if _busy:
        steps.close()
        raise CinrError(f"{title}: another map is being read or saved; wait for it or cancel it")
    _busy = True
    try:
        return _run_in_thread(steps, title)
    finally:
        _busy = False


def has_event_loop() -> bool:
    """Whether there is a Qt application whose main thread this is."""
    try:
        from qtpy.QtCore import QThread
        from qtpy.QtWidgets import QApplication
    except ImportError:  # no Qt binding, or none that qtpy knows
        return False
    app = QApplication.instance()
    return app is not None and QThread.currentThread() is app.thread()


def _run_in_thread(steps: Steps[T], title: str) -> T:
    from napari.utils import cancelable_progress
    from qtpy.QtCore import QEventLoop

    from .job import Job

    loop = QEventLoop()
    bar = cancelable_progress(total=_SCALE, desc=title)
    outcome: list[Any] = []
    errors: list[Exception] = []

    def on_progress(record: Progress) -> None:
        bar.set_description(f"{title}: {record.phase}{_loss(record)}")
        bar.update(round(_SCALE * record.step / max(record.steps, 1)) - bar.n)

    def ended(place: list[Any]) -> Callable[[Any], None]:
        def keep(what: Any) -> None:
            place.append(what)
            loop.quit()

        return keep

    job = Job(
        steps,
        title,
        progress=on_progress,
        done=ended(outcome),
        failed=ended(errors),
        cancelled=loop.quit,
    )
    window = _window()
    stop_asking = _poll(lambda: bar.is_canceled or _is_gone(window), job.cancel)
    try:
        loop.exec()
    finally:
        stop_asking()
        bar.close()
    if errors:
        raise errors[0]
    if not outcome:
        raise Cancelled(f"{title}: cancelled")
    result: T = outcome[0]
    return result


def _window() -> Any:
    """napari's window, if one is shown."""
    from napari import current_viewer

    viewer = current_viewer()
    window = None if viewer is None else viewer.window._qt_window
    return window if window is not None and window.isVisible() else None


def _is_gone(window: Any) -> bool:
    """Whether a window that was there was closed."""
    if window is None:
        return False
    try:
        return not window.isVisible() and not window.isMinimized()
    except RuntimeError:  # Qt has deleted it
        return True


def _poll(condition: Callable[[], bool], action: Callable[[], None]) -> Callable[[], None]:
    """Do `action` once `condition` holds, looked at twenty times a second; returns how to stop."""
    from qtpy.QtCore import QTimer

    timer = QTimer()

    def look() -> None:
        if condition():
            timer.stop()
            action()

    timer.timeout.connect(look)
    timer.start(50)
    return timer.stop


def _loss(record: Progress) -> str:
    return "" if record.loss is None else f", loss {record.loss:.3g}"
