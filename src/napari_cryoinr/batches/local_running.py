"""Jobs of a batch on this machine, in child processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..progress import Steps
from ..workers.child_threads import child_threads
from ..workers.map_jobs import BatchTracker, MapJob, MapResult
from ..workers.map_tasks import compress_file_steps

_LISTEN_SECONDS = 0.1


def local_steps(
    jobs: Sequence[MapJob],
    workers: int,
    retries: int,
    threads: int | None,
    report: Callable[[MapResult], object] | None = None,
) -> Steps[list[MapResult]]:
    """Do jobs, so many at a time; closing the generator kills the child processes.

    A map whose child dies is done again, up to `retries` times. `report` is called with each result
    in the thread that runs this generator.
    """
    tracker = BatchTracker(jobs, report)
    tasks = [partial(compress_file_steps, job, retries) for job in jobs]
    with child_threads(tasks, workers, threads, tracker.said, tracker.finished):
        yield tracker.listen(0)
        while not tracker.done:
            yield tracker.listen(_LISTEN_SECONDS)
    return tracker.in_order()
