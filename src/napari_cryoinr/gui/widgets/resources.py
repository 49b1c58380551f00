"""What a widget releases when it ends: connections to napari's events, and background jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...progress import Steps
from ..jobs.job import Job


class Resources:
    """Connections to napari's events, background jobs and clean-up that end together.

    This is no Qt object: Qt may have deleted the widget when `release` is called, for example by
    the widget's signal `destroyed`. Everything here is called on the GUI thread; the generators
    that jobs run are drained in threads of their own.
    """

    def __init__(self) -> None:
        self._connections: list[tuple[Any, Callable[..., None]]] = []
        self._jobs: dict[str, Job] = {}
        self._clean_up: list[Callable[[], object]] = []

    def connect(self, emitter: Any, callback: Callable[..., None]) -> None:
        """Call `callback` at an event of napari, until the release."""
        emitter.connect(callback)
        self._connections.append((emitter, callback))

    def at_release(self, callback: Callable[[], object]) -> None:
        """Call `callback` once at the release; it must not need any Qt object."""
        self._clean_up.append(callback)

    def start_job(self, kind: str, steps: Steps[Any], **callbacks: Any) -> None:
        """Start a `Job` with these callbacks; an earlier job of this kind is stopped."""
        self.stop_job(kind)
        self._jobs[kind] = Job(steps, **callbacks)

    def cancel_job(self, kind: str) -> None:
        """Ask the job of this kind to stop; its callback `cancelled` is called when it has."""
        if kind in self._jobs:
            self._jobs[kind].cancel()

    def finish_job(self, kind: str) -> None:
        """Ask the job of this kind to end its training early, with what it has."""
        if kind in self._jobs:
            self._jobs[kind].finish()

    def stop_job(self, kind: str) -> None:
        """Stop the job of this kind, if there is one, without calling anything back."""
        if kind in self._jobs:
            self._jobs.pop(kind).forget()

    def is_running(self, kind: str) -> bool:
        """Whether a job of this kind is going on."""
        return kind in self._jobs and self._jobs[kind].running

    def release(self) -> None:
        """Disconnect, stop all jobs, clean up; may be called more than once."""
        for emitter, callback in self._connections:
            emitter.disconnect(callback)
        self._connections.clear()
        for kind in list(self._jobs):
            self.stop_job(kind)
        while self._clean_up:
            self._clean_up.pop()()
