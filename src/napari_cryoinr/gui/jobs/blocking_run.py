"""Work whose result a caller waits for while napari's window stays alive.

napari calls readers and writers in the GUI thread and wants their result when they return. So the
generator of progress is drained in a job's thread while a local event loop serves the window, and
napari's activity panel shows a bar with a Cancel button.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from ...errors import CinrError
from ...progress import Progress, Steps, drain

T = TypeVar("T")
_SCALE = 1000
_LOOK_MILLISECONDS = 50


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
    """Drain a generator of progress without freezing napari.

    Without a Qt application, and in other threads than the main one, it is simply drained.

    Parameters
    ----------
    steps : generator of Progress
        The work.
    title : str
        What is being done, for the bar and for messages.

    Returns
    -------
    T
        What the generator returns.

    Raises
    ------
    Cancelled
        If the user pressed Cancel or closed the window.
    CinrError
        If another run is going on, and whatever the work itself raises.
    """
    if not has_event_loop():
        return drain(steps)
    if BlockingRun.current is not None:
        steps.close()
        raise CinrError(f"{title}: another map is being read or saved; wait for it or cancel it")
    BlockingRun.current = BlockingRun(steps, title)
    try:
        return BlockingRun.current.result()
    finally:
        BlockingRun.current = None


class BlockingRun:
    """One run of `run`; all methods are called in the GUI thread.

    Attributes
    ----------
    current : BlockingRun or None
        The run that is going on.
    """

    current: ClassVar[BlockingRun | None] = None

    def __init__(self, steps: Steps[Any], title: str) -> None:
        self._steps, self._title = steps, title
        self._cancelled = False
        self._outcome: tuple[Any, Exception | None] | None = None  # result, error

    def cancel(self) -> None:
        """Stop the work at its next record, whether it has begun or not."""
        self._cancelled = True

    def result(self) -> Any:
        """Do the work; see `run`."""
        from napari.utils import cancelable_progress
        from qtpy.QtCore import QEventLoop, QTimer

        from .job import Job

        loop, timer = QEventLoop(), QTimer()
        bar = cancelable_progress(total=_SCALE, desc=self._title)

        def show(record: Progress) -> None:
            loss = "" if record.loss is None else f", loss {record.loss:.3g}"
            bar.set_description(f"{self._title}: {record.phase}{loss}")
            bar.update(round(_SCALE * record.step / max(record.steps, 1)) - bar.n)

        def end(result: Any = None, error: Exception | None = None) -> None:
            self._outcome = result, error
            loop.quit()

        job = Job(
            self._steps,
            progress=show,
            done=end,
            failed=lambda error: end(error=error),
            cancelled=lambda: end(error=Cancelled(f"{self._title}: cancelled")),
        )
        window_closed = _window_closed()

        def look() -> None:
            if self._cancelled or bar.is_canceled or window_closed():
                job.cancel()

        timer.timeout.connect(look)
        timer.start(_LOOK_MILLISECONDS)
        try:
            loop.exec()
        finally:
            timer.stop()
            bar.close()
        if self._outcome is None:  # the application quits, which ends every event loop
            job.forget()
            raise Cancelled(f"{self._title}: cancelled")
        result, error = self._outcome
        if error is not None:
            raise error
        return result


def _window_closed() -> Callable[[], bool]:
    """A function that says whether napari's window, if it is open now, was closed since."""
    from napari import current_viewer

    viewer = current_viewer()
    window = None if viewer is None else viewer.window._qt_window
    if window is None or not window.isVisible():
        return lambda: False

    def closed() -> bool:
        try:
            return not window.isVisible() and not window.isMinimized()
        except RuntimeError:  # Qt has deleted it
            return True

    return closed
