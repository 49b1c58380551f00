"""A generator of progress that runs in a napari worker while the window lives on.

napari's own workers know when the window is closed, and napari asks before it closes one that has
any. All that is called back is called on the main thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from ..progress import Progress, Steps

_REPORT_SECONDS = 0.05


class Job:
    """Work in the background.

    Parameters
    ----------
    steps : the work; closed in any case.
    title : what napari calls it when it asks whether to close the window.
    progress : gets some of the records, twenty a second at most.
    done : gets the result.
    failed : gets what was raised.
    cancelled : called if neither came to be: after `cancel`, or when the window was closed.
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
        from napari.qt.threading import create_worker

        self.running = True
        self._steps, self._done, self._failed, self._cancelled = steps, done, failed, cancelled
        self._stop = threading.Event()
        self._value: list[Any] = []  # one item once there is a result, which may be None
        self._error: Exception | None = None

        def work() -> Generator[Progress, None, None]:
            yield from self._records()

        work.__qualname__ = title  # napari shows it
        worker = create_worker(work, _start_thread=False)
        if progress is not None:
            worker.yielded.connect(progress)
        worker.finished.connect(self._finish)
        self._worker = worker
        worker.start()

    def cancel(self) -> None:
        """Ask the work to stop; it does at its next record."""
        self._stop.set()

    def _records(self) -> Generator[Progress, None, None]:
        """The records, thinned out; ends without an error, for workers lose some kinds of them."""
        last = -1.0
        try:
            while not self._stop.is_set():
                record = next(self._steps)
                now = time.monotonic()
                if now - last >= _REPORT_SECONDS:
                    last = now
                    yield record
        except StopIteration as stop:
            self._value.append(stop.value)
        except Exception as error:  # noqa: BLE001 - handed on to the main thread
            self._error = error
        finally:
            self._steps.close()

    def _finish(self) -> None:
        self.running = False
        self._steps.close()  # napari's `quit` leaves the generator where it was
        if self._error is not None:
            if self._failed is not None:
                self._failed(self._error)
        elif self._value:
            if self._done is not None:
                self._done(self._value[0])
        elif self._cancelled is not None:
            self._cancelled()
