"""What works for the widget and outlives it: nothing here knows of Qt's objects."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from ...progress import Steps
from ..jobs.job import Job
from ..widgets.connections import Connections
from .session_saver import Saver


class Ties:
    """Callbacks, short work in the background, one of each kind at a time, and files being written.

    Parameters
    ----------
    unsaved : called in another thread with one line, if a session cannot be written.
    """

    def __init__(self, unsaved: Callable[[str], None]) -> None:
        self.events = Connections()
        self.saver = Saver(unsaved)
        self._jobs: dict[str, Job] = {}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def work(
        self,
        kind: str,
        steps: Steps[Any],
        done: Callable[[Any], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        """Work in the background instead of earlier work of this kind, which is cancelled.

        Parameters
        ----------
        failed : gets the kind and what was raised.
        """
        self.stop(kind)
        self._jobs[kind] = Job(steps, kind, done=done, failed=partial(failed, kind))

    def stop(self, kind: str) -> None:
        """Cancel the work of this kind, if there is any."""
        before = self._jobs.pop(kind, None)
        if before is not None:
            before.forget()

    @property
    def temporary(self) -> str:
        """A folder for what is in no file of the user."""
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="cryoinr-")
        return self._temporary.name

    def cut(self) -> None:
        """The widget is gone: stop all work; what was clicked is written."""
        self.events.disconnect()
        for job in self._jobs.values():
            job.forget()
        self._jobs.clear()
        self.saver.flush()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
