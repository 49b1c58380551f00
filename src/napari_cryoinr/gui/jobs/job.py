"""A generator of progress that runs in a thread while the window lives on.

All that is called back is called on the main thread. The thread is our own: napari's workers turn
all warnings of the whole process over to themselves while they run, and two that overlap do not
give them back. `closing.py` asks before a window is closed in which work is going on.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from ...progress import Progress, Steps

THREAD_NAME = "cryoinr-job"
_REPORT_SECONDS = 0.05


_running: set[Job] = set()  # Qt's part of a job must not be deleted in the job's thread


class _Signals(QObject):
    """Bring calls from the thread to the main thread."""

    progressed = Signal(object)
    ended = Signal()


class Job:
    """Work in the background.

    Parameters
    ----------
    steps : the work; closed in any case, in its own thread.
    title : what is being done, for people.
    progress : gets some of the records, twenty a second at most.
    done : gets the result.
    failed : gets what was raised.
    cancelled : called if neither came to be.
    """

    def __init__(
        self,
        steps: Steps[Any],
        title: str,
        *,
        progress: Callable[[Progress], None] | None = None,
        done: Callable[[Any], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
        cancelled: Callable[[], None] | None = None,
    ) -> None:
        self.title = title
        self.running = True
        self._steps, self._progress, self._done = steps, progress, done
        self._failed, self._cancelled = failed, cancelled
        self._stop = threading.Event()
        self._value: list[Any] = []  # one item once there is a result, which may be None
        self._error: Exception | None = None
        self._signals = _Signals()
        self._signals.progressed.connect(self._on_progress)
        self._signals.ended.connect(self._on_end)
        # A daemon: nothing keeps the interpreter from ending, and child processes end with it.
        self._thread = threading.Thread(target=self._work, name=THREAD_NAME, daemon=True)
        _running.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop; it does at its next record, and `cancelled` is called."""
        self._stop.set()

    def forget(self) -> None:
        """Ask the work to stop, and call nothing back: whoever began it is gone."""
        self._progress = self._done = self._failed = self._cancelled = None
        self.cancel()

    def wait(self, seconds: float) -> bool:
        """Whether the thread has ended, for whom the main thread can wait."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        last = -1.0
        try:
            while not self._stop.is_set():
                record = next(self._steps)
                now = time.monotonic()
                # What a record tells of an outcome is shown as a curve: none of those is left out.
                if now - last >= _REPORT_SECONDS or record.loss is not None:
                    last = now
                    self._emit("progressed", record)
        except StopIteration as stop:
            self._value.append(stop.value)
        except Exception as error:  # noqa: BLE001 - handed on to the main thread
            self._error = error
        finally:
            self._steps.close()
            self._emit("ended")

    def _emit(self, signal: str, *what: Any) -> None:
        with contextlib.suppress(RuntimeError):  # Qt has gone before us
            getattr(self._signals, signal).emit(*what)

    def _on_progress(self, record: Progress) -> None:
        if self._progress is not None and not self._stop.is_set():
            self._progress(record)

    def _on_end(self) -> None:
        self.running = False
        _running.discard(self)
        if self._error is not None:
            if self._failed is not None:
                self._failed(self._error)
        elif self._value:
            if self._done is not None:
                self._done(self._value[0])
        elif self._cancelled is not None:
            self._cancelled()
