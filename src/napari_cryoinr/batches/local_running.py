"""Jobs of a batch on this machine: some threads, each with one child process at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from ..progress import Steps
from ..workers.map_jobs import BatchTracker, MapJob, MapResult
from ..workers.map_tasks import compress_file_steps

_LISTEN_SECONDS = 0.1


def local_steps(
    jobs: Sequence[MapJob],
    workers: int,
    retries: int,
    report: Callable[[MapResult], object] | None = None,
) -> Steps[list[MapResult]]:
    """Do jobs, so many at a time; closing the generator kills the child processes.

    A map whose child dies is done again, up to `retries` times. `report` is called with each result
    in the thread that runs this generator.
    """
    tracker, waiting, stop = BatchTracker(jobs, report), deque(range(len(jobs))), threading.Event()

    def work(worker: str) -> None:
        while waiting and not stop.is_set():
            try:
                number = waiting.popleft()
            except IndexError:
                return  # another thread was quicker
            try:
                run(worker, number)
            except BaseException as error:  # noqa: BLE001  # raised in the thread of the batch
                tracker.finished(number, error)

    def run(worker: str, number: int) -> None:
        steps = compress_file_steps(jobs[number], retries)
        try:
            while not stop.is_set():
                tracker.said(worker, number, next(steps))
        except StopIteration as end:
            tracker.finished(number, end.value)
        finally:
            steps.close()

    threads = [
        threading.Thread(target=work, args=[str(number)], name=f"cryoinr-batch-{number}")
        for number in range(1, min(workers, len(jobs)) + 1)
    ]
    try:
        for thread in threads:
            thread.start()
        yield tracker.listen(0)
        while not tracker.done:
            yield tracker.listen(_LISTEN_SECONDS)
    finally:
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return tracker.in_order()
