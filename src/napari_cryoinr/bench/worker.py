"""The child process of `processes`: one encoding, timed, with its peak memory."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ..maps.density_map import DensityMap
from ..maps.map_reading import read_map
from ..progress import Progress, Steps
from ..settings import Settings
from ..workers.child_process import serve
from .processes import Job, Outcome, peak_resident


def encode_task(job: Job) -> Steps[Outcome]:
    """Encode a map by our encoder, or by a peer where there are no settings."""
    density_map = read_map(job.map)
    if job.settings is None:
        return _encode_peer(job, density_map)
    return (yield from _encode_ours_steps(job, density_map, job.settings))


def _encode_ours_steps(job: Job, density_map: DensityMap, settings: Settings) -> Steps[Outcome]:
    from ..codec.compression import compress_steps
    from ..support.devices import import_torch

    import_torch()
    before = peak_resident()
    stages = _Stages()
    start = time.perf_counter()
    for record in compress_steps(density_map, job.out, settings):
        stages.add(record)
        yield record
    seconds = time.perf_counter() - start
    size = Path(job.out).stat().st_size
    return Outcome(size, seconds, peak_resident(), before, stages.seconds)


def _encode_peer(job: Job, density_map: DensityMap) -> Outcome:
    from ..maps.mrc_header import VOXEL_TYPES
    from .peers import peer_named
    from .tuning import masked

    peer = peer_named(job.peer, job.lossless)
    voxels = masked(density_map.data, job.threshold)
    if job.lossless:
        voxels = voxels.astype(VOXEL_TYPES[density_map.mode])
    peer.encode(np.arange(64, dtype=voxels.dtype).reshape(4, 4, 4), 1.0)  # loads its library
    before, start = peak_resident(), time.perf_counter()
    data = peer.encode(voxels, job.knob)
    seconds = time.perf_counter() - start
    after = peak_resident()
    Path(job.out).write_bytes(data)
    return Outcome(len(data), seconds, after, before, {})


class _Stages:
    """Sums the seconds of each phase.

    The time before a record that begins a phase (step 0) belongs to the phase before it.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()
        self._phase = "preparing"

    def add(self, record: Progress) -> None:
        now = time.perf_counter()
        phase = record.phase if record.step else self._phase
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last, self._phase = now, record.phase


def main() -> None:
    """Do the task that `processes.encode_steps` asks for."""
    serve()


if __name__ == "__main__":
    main()
