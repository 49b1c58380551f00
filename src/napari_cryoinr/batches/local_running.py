"""Jobs of a batch on this machine, in child processes.

A large volume that is coded tile by tile has all workers for itself, after the other maps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ..progress import Steps
from ..workers.child_threads import child_threads
from ..workers.map_jobs import BatchTracker, MapJob, MapResult
from ..workers.map_tasks import compress_file_steps, has_tile_tasks
from ..workers.spread_tasks import spread_steps

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
    large = [number for number, job in enumerate(jobs) if workers > 1 and has_tile_tasks(job)]
    small = [number for number in range(len(jobs)) if number not in large]
    run = partial(spread_steps, workers=workers, threads=threads, retries=retries)
    own = [replace(job, run=run) if number in large else job for number, job in enumerate(jobs)]
    yield tracker.listen(0)
    for numbers, at_a_time in ((small, workers), (large, 1)):
        tasks = {number: partial(compress_file_steps, own[number], retries) for number in numbers}
        with child_threads(tasks, at_a_time, threads, tracker.said, tracker.finished):
            while not tracker.results.keys() >= tasks.keys():
                yield tracker.listen(_LISTEN_SECONDS)
    return tracker.in_order()
