"""Tasks of one piece of work, several at a time in child processes."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..progress import Clock, Progress, Steps
from .child_threads import child_threads
from .parent_process import ChildEnded
from .reused_child import ReusedChild

_LISTEN_SECONDS = 0.1
_TITLE = "a part of the volume"


class TaskTracker:
    """Puts together what is said of tasks; all but `listen` may be called by any thread.

    Attributes
    ----------
    results : dict of int
        Of the tasks that are done, by their numbers.
    """

    def __init__(self, count: int) -> None:
        self.results: dict[int, Any] = {}
        self._count, self._clock = count, Clock()
        self._records: dict[int, Progress] = {}
        self._messages: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()

    @property
    def done(self) -> bool:
        """Whether every task is done."""
        return len(self.results) == self._count

    def said(self, worker: str, number: int, record: Progress) -> None:
        """Take a record of what a worker does."""
        self._messages.put((number, record))

    def finished(self, number: int, outcome: Any) -> None:
        """Take the result of a task, or the exception that it raised."""
        self._messages.put((number, outcome))

    def listen(self, seconds: float) -> Progress:
        """Take what there is or comes in this time, and return where the tasks stand.

        What a task raised is raised here.
        """
        try:
            self._take(*self._messages.get(timeout=seconds))
            while True:
                self._take(*self._messages.get_nowait())
        except queue.Empty:
            pass
        records = self._records.items()
        running = sum(one.share or 0.0 for number, one in records if number not in self.results)
        share = (len(self.results) + running) / max(1, self._count)
        size = sum(one.bytes_so_far for _, one in records)
        done, seconds = len(self.results), self._clock.seconds
        return Progress("working", done, self._count, seconds, bytes_so_far=size, share=share)

    def in_order(self) -> list[Any]:
        """Return the results in the order of the tasks."""
        return [self.results[number] for number in range(self._count)]

    def _take(self, number: int, message: Any) -> None:
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, Progress):
            self._records[number] = message
        else:
            self.results[number] = message


def spread_steps(
    tasks: Sequence[partial[Steps[Any]]],
    *,
    workers: int,
    threads: int | None = None,
    retries: int = 1,
) -> Steps[list[Any]]:
    """Do tasks in child processes, a `TaskRunner` once the rest is given.

    Parameters
    ----------
    tasks : sequence of functools.partial
    workers : int
        How many are done at a time.
    threads : int, optional
        How many each child computes in; by default as many as this process.
    retries : int
        How often a task is done again whose child dies.
    """
    tracker = TaskTracker(len(tasks))
    numbered = {number: partial(_child_steps, task, retries) for number, task in enumerate(tasks)}
    with child_threads(numbered, workers, threads, tracker.said, tracker.finished):
        while not tracker.done:
            yield tracker.listen(_LISTEN_SECONDS)
    return tracker.in_order()


def _child_steps(task: partial[Steps[Any]], retries: int, child: ReusedChild) -> Steps[Any]:
    for _ in range(retries):
        try:
            return (yield from child.run_steps(task, _TITLE))
        except ChildEnded:
            continue
    return (yield from child.run_steps(task, _TITLE))
