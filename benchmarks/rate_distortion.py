#!/usr/bin/env python3
"""Our size against SPERR, SZ3 and ZFP at the same error: every map, both regimes, five errors each.

    python benchmarks/rate_distortion.py MAPS_FOLDER OUT_NAME [--editions FOLDER] [--only NAME ...]
        [--effort best] [--resume]

Writes benchmarks/results/OUT_NAME-contour.* and OUT_NAME-whole.* (.json and .md, all maps), and
the curves of each map as OUT_NAME-MAP.svg. The files are written anew after each map, so that a run
that is stopped leaves what it has; with --resume, maps that the JSON files hold are not measured
again. Contours are the levels below for the maps named there, and automatic for others.

With --editions, each map is measured with pretrained parts that were made without it, as
`leave_one_out.py` makes them; editions that the folder lacks are made and kept there.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

from leave_one_out import beginning, edition_without

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import (
    Case,
    Encoding,
    Row,
    cases_for,
    chosen_peers,
    processes,
    row_steps,
    table,
    worker,
)
from napari_cryoinr.bench.bench_rows import tuner_for
from napari_cryoinr.bench.plots import write_plot
from napari_cryoinr.bench.tuning import Tuner

REGIMES = ("contour", "whole")
CONTOURS: dict[str, tuple[float, ...]] = {
    "emd_6824.mrc": (4.0, 0.5),
    "rotavirus_vp6_96.mrc": (0.4,),
    "bgal_relion_class3d_100.mrc": (0.05,),
    "emd_1080_groel_11.5A.mrc": (0.01,),
    "emd_0093_MAP_m4A.mrc.gz": (0.7,),
    "emd_1439.map": (2.0,),
    "emd_2513_crop.mrc": (0.01,),
    "emd_1703_sta_msk1.map": (0.006,),
}
RESULTS = Path(__file__).parent / "results"


def measure(path: Path, regime: str, settings: cryoinr.Settings) -> list[Row]:
    """The rows of one map; errors that the map cannot be brought to are told and left out."""
    density_map = cryoinr.read_map(path)
    thresholds = CONTOURS.get(path.name, ("auto",)) if regime == "contour" else (None,)
    cases = [case for level in thresholds for case in cases_for(density_map, level, regime)]
    rows: list[Row] = []
    tuners: dict[float | None, Tuner] = {}
    for case in cases:
        if case.threshold not in tuners:
            tuners = {case.threshold: tuner_for(density_map, case)}
        tuner = tuners[case.threshold]
        steps = row_steps(path, density_map, case, chosen_peers(), settings, tuner)
        try:
            rows.append(cryoinr.drain(steps))
        except cryoinr.GoalMissed as missed:
            print(f"no row: {missed}", flush=True)
            continue
        print(f"{path.name:32.32} {table.line(rows[-1])}", flush=True)
    return rows


def rows_from(path: Path) -> list[Row]:
    """The rows that an earlier run left in its JSON file."""
    if not path.exists():
        return []
    return [
        Row(
            row["map"],
            Case(**row["case"]),
            row["raw_bytes"],
            Encoding(**row["ours"]),
            tuple(Encoding(**peer) for peer in row["peers"]),
            row["sizes"],
        )
        for row in json.loads(path.read_text())["rows"]
    ]


def write(
    name: str, regime: str, rows: list[Row], settings: cryoinr.Settings, left_out: bool
) -> None:
    title = f"{name}, {regime}: effort {settings.effort}, on {settings.device}"
    if left_out:
        title += ", pretrained parts made without each map"
    data = json.dumps(table.to_json(rows), indent=1) + "\n"
    (RESULTS / f"{name}-{regime}.json").write_text(data)
    (RESULTS / f"{name}-{regime}.md").write_text(table.markdown(rows, title))


def take_edition(path: Path, folder: Path, workers: int) -> None:
    """From now on maps are encoded and decoded with the edition that never saw this one."""
    from editions import use_edition

    edition = edition_without(beginning(path.name), path.parent, folder, workers)
    processes.COMMAND = [sys.executable, str(Path(__file__).resolve()), "work", str(edition)]
    use_edition(edition)


def work(edition: Path) -> None:
    """Encode in a child process, with an edition."""
    from editions import use_edition

    use_edition(edition)
    worker.main()


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] == "work":
        work(Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument("--only", nargs="+", help="file names")
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--editions", type=Path, help="folder of editions that never saw a map")
    parser.add_argument("--workers", type=int, default=2, help="processes that make an edition")
    args = parser.parse_args()
    warnings.simplefilter("ignore", cryoinr.MapWarning)
    settings = cryoinr.Settings(effort=args.effort, device=args.device)
    RESULTS.mkdir(exist_ok=True)
    done: dict[str, list[Row]] = {
        regime: rows_from(RESULTS / f"{args.out}-{regime}.json") if args.resume else []
        for regime in REGIMES
    }
    for path in sorted(args.maps.iterdir()):
        if args.only and path.name not in args.only:
            continue
        name = cryoinr.read_map(path).name
        if args.editions:
            take_edition(path, args.editions, args.workers)
        for regime in REGIMES:
            if not any(row.map == name for row in done[regime]):
                done[regime] += measure(path, regime, settings)
                write(args.out, regime, done[regime], settings, args.editions is not None)
        own = [row for rows in done.values() for row in rows if row.map == name]
        if own:
            write_plot(RESULTS / f"{args.out}-{name}.svg", own)
    for rows in done.values():
        for text in table.mean_lines(rows):
            print(text)


if __name__ == "__main__":
    main()
