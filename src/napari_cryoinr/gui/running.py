"""Long work inside napari: the window lives on, a bar shows progress, Cancel works.

A napari reader or writer is called on the GUI thread and must have its result when it returns. So
the generator of progress runs in a napari worker while a local event loop keeps the window alive.
Without a Qt application, or away from the main thread, the generator is simply drained.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import CinrError
from ..progress import Progress, Steps, drain

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_SCALE = 1000
_REPORT_SECONDS = 0.05
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
    if not _has_event_loop():
        return drain(steps)
    global _busy
    if _busy:
        steps.close()
        raise CinrError(f"{title}: another map is being read or saved; wait for it or cancel it")
    _busy = True
    try:
        return _run_in_worker(steps, title)
    finally:
        _busy = False


def _has_event_loop() -> bool:
    """Whether there is a Qt application whose main thread this is."""
    try:
        from qtpy.QtCore import QThread
        from qtpy.QtWidgets import QApplication
    except ImportError:  # no Qt binding, or none that qtpy knows
        return False
    app = QApplication.instance()
    return app is not None and QThread.currentThread() is app.thread()


class _Outcome:
    """What the worker leaves for the main thread; its signals lose every `RuntimeError`."""

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None


def _job(steps: Steps[Any], outcome: _Outcome) -> Generator[Progress, None, None]:
    """The generator, its records thinned out; ends without an error whatever happens."""
    last = -1.0
    try:
        while True:
            record = next(steps)
            now = time.monotonic()
            if now - last >= _REPORT_SECONDS:
                last = now
                yield record
    except StopIteration as stop:
        outcome.value, outcome.done = stop.value, True
    except Exception as error:  # noqa: BLE001 - raised again on the main thread
        outcome.error = error


def _run_in_worker(steps: Steps[T], title: str) -> T:
    from napari.qt.threading import create_worker
    from napari.utils import cancelable_progress
    from qtpy.QtCore import QEventLoop

    outcome = _Outcome()
    loop = QEventLoop()
    bar = cancelable_progress(total=_SCALE, desc=title)
    worker = create_worker(_job, steps, outcome, _start_thread=False)

    def on_progress(record: Progress) -> None:
        bar.set_description(f"{title}: {record.phase}{_loss(record)}")
        bar.update(round(_SCALE * record.step / max(record.steps, 1)) - bar.n)

    stop_asking = _poll(lambda: bar.is_canceled, worker.quit)
    worker.yielded.connect(on_progress)
    worker.finished.connect(loop.quit)
    try:
        worker.start()
        loop.exec()
    finally:
        stop_asking()
        bar.close()
        steps.close()  # runs the clean-up of a cancelled generator: the worker does not
    if outcome.error is not None:
        raise outcome.error
    if not outcome.done:
        raise Cancelled(f"{title}: cancelled")
    return outcome.value


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
