"""A progress bar with a Cancel button, for one job at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QWidget

from ...progress import Progress, Steps
from ..jobs.job import Job

_SCALE = 1000
_REDRAW_SECONDS = 0.2  # each redraws the whole window, where the canvas is one of OpenGL
_SURE = 0.05  # of the work: earlier, nothing can be said of the time that is left


class _Held:
    """The job that is running, if one is; knows nothing of Qt, so that it outlives the widget."""

    def __init__(self) -> None:
        self.job: Job | None = None

    def forget(self) -> None:
        """Cancel the job; nothing is called back any more."""
        if self.job is not None:
            self.job.forget()
            self.job = None


class JobBar(QWidget):
    """Shows how far a job is, and lets it be cancelled; hidden while there is none.

    A job is cancelled and forgotten when the bar is destroyed.
    """

    changed = Signal()  # a job began or ended

    def __init__(self) -> None:
        super().__init__()
        self._held = _Held()
        self._also: Callable[[Progress], None] | None = None
        self._began = self._shown = 0.0
        self._bar = QProgressBar()
        self._bar.setRange(0, _SCALE)
        self._bar.setToolTip("How far the work is")
        self._bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("Stop the work; nothing is kept of it")
        self._cancel.clicked.connect(self.cancel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._bar, stretch=1)
        layout.addWidget(self._cancel)
        self.hide()
        self.destroyed.connect(self._held.forget)

    @property
    def running(self) -> bool:
        """Whether a job is going on."""
        return self._held.job is not None

    def start(
        self,
        steps: Steps[Any],
        title: str,
        done: Callable[[Any], None],
        failed: Callable[[str], None],
        progress: Callable[[Progress], None] | None = None,
        kept: str = "nothing is kept of it",
    ) -> None:
        """Run a generator of progress in the background.

        Parameters
        ----------
        done : gets the result.
        failed : gets one line that says what went wrong, or that the work was cancelled.
        progress : gets the records that are shown.
        kept : what remains of a job that is cancelled.
        """
        self.forget()
        self._also = progress
        self._began = time.monotonic()
        self._bar.setValue(0)
        self._bar.setFormat(title)
        self._cancel.setText("Cancel")
        self._cancel.setEnabled(True)
        self._cancel.setToolTip(f"Stop {title[:1].lower()}{title[1:]}; {kept}")

        def ended(call: Callable[[Any], None]) -> Callable[[Any], None]:
            def end(what: Any) -> None:
                self._end()
                call(what)

            return end

        cancelled = ended(failed)
        self._held.job = Job(
            steps,
            title,
            progress=self._show,
            done=ended(done),
            failed=ended(lambda error: failed(_line(error))),
            cancelled=lambda: cancelled(f"{title}: cancelled."),
        )
        self.show()
        self.changed.emit()

    def cancel(self) -> None:
        """Ask the job to stop; it does at its next step."""
        if self._held.job is not None:
            self._held.job.cancel()
            self._cancel.setText("Cancelling...")
            self._cancel.setEnabled(False)
            self._cancel.setToolTip("The work stops at its next step")

    def forget(self) -> None:
        """Cancel the job at once: nothing is called back any more."""
        if self.running:
            self._end()

    def _end(self) -> None:
        self._held.forget()
        self.hide()
        self.changed.emit()

    def _show(self, record: Progress) -> None:
        if self._also is not None:
            self._also(record)
        now = time.monotonic()
        if now - self._shown < _REDRAW_SECONDS:
            return
        self._shown = now
        share, left = record.share, ""
        if share is None:
            share = min(record.step / max(record.steps, 1), 1.0)
        elif share > _SURE:
            seconds = time.monotonic() - self._began
            left = f", {_duration(seconds * (1 - share) / share)} left"
        self._bar.setValue(round(_SCALE * share))
        self._bar.setFormat(f"{record.phase} {100 * share:.0f} %{left}")


def _duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _line(error: Exception) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
