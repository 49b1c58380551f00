"""Encoding in a child process, so that its memory and its time are its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..maps.density_map import DensityMap
from ..maps.map_reading import read_map
from ..progress import Steps
from ..settings import Settings
from ..support.atomic_files import temporary_folder
from ..support.memory import peak_resident
from ..workers.parent_process import CHILD_COMMAND, run_in_child
from .cases import Case
from .error_measure import peer_input
from .peers import peer_named

COMMAND = CHILD_COMMAND
"""Runs the child process; a script may replace it."""


@dataclass(frozen=True)
class Job:
    """What to encode, by our encoder or by a peer."""

    # map, out: files: the map, and where the encoded bytes go
    map: str
    out: str
    settings: Settings | None = None  # those of our encoder; None for a peer
    # peer, lossless, knob: the peer and its setting
    peer: str = ""
    lossless: bool = False
    knob: float = 0.0
    case: Case | None = None  # case, given: what the peer gets, see `peer_input`
    given: str = ""


@dataclass(frozen=True)
class Outcome:
    """Size of an encoded map, and the time and memory that encoding took."""

    bytes: int  # size of the output
    seconds: float  # time of the encoding alone; libraries and the map were loaded before
    # largest resident memory of the process; None where the system does not report it
    peak_bytes: int | None
    start_bytes: int | None  # the same before the encoding began: interpreter, libraries, the map
    stages: dict[str, float]  # seconds by phase of the progress records; empty for peers

    @property
    def extra_bytes(self) -> int | None:
        """Memory that the encoding needed beyond what was there before it."""
        if self.peak_bytes is None or self.start_bytes is None:
            return None
        # The kernel counts pages in batches: a peak may seem to shrink by some.
        return max(0, self.peak_bytes - self.start_bytes)


def encode_steps(job: Job) -> Steps[Outcome]:
    """Do a job in a child process; closing the generator kills the child.

    Raises `GoalMissed` if our encoder cannot reach the error that the settings ask for.
    """
    call, title = partial(encode_task, job), Path(job.map).name
    with temporary_folder() as folder:
        return (yield from run_in_child(call, folder, title, command=COMMAND))


def encode_task(job: Job) -> Steps[Outcome]:
    """Do a job in this process."""
    density_map = read_map(job.map)
    if job.settings is None:
        return _encode_peer(job, density_map)
    return (yield from _encode_ours_steps(job, density_map, job.settings))


def _encode_ours_steps(job: Job, density_map: DensityMap, settings: Settings) -> Steps[Outcome]:
    from ..codec.compression import compress_steps
    from ..support.devices import import_torch

    import_torch()
    before = peak_resident()
    stages: dict[str, float] = {}
    phase = "preparing"
    start = last = time.perf_counter()
    for record in compress_steps(density_map, job.out, settings):
        now = time.perf_counter()
        # The time before a record that begins a phase (step 0) belongs to the phase before it.
        name = record.phase if record.step else phase
        stages[name] = stages.get(name, 0.0) + now - last
        last, phase = now, record.phase
        yield record
    seconds = time.perf_counter() - start
    return Outcome(Path(job.out).stat().st_size, seconds, peak_resident(), before, stages)


def _encode_peer(job: Job, density_map: DensityMap) -> Outcome:
    peer = peer_named(job.peer, job.lossless)
    assert job.case is not None
    voxels = peer_input(density_map, job.case, job.given)
    peer.encode(np.arange(64, dtype=voxels.dtype).reshape(4, 4, 4), 1.0)  # loads its library
    before, start = peak_resident(), time.perf_counter()
    data = peer.encode(voxels, job.knob)
    seconds, after = time.perf_counter() - start, peak_resident()
    Path(job.out).write_bytes(data)
    return Outcome(len(data), seconds, after, before, {})
