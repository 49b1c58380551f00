"""Tasks in child processes, several at a time: some threads, each with a child of its own."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..progress import Progress, Steps
from .reused_child import ReusedChild

ChildTask = Callable[[ReusedChild], Steps[Any]]
"""Work in steps that uses a child process."""


@contextlib.contextmanager
def child_threads(
    tasks: Mapping[int, ChildTask],
    workers: int,
    threads: int | None,
    said: Callable[[str, int, Progress], object],
    finished: Callable[[int, Any], object],
) -> Iterator[None]:
    """Do tasks in the background, in their order; at the end of the block all children are killed.

    Parameters
    ----------
    tasks : mapping from int to callable
        By their numbers.
    workers : int
        How many are done at a time.
    threads : int or None
        How many each child computes in; by default as many as there are processors.
    said : callable
        Called with the name of a worker, the number of its task, and a record.
    finished : callable
        Called with the number of a task, and its result or the exception that it raised. Both are
        called in the thread of the worker.
    """
    waiting, stop = deque(tasks), threading.Event()

    def work(worker: str) -> None:
        with ReusedChild(threads) as child:
            while not stop.is_set():
                try:
                    number = waiting.popleft()
                except IndexError:
                    return
                try:
                    run(worker, number, child)
                except BaseException as error:  # noqa: BLE001  # goes to the thread of the caller
                    finished(number, error)

    def run(worker: str, number: int, child: ReusedChild) -> None:
        with contextlib.closing(tasks[number](child)) as steps:
            try:
                while not stop.is_set():
                    said(worker, number, next(steps))
            except StopIteration as end:
                finished(number, end.value)

    running = [
        threading.Thread(target=work, args=[str(number)], name=f"cryoinr-worker-{number}")
        for number in range(1, min(workers, len(tasks)) + 1)
    ]
    try:
        for thread in running:
            thread.start()
        yield
    finally:
        stop.set()
        for thread in running:
            if thread.ident is not None:
                thread.join()
