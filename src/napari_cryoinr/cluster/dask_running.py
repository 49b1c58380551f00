"""Jobs of a batch on a Dask cluster that is there: one task for each map.

Tasks whose worker is lost are done again by Dask, as often as the scheduler allows
(`distributed.scheduler.allowed-failures`). If the scheduler is lost, the batch waits for it, and
submits the maps again that are pending.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import CinrError, SettingsError, one_line
from ..progress import Progress, Steps
from ..workers.map_jobs import BatchTracker, MapJob, MapResult
from ..workers.map_tasks import failed
from .dask_tasks import map_task

_LISTEN_SECONDS = 0.1
_CONNECT_SECONDS = 10.0  # a first connection takes this at most
_RECONNECT_SECONDS = 1.0  # an attempt after that, so that Ctrl-C is quick
_PATIENCE_SECONDS = 600.0  # that a lost scheduler may stay away


def dask_steps(
    jobs: Sequence[MapJob],
    scheduler: str,
    retries: int,
    report: Callable[[MapResult], object] | None = None,
) -> Steps[list[MapResult]]:
    """Do jobs on the workers of a cluster; closing the generator ends their work.

    Parameters
    ----------
    jobs : sequence of MapJob
        The workers must reach their paths.
    scheduler : str
        Its address, or a scheduler file.
    retries : int
        How often a map is done again whose child process died, or whose task failed otherwise.
    report : callable, optional
        Called with each result, in the thread that runs this generator.

    Raises
    ------
    SettingsError
        If Dask is not installed.
    CinrError
        If the scheduler cannot be reached, or stays away for ten minutes.
    """
    tracker = BatchTracker(jobs, report)
    with _quiet():
        yield from _tracked_steps(jobs, scheduler, retries, tracker)
    return tracker.in_order()


def _tracked_steps(
    jobs: Sequence[MapJob], scheduler: str, retries: int, tracker: BatchTracker
) -> Steps[None]:
    first, seen = True, time.monotonic()
    while not tracker.done:
        yield tracker.listen(0)
        try:
            client = _connected(scheduler, _CONNECT_SECONDS if first else _RECONNECT_SECONDS)
        except OSError as error:
            if first or time.monotonic() - seen > _PATIENCE_SECONDS:
                raise CinrError(
                    f"{scheduler}: no scheduler answers ({one_line(error)}); is it running?"
                ) from error
            tracker.idle = "waiting for the scheduler"
            continue
        tracker.idle = "waiting for workers"
        # What a worker finished while the scheduler was away need not be done once more.
        pending = {n: jobs[n] if first else replace(jobs[n], resume=True) for n in tracker.pending}
        first = False
        with _submitted(client, pending, retries, tracker) as futures:
            while _take(futures, jobs, tracker) and client.status == "running":
                yield tracker.listen(_LISTEN_SECONDS)
        tracker.interrupted()
        seen = time.monotonic()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from printing pages about a scheduler that is lost."""
    logger = logging.getLogger("distributed.client")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _connected(scheduler: str, seconds: float) -> Any:
    """Return a client of a scheduler; `OSError` if it does not answer within this time."""
    path = Path(scheduler).expanduser()
    if ":" not in scheduler or path.is_file():
        try:
            address = json.loads(path.read_text())["address"]
        except (ValueError, KeyError, TypeError):
            raise OSError("the file is no scheduler file") from None
    else:
        address = scheduler
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            f"schedulers are those of Dask, which cannot be imported ({error}):"
            " pip install 'napari-cryoinr[cluster]'"
        ) from None
    try:
        return Client(address, timeout=seconds, set_as_default=False, name="cryoinr-batch")
    except ValueError as error:  # no address
        raise OSError(one_line(error)) from None


@contextlib.contextmanager
def _submitted(
    client: Any, jobs: dict[int, MapJob], retries: int, tracker: BatchTracker
) -> Iterator[dict[int, Any]]:
    """Yield the future of each job; at the end those that still run are stopped.

    A task that runs cannot be cancelled by Dask: it looks whether an event is set.
    """
    from distributed import Event

    topic = f"cryoinr-{secrets.token_hex(8)}"

    def hear(event: tuple[float, dict[str, Any]]) -> None:
        said = dict(event[1])
        worker, number = said.pop("worker"), said.pop("number")
        tracker.said(worker, number, Progress(**said))

    futures: dict[int, Any] = {}
    try:
        client.subscribe_topic(topic, hear)
        for number, job in jobs.items():
            key = f"{topic}-{number}"
            futures[number] = client.submit(
                map_task, job, number, retries, topic, key=key, pure=False, retries=retries
            )
        yield futures
    finally:
        with contextlib.suppress(Exception):  # whatever a client raises that lost its scheduler
            if futures and client.status == "running":
                Event(topic, client=client).set()
                client.cancel(list(futures.values()), force=True)
        with contextlib.suppress(Exception):
            client.close(timeout=_RECONNECT_SECONDS)


def _take(futures: dict[int, Any], jobs: Sequence[MapJob], tracker: BatchTracker) -> bool:
    """Hand over what is finished; return whether there is more, and none of it was lost."""
    for number, future in list(futures.items()):
        status = future.status
        if status == "finished":
            try:
                tracker.finished(number, future.result(timeout=_CONNECT_SECONDS))
            except TimeoutError:
                continue  # the worker that holds the result is lost: Dask has it made again
            except CancelledError:
                return False
        elif status == "error":
            tracker.finished(number, failed(jobs[number], _reason(future)))
        elif status == "pending":
            continue
        else:  # cancelled, or lost with the scheduler
            return False
        del futures[number]
    return bool(futures)


def _reason(future: Any) -> str:
    """Say why a task has failed for good."""
    from distributed import KilledWorker

    error = future.exception(timeout=_CONNECT_SECONDS)
    if isinstance(error, KilledWorker):
        return "every worker that had it was lost; see the logs of the workers"
    return f"{type(error).__name__}: {one_line(error)}"
