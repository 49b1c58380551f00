"""Many maps to compress, each into a file of its own: one job, its result, progress of all."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..maps.density_map import DensityMap
from ..progress import Clock, Progress, TaskRunner, in_turn_steps
from ..quality.quality_report import QualityReport
from ..settings import Settings

_SILENT_SECONDS = 15.0  # workers say something every second


@dataclass(frozen=True)
class MapJob:
    """A map that becomes a `.cinr` file; paths are absolute."""

    name: str  # of the map in progress and summaries: its path below the folder that was given
    source: Path  # a file; where the map is in none, its name
    target: Path
    settings: Settings
    mask: Path | None = None
    half_maps: tuple[Path, Path] | None = None
    strict: bool = False  # refuse what would be a warning of `read_map`
    resume: bool = False  # keep a target that is sound and was made from this map
    threads: int | None = None  # of the processor; as many as there are by default
    run: TaskRunner = in_turn_steps  # does the parts of a large volume
    read: Callable[[], DensityMap] | None = None  # returns a map that is in no file


@dataclass(frozen=True)
class MapResult:
    """What became of one map of a batch.

    Attributes
    ----------
    name : str
        Of the map: its file name, or its path below the folder that was given.
    source, target : pathlib.Path
        The map file, or the name of a map that is in none, and the `.cinr` file.
    report : QualityReport or None
        What was lost; None if there is no file.
    seconds : float
        Time that it took, reading and writing included.
    error : str
        Why there is no file, in one line; empty if there is one.
    resumed : bool
        Whether the file was there already.
    warnings : tuple of str
        What reading the map warned of.
    picture : bytes
        PNG: a plane of the original beside the same plane as decoded.
    """

    name: str
    source: Path
    target: Path
    report: QualityReport | None = None
    seconds: float = 0.0
    error: str = ""
    resumed: bool = False
    warnings: tuple[str, ...] = ()
    picture: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Running:
    """A map that a worker has at the moment."""

    worker: str
    name: str
    record: Progress = Progress("starting", 0, 1)


@dataclass(frozen=True)
class BatchProgress(Progress):
    """Where a batch stands: `step` of `steps` maps are done, or could not be.

    Attributes
    ----------
    running : tuple of Running
        What each busy worker does, in the order in which the workers first were.
    """

    running: tuple[Running, ...] = ()


class BatchTracker:
    """Puts together what workers say; one that says nothing for a while is taken for lost.

    `said` and `finished` may be called by any thread, all else by that of the batch alone.
    """

    def __init__(
        self, jobs: Sequence[MapJob], report: Callable[[MapResult], object] | None = None
    ) -> None:
        self.results: dict[int, MapResult] = {}  # by the number of the job
        self.idle = "starting"  # the phase while no worker is busy
        self._jobs, self._report, self._clock = jobs, report, Clock()
        self._messages: queue.SimpleQueue[tuple[str, int, Any]] = queue.SimpleQueue()
        self._running: dict[str, tuple[int, Progress, float] | None] = {}  # since when

    @property
    def done(self) -> bool:
        """Whether every job has a result."""
        return len(self.results) == len(self._jobs)

    @property
    def pending(self) -> list[int]:
        """Numbers of the jobs without a result."""
        return [number for number in range(len(self._jobs)) if number not in self.results]

    def said(self, worker: str, number: int, record: Progress) -> None:
        """Take a record of what a worker does."""
        self._messages.put((worker, number, record))

    def finished(self, number: int, outcome: MapResult | BaseException) -> None:
        """Take the result of a job; or an exception that no job should raise."""
        self._messages.put(("", number, outcome))

    def interrupted(self) -> None:
        """Forget what workers do."""
        self._running.clear()

    def listen(self, seconds: float) -> BatchProgress:
        """Take what there is or comes in this time, and return where the batch stands."""
        try:
            self._take(*self._messages.get(timeout=seconds))
            while True:
                self._take(*self._messages.get_nowait())
        except queue.Empty:
            pass
        now = time.monotonic()
        running = [
            (worker, *work)
            for worker, work in self._running.items()
            if work is not None and now - work[-1] < _SILENT_SECONDS
        ]
        total = len(self._jobs)
        share = len(self.results) + sum(record.share or 0.0 for _, _, record, _ in running)
        return BatchProgress(
            "done" if self.done else "compressing" if running else self.idle,
            len(self.results),
            total,
            self._clock.seconds,
            share=share / total if total else 1.0,
            running=tuple(
                Running(worker, self._jobs[number].name, record)
                for worker, number, record, _ in running
            ),
        )

    def in_order(self) -> list[MapResult]:
        """Return the results in the order of the jobs."""
        return [self.results[number] for number in range(len(self._jobs))]

    def _take(self, worker: str, number: int, message: Any) -> None:
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, Progress):
            if number not in self.results:
                self._running[worker] = (number, message, time.monotonic())
            return
        for busy, work in self._running.items():
            if work is not None and work[0] == number:
                self._running[busy] = None
        if number in self.results:
            return  # two workers had it, as one was given up for lost
        self.results[number] = message
        if self._report is not None:
            self._report(message)
