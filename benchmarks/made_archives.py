#!/usr/bin/env python3
"""Encode what the tables and curves measure, such as on a machine with a GPU.

    python benchmarks/made_archives.py MAPS_FOLDER CASES_FILE FOLDER [--editions FOLDER]
        [--device cuda] [--jobs 8] [--seconds 400]

Writes an archive for each case of `rate_distortion.py --cases`, by the model `inr`, and for each
goal of `curves.py`, by `inr` and `paper`; --archives FOLDER has these scripts measure them in place
of archives of their own. Several are encoded at a time, so their times are no measurement of speed.
What is not done after so many seconds is left out; what is there is not encoded again.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from pathlib import Path

import curves
from harness import parser_for
from rate_distortion import ENCODER, PRETRAINING, Stated, edition_for, stated_for

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import bench_rows, cases_for, encoding
from napari_cryoinr.bench.encoding import Job, Outcome, encode_task
from napari_cryoinr.support.atomic_files import temporary_folder
from napari_cryoinr.workers.parent_process import run_in_child


def stored(folder: Path, job: Job) -> Path:
    """Return the archive of a job, without its suffix."""
    assert job.settings is not None
    said = json.dumps([Path(job.map).name, job.settings.to_dict()], sort_keys=True)
    return folder / blake2b(said.encode(), digest_size=8).hexdigest()


def use_archives(folder: Path) -> None:
    """From now on, have benchmarks take the archives of a folder where it has them."""

    def encode_steps(job: Job) -> cryoinr.Steps[Outcome]:
        path = None if job.settings is None else stored(folder, job)
        if path is None or not path.with_suffix(".json").exists():
            return (yield from encoding.encode_steps(job))
        shutil.copyfile(path.with_suffix(".cinr"), job.out)
        return Outcome(**json.loads(path.with_suffix(".json").read_text()))

    bench_rows.encode_steps = encode_steps


def make(folder: Path, edition: Path, until: float, job: Job) -> str:
    """Encode one job with an edition; return what became of it."""
    path = stored(folder, job)
    assert job.settings is not None
    name = f"{Path(job.map).name} {job.settings.model} {job.settings.keep} {path.name}"
    if path.with_suffix(".json").exists():
        return f"{name}: there"
    command = (sys.executable, "-P", "-c", ENCODER, str(PRETRAINING), str(edition))
    start = time.monotonic()
    with temporary_folder() as work:
        own = Job(job.map, str(work / "map.cinr"), job.settings)
        steps = run_in_child(partial(encode_task, own), work, job.map, command=command)
        try:
            while time.monotonic() < until:
                next(steps)
            steps.close()
            return f"{name}: no time left"
        except StopIteration as end:
            outcome: Outcome = end.value
        except cryoinr.CinrError as error:
            return f"{name}: {error}"
        shutil.copyfile(own.out, path.with_suffix(".cinr"))
        path.with_suffix(".json").write_text(json.dumps(asdict(outcome)))
    return f"{name}: {outcome.bytes} bytes, {time.monotonic() - start:.0f} s"


def of_tables(path: Path, listed: list[Stated], device: str) -> Iterator[Job]:
    """Yield the jobs of a map in the tables."""
    density_map = cryoinr.read_map(path)
    inr = cryoinr.Settings(model="inr", effort="balanced", device=device)
    for regime in ("fsc", "contour", "whole"):
        for one in stated_for(path, regime, listed):
            yield from with_goals(path, density_map, regime, one, [one["target"]], inr)


def of_curves(path: Path, listed: list[Stated], device: str) -> Iterator[Job]:
    """Yield the jobs of a map in the curves."""
    density_map = cryoinr.read_map(path)
    inr = cryoinr.Settings(model="inr", effort="balanced", device=device)
    for regime, goals in curves.GOALS.items() if path.name in curves.MAPS else ():
        one = curves.stated_of(path, regime, listed)
        yield from with_goals(path, density_map, regime, one, goals, inr)
        for settings in curves.settings_of("paper", device):
            yield from with_goals(path, density_map, regime, one, None, settings)


def with_goals(
    path: Path,
    density_map: cryoinr.DensityMap,
    regime: str,
    stated: Stated,
    goals: list[float] | None,
    settings: cryoinr.Settings,
) -> Iterator[Job]:
    """Yield a job for each goal."""
    for case in cases_for(
        density_map,
        stated.get("threshold"),
        regime,
        goals,
        resolution=stated.get("resolution"),
        model=settings.model,
    ):
        yield Job(str(path), "", case.settings(settings))


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--editions", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=400.0)
    args = parser.parse_args()
    until = time.monotonic() + args.seconds
    args.folder.mkdir(exist_ok=True)
    listed = json.loads(args.cases.read_text())
    names = sorted({Path(one["map"]).name for one in listed})
    paths = [args.maps / name for name in names if (args.maps / name).exists()]
    with ThreadPoolExecutor(args.jobs) as pool:
        waiting = [
            pool.submit(make, args.folder, edition_for(path, args.editions), until, job)
            for jobs in (of_tables, of_curves)
            for path in paths
            for job in jobs(path, listed, args.device)
        ]
        for one in waiting:
            print(one.result(), flush=True)


if __name__ == "__main__":
    main()
