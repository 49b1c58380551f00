"""A progress bar with buttons to cancel and to finish early, for one job at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QWidget

from ...errors import one_line
from ...progress import Progress, Steps
from .layout import button, fill
from .resources import Resources

_SCALE = 1000
_REDRAW_SECONDS = 0.2  # each redraws the whole window, where the canvas is one of OpenGL
_MEASURABLE = 0.05  # share of the work from which on the remaining time can be estimated
_FINISH = "Finish now"
_FINISH_TIP = (
    "End the training, and write the file with what was reached. The goal still holds: the file is"
    " larger than after the whole training, and where the goal is missed there is none"
)


class JobBar(QWidget):
    """Shows the progress of a job and lets it be cancelled; hidden while there is none.

    A job that may be finished early gets a button for that with its first training, enabled while
    it trains. The job runs in a thread and stops when `resources` are released; all callbacks are
    called on the GUI thread.
    """

    changed = Signal()  # a job began or ended

    def __init__(self, resources: Resources) -> None:
        super().__init__()
        self._resources = resources
        self._kind = f"with bar {id(self)}"
        self._progress: Callable[[Progress], None] | None = None
        self._began = self._shown = 0.0
        self._may_finish = False
        self._bar = QProgressBar()
        self._bar.setRange(0, _SCALE)
        self._bar.setToolTip("How far the work is")
        self._bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.finish_button = button(_FINISH, _FINISH_TIP, self.finish)
        self.cancel_button = button("Cancel", "Stop the work", self.cancel)
        # Below the bar, whose words need its width; Cancel stays where the other one appears.
        buttons = QWidget()
        row = fill(buttons, self.finish_button, self.cancel_button, kind=QHBoxLayout)
        row.insertStretch(0, 1)
        fill(self, self._bar, buttons).setSpacing(4)
        self.hide()

    @property
    def running(self) -> bool:
        """Whether a job is going on."""
        return self._resources.is_running(self._kind)

    @property
    def why_busy(self) -> str:
        """Why another job has to wait; empty if none is going on."""
        return "Wait for the work that is going on, or cancel it" if self.running else ""

    def start(
        self,
        steps: Steps[Any],
        title: str,
        done: Callable[[Any], None],
        failed: Callable[[str], None],
        progress: Callable[[Progress], None] | None = None,
        kept: str = "nothing of it is kept",
        may_finish: bool = False,
    ) -> None:
        """Run a generator of progress in the background.

        `title` says what is being done, and `kept` what remains if it is cancelled; with
        `may_finish` training may be ended early. `done` is called with the result, `failed` with
        one line that says what went wrong, or that the work was cancelled, and `progress` with the
        records that are shown.
        """
        self.stop()
        self._progress = progress
        self._began = time.monotonic()
        self._bar.setValue(0)
        self._bar.setFormat(title)
        self._may_finish = may_finish
        self.finish_button.hide()
        self.finish_button.setText(_FINISH)
        self.cancel_button.setText("Cancel")
        self.cancel_button.setEnabled(True)
        self.cancel_button.setToolTip(f"Stop {title[:1].lower()}{title[1:]}; {kept}")

        def end(call: Callable[[Any], None], what: Any) -> None:
            self.stop()
            call(what)

        self._resources.start_job(
            self._kind,
            steps,
            progress=self._show,
            done=lambda result: end(done, result),
            failed=lambda error: end(failed, one_line(error)),
            cancelled=lambda: end(failed, f"{title}: cancelled."),
        )
        self.show()
        self.changed.emit()

    def cancel(self) -> None:
        """Ask the job to stop at its next step."""
        if self.running:
            self._resources.cancel_job(self._kind)
            self.cancel_button.setText("Cancelling...")
            self.cancel_button.setEnabled(False)
            self._end_finishing()

    def finish(self) -> None:
        """Ask the job to end its training early, with what it has."""
        if self.running:
            self._resources.finish_job(self._kind)
            self.finish_button.setText("Finishing...")
            self._end_finishing()

    def stop(self) -> None:
        """Stop the job without calling anything back."""
        if not self.isHidden():
            self._resources.stop_job(self._kind)
            self.hide()
            self.changed.emit()

    def _show(self, record: Progress) -> None:
        if self._progress is not None:
            self._progress(record)
        if self._may_finish:
            self.finish_button.setVisible(record.is_training or not self.finish_button.isHidden())
            self.finish_button.setEnabled(record.is_training)
        now = time.monotonic()
        if now - self._shown < _REDRAW_SECONDS:
            return
        self._shown = now
        share, left = record.share, ""
        if share is None:
            share = min(record.step / max(record.steps, 1), 1.0)
        elif share > _MEASURABLE:
            left = f", {_duration((now - self._began) * (1 - share) / share)} left"
        self._bar.setValue(round(_SCALE * share))
        self._bar.setFormat(f"{record.words} {100 * share:.0f} %{left}")

    def _end_finishing(self) -> None:
        self._may_finish = False
        self.finish_button.setEnabled(False)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
