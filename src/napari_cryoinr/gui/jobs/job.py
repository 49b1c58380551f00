"""A generator of progress that is drained in a thread while the window stays responsive.

Not with napari's `thread_worker`: its workers redirect the warnings of the whole process while they
run, and two that overlap do not restore them.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal, Slot

from ...progress import Progress, Steps
from .garbage import GuiThreadCollection

THREAD_NAME = "cryoinr-job"
_SHOW_SECONDS = 0.05
_LEAVE_SECONDS = 2.0

_garbage = GuiThreadCollection()
_running: set[Job] = set()  # a job lives until its end, even where nothing refers to it


class _GuiThread(QObject):
    """Calls functions in the thread that made this object."""

    called = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.called.connect(self._on_called)

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function soon; may be used in any thread."""
        with contextlib.suppress(RuntimeError):  # the application has ended before the job
            self.called.emit(partial(function, *arguments))

    @Slot(object)
    def _on_called(self, function: Callable[[], None]) -> None:
        function()


class Job:
    """Work in the background.

    The generator is drained and closed in a daemon thread. When the interpreter ends, all jobs are
    asked to stop, and those that take longer than two seconds are left behind. Callbacks are called
    in the GUI thread: `progress` with at most twenty records a second and all that are news, and at
    the end either `done` with the result, or `failed` with the exception that was raised in the
    work or while it was closed, or `cancelled`.
    """

    def __init__(self, steps: Steps[Any], **callbacks: Callable[..., None]) -> None:
        self.running = True
        self._steps = steps
        self._callbacks = callbacks
        self._stop = threading.Event()
        self._enough = threading.Event()
        self._gui = _GuiThread()
        self._thread = threading.Thread(target=self._work, name=THREAD_NAME, daemon=True)
        _running.add(self)
        _garbage.begin()
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop at its next record."""
        self._stop.set()

    def finish(self) -> None:
        """Ask training to end early, with what it has; see `Steps`."""
        self._enough.set()

    def forget(self) -> None:
        """Ask the work to stop, and call nothing back."""
        self._callbacks.clear()
        self.cancel()

    def join(self, seconds: float) -> None:
        """Wait for the end of the work, at most so long."""
        self._thread.join(seconds)

    def _work(self) -> None:
        shown = -_SHOW_SECONDS
        outcome: tuple[Any, ...] = ("cancelled",)
        ask: bool | None = None  # nothing can be sent before the first record
        try:
            with contextlib.closing(self._steps):  # whose clean-up may raise
                while not self._stop.is_set():
                    record = self._steps.send(ask)
                    ask = True if self._enough.is_set() else None
                    if record.is_news or time.monotonic() - shown >= _SHOW_SECONDS:
                        shown = time.monotonic()
                        self._gui.call(self._show, record)
        except StopIteration as stop:
            outcome = ("done", stop.value)
        except Exception as error:  # noqa: BLE001 - goes to the callback
            outcome = ("failed", error)
        finally:
            self._gui.call(self._end, *outcome)

    def _show(self, record: Progress) -> None:
        if not self._stop.is_set():
            self._call("progress", record)

    def _end(self, outcome: str, *arguments: Any) -> None:
        self._thread.join()  # at its last line; it must not be the one that deletes this object
        self.running = False
        _running.discard(self)
        _garbage.end()
        self._call(outcome, *arguments)

    def _call(self, name: str, *arguments: Any) -> None:
        if callback := self._callbacks.get(name):
            callback(*arguments)


@atexit.register
def _leave() -> None:
    """Stop all jobs: threads that compute while the interpreter is taken down make it crash."""
    jobs = list(_running)
    for job in jobs:
        job.forget()
    end = time.monotonic() + _LEAVE_SECONDS
    for job in jobs:
        job.join(max(0.0, end - time.monotonic()))
