"""Picking many micrographs, each into a file of its own, several at a time in child processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..errors import one_line
from ..picking.folder_picking import (
    Outcome,
    PickJob,
    kept_outcome,
    pick_file_steps,
    pick_files_steps,
)
from ..picking.picker_model import PickerModel
from ..progress import Steps
from ..support.atomic_files import temporary_folder
from .child_threads import child_threads
from .parent_process import ChildEnded
from .reused_child import ReusedChild
from .spread_tasks import TaskTracker

_LISTEN_SECONDS = 0.1


def pick_jobs_steps(
    jobs: Sequence[PickJob],
    model: PickerModel,
    workers: int = 1,
    report: Callable[[Outcome], object] | None = None,
) -> Steps[list[Outcome]]:
    """Do jobs with a model, so many at a time; closing the generator kills the child processes.

    Each child holds one micrograph and computes in its share of the processors. One whose process
    dies has failed, and the others go on. `report` is called with each result, in the thread that
    runs this generator. With one worker all is done in this process.
    """
    waiting = [job for job in jobs if kept_outcome(job) is None]
    workers = min(workers, len(waiting))
    if workers <= 1:
        return (yield from pick_files_steps(jobs, model, report))
    with temporary_folder() as folder:
        file = folder / "model.h5"
        model.save(file)
        threads = max(1, (os.cpu_count() or 1) // workers)
        tracker, told = TaskTracker(len(jobs)), set[int]()
        tasks = {}
        for number, job in enumerate(jobs):
            if (kept := kept_outcome(job)) is not None:
                tracker.finished(number, kept)
            else:
                tasks[number] = partial(_child_steps, job, file)
        with child_threads(tasks, workers, threads, tracker.said, tracker.finished):
            while not tracker.done:
                yield tracker.listen(_LISTEN_SECONDS)
                for number in tracker.results.keys() - told:
                    told.add(number)
                    if report is not None:
                        report(tracker.results[number])
    return tracker.in_order()


def _child_steps(job: PickJob, model: Path, child: ReusedChild) -> Steps[Outcome]:
    try:
        return (yield from child.run_steps(partial(pick_file_steps, job, model), job.path.name))
    except ChildEnded as error:
        return Outcome(job.path, error=one_line(error))
