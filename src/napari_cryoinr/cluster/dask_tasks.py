"""What a worker of a Dask cluster does: one job, in a child process of its own.

The child can be killed at any moment, and one that dies does not take the worker with it.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from ..workers.map_jobs import MapJob, MapResult
from ..workers.map_tasks import compress_file_steps, failed
from ..workers.reused_child import ReusedChild

_REPORT_SECONDS = 1.0


def map_task(job: MapJob, number: int, retries: int, topic: str) -> MapResult:
    """Do a job; log its progress under the topic, and stop once the event of that name is set."""
    from distributed import Event, Reschedule, Status, get_worker

    worker, stop = get_worker(), Event(topic)
    last = -_REPORT_SECONDS
    child = ReusedChild(job.threads)
    steps = compress_file_steps(job, retries, child)
    try:
        while True:
            record = next(steps)
            if time.monotonic() - last < _REPORT_SECONDS:
                continue
            last = time.monotonic()
            said: dict[str, Any] = {"worker": str(worker.name), "number": number}
            said |= {"phase": record.phase, "step": record.step, "steps": record.steps}
            said |= {"seconds": record.seconds, "share": record.share}
            worker.log_event(topic, said)
            if worker.status not in (Status.running, Status.paused):
                raise Reschedule  # it is about to be closed: another one does the job
            with contextlib.suppress(OSError):  # no scheduler: then the worker is closed soon
                if stop.is_set():
                    return failed(job, "cancelled")
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
        child.close()
