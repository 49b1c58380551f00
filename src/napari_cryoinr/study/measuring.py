"""One task, in the process that calls it: encode, decode, compare."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..archive import open_archive
from ..codec.compression import compress_steps
from ..errors import GoalMissed
from ..maps.resolution import Resolution
from ..progress import Clock, Progress, Steps, changed_steps
from ..quality.comparison import compare_steps
from ..settings import Settings
from ..support.array_types import AnyArray
from ..support.atomic_files import temporary_folder
from .cases import Case
from .measured import Measured, Member
from .peer_measuring import peer_steps
from .tasks import SHARE, Task

# Errors that are tried until enough points are within 20 %, from the loosest on.
_NRMSES = (0.6, 0.45, 0.33, 0.25, 0.18, 0.13, 0.1, 0.07, 0.05)
_MOST_LOSSES = 60  # of a training that are kept
_EDGES = 1, 99  # percentiles of the densities whose distance is their range


def task_steps(task: Task) -> Steps[Measured]:
    """Do a task, as a generator of progress.

    Raises
    ------
    GoalMissed
        If no setting that is tried reaches the error.
    """
    if task.settings is None:
        case = task.cases[0]
        found = yield from peer_steps(task.codec, case)
        member = yield from member_steps(case, found.decoded)
        return replace(found.measured, members=(member,))
    if not task.tuned:
        return (yield from _file_steps(task.cases, task.settings))
    for nrmse in _NRMSES:
        measured = yield from _file_steps(task.cases, replace(task.settings, target_nrmse=nrmse))
        if measured.within >= SHARE:
            return replace(measured, tuned_to=nrmse)
    raise GoalMissed(
        f"{task.title}: at an NRMSE of {_NRMSES[-1]:g} fewer than {SHARE:.2%} of the points are"
        " within 20 %"
    )


def member_steps(case: Case, decoded: AnyArray) -> Steps[Member]:
    """Compare a decoded map, shape (z, y, x), with the original above its contour."""
    known = Resolution(case.resolution, "given")
    report = yield from compare_steps(case.map, decoded, case.threshold, resolution=known)
    inside = case.map.data > np.float32(case.threshold)
    before, after = (
        float(np.ptp(np.percentile(v[inside], _EDGES))) for v in (case.map.data, decoded)
    )
    return Member.of(case.name, report, after / before if before > 0 else 1.0)


def _file_steps(cases: tuple[Case, ...], settings: Settings) -> Steps[Measured]:
    """Measure a file of our own."""
    losses: dict[int, float] = {}

    def watch(record: Progress) -> Progress:
        if record.is_training and record.loss is not None:
            losses[record.step] = record.loss
        return record

    maps = [case.map for case in cases]
    clock = Clock()
    with temporary_folder() as folder:
        out = folder / "maps.cinr"
        worked = time.process_time()
        thresholds = [case.threshold for case in cases]
        steps = compress_steps(maps, out, settings, thresholds)
        yield from changed_steps(steps, watch)
        seconds, worked = clock.seconds, time.process_time() - worked
        size = out.stat().st_size
        decoded, decode_seconds = yield from _decoded_steps(out)
    members = []
    for case, voxels in zip(cases, decoded, strict=True):
        members.append((yield from member_steps(case, voxels)))
    raw = sum(one.raw_bytes for one in maps)
    seen = _thinned(losses)
    return Measured(
        size,
        raw,
        seconds,
        worked,
        decode_seconds,
        tuple(members),
        tuple(seen),
        tuple(seen.values()),
    )


def _decoded_steps(path: Path) -> Steps[tuple[list[Any], float]]:
    """Decode all maps of a file; returns their voxels, and the seconds that it took."""
    clock = Clock()
    decoded = []
    with open_archive(path) as archive:
        for member in archive:
            decoded.append((yield from member.read_steps()))
    return decoded, clock.seconds


def _thinned(losses: dict[int, float]) -> dict[int, float]:
    """Return means of losses over so many equal parts of the training."""
    if len(losses) <= _MOST_LOSSES:
        return losses
    parts = np.array_split(np.array(list(losses.items())), _MOST_LOSSES)
    return {int(part[-1, 0]): float(part[:, 1].mean()) for part in parts}
