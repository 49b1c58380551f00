#!/usr/bin/env python3
"""Our size against SPERR, SZ3 and ZFP at the same error: every map, both regimes, five errors each.

    python benchmarks/rate_distortion.py MAPS_FOLDER OUT_NAME [--editions FOLDER] [--only NAME ...]
        [--effort best] [--resume]

Writes benchmarks/results/OUT_NAME-contour.* and OUT_NAME-whole.* (.json and .md, all maps), and
the curves of each map as OUT_NAME-MAP.svg. The files are written anew after each map, so that a run
that is stopped leaves what it has; with --resume, maps that the JSON files hold are not measured
again. Contours are the levels below for the maps named there, and automatic for others.

With --editions, each map is measured with pretrained parts that were made without it; editions that
the folder lacks are made and kept there.
"""

from __future__ import annotations

from pathlib import Path

from harness import (
    RESULTS,
    command_with_edition,
    edition_without,
    parser_for,
    stored_rows,
    write_results,
)

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import MapBench, Row, cases_for, chosen_peers, processes, table
from napari_cryoinr.bench.plots import write_plot

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


def measure(path: Path, regime: str, settings: cryoinr.Settings) -> list[Row]:
    """The rows of one map; errors that cannot be reached are printed and left out."""
    density_map = cryoinr.read_map(path)
    bench = MapBench(path, density_map, chosen_peers(), settings)
    thresholds = CONTOURS.get(path.name, ("auto",)) if regime == "contour" else (None,)
    rows: list[Row] = []
    for case in (case for level in thresholds for case in cases_for(density_map, level, regime)):
        try:
            rows.append(cryoinr.drain(bench.row_steps(case)))
        except cryoinr.GoalMissed as missed:
            print(f"no row: {missed}", flush=True)
        else:
            print(f"{path.name:32.32} {table.line(rows[-1])}", flush=True)
    return rows


def use_unseen_edition(path: Path, folder: Path, workers: int) -> None:
    """From now on, encode and decode with the edition that never saw this map."""
    from editions import use_edition

    edition = edition_without(path, folder, workers)
    processes.COMMAND = command_with_edition(edition, "napari_cryoinr.bench.worker")
    use_edition(edition)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument("--only", nargs="+", help="file names")
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--editions", type=Path, help="folder of editions that never saw a map")
    parser.add_argument("--workers", type=int, default=2, help="processes that make an edition")
    args = parser.parse_args()
    settings = cryoinr.Settings(effort=args.effort, device=args.device)
    unseen = ", pretrained parts made without each map" if args.editions else ""
    done = {
        regime: [Row.from_dict(row) for row in stored_rows(f"{args.out}-{regime}", args.resume)]
        for regime in REGIMES
    }
    for path in sorted(args.maps.iterdir()):
        if args.only and path.name not in args.only:
            continue
        name = cryoinr.read_map(path).name
        if args.editions:
            use_unseen_edition(path, args.editions, args.workers)
        for regime, rows in done.items():
            if not any(row.map == name for row in rows):
                rows += measure(path, regime, settings)
                title = f"{args.out}, {regime}: effort {args.effort}, on {args.device}{unseen}"
                page = table.markdown(rows, title).splitlines()
                write_results(f"{args.out}-{regime}", table.to_json(rows), page)
        own = [row for rows in done.values() for row in rows if row.map == name]
        if own:
            write_plot(RESULTS / f"{args.out}-{name}.svg", own)
    for rows in done.values():
        print("\n".join(table.mean_lines(rows)))


if __name__ == "__main__":
    main()
