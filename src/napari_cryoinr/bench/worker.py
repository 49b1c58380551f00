"""What runs in the process that `processes` starts: one encoding, told in lines of JSON.

    python -m napari_cryoinr.bench.worker < job.json

Progress comes first, then the outcome or an error.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CinrError, GoalMissed
from ..maps import DensityMap, read_map
from ..progress import Progress
from .memory import peak_resident
from .processes import Job, Outcome

_REPORT_SECONDS = 0.2


def _encode(job: Job) -> Outcome:
    density_map = read_map(job.map)
    return _encode_ours(job, density_map) if job.settings else _encode_peer(job, density_map)


def _encode_ours(job: Job, density_map: DensityMap) -> Outcome:
    from ..compression import compress_steps
    from ..devices import import_torch
    from ..settings import Settings

    import_torch()
    settings = Settings.from_dict(job.settings)
    before = peak_resident()
    stages = _Stages()
    start = time.perf_counter()
    for record in compress_steps(density_map, job.out, settings):
        stages.add(record)
    seconds = time.perf_counter() - start
    size = Path(job.out).stat().st_size
    return Outcome(size, seconds, peak_resident(), before, stages.seconds)


def _encode_peer(job: Job, density_map: DensityMap) -> Outcome:
    from ..mrc_header import VOXEL_TYPES
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
    """Tells progress now and then, and adds up the seconds of each phase.

    What passes until a record that begins a phase (step 0) belongs to the phase before it.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = self._told = time.perf_counter()
        self._phase = "preparing"

    def add(self, record: Progress) -> None:
        now = time.perf_counter()
        phase = record.phase if record.step else self._phase
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last, self._phase = now, record.phase
        if now - self._told >= _REPORT_SECONDS:
            self._told = now
            _tell({"progress": [record.phase, record.step, record.steps]})


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    warnings.simplefilter("ignore")  # the process that reads the map first has shown them
    job = Job(**json.load(sys.stdin))
    try:
        outcome = _encode(job)
    except (CinrError, OSError, MemoryError) as error:
        message = str(error) or type(error).__name__
        _tell({"error": message, "missed": isinstance(error, GoalMissed)})
    else:
        _tell({"outcome": asdict(outcome)})


if __name__ == "__main__":
    main()
