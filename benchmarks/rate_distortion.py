#!/usr/bin/env python3
"""Our size against SPERR, SZ3 and ZFP at the same error, above contours and for whole maps.

    python benchmarks/rate_distortion.py MAPS_FOLDER OUT_NAME [--editions FOLDER] [--only NAME ...]
        [--nrmse 0.06] [--psnr 45] [--model paper] [--effort best] [--resume]

Each map is measured at five errors above its contours, and at five as a whole, or at those that are
given. Contours are the levels below for the maps named there, and automatic for others.

With --editions, each map is measured with pretrained parts that were made without it and without
all maps whose names begin alike, as they may be crops of the same data. Editions that the folder
lacks are made from the other maps and kept there.

After each map, benchmarks/results/OUT_NAME-contour.* and OUT_NAME-whole.* (.json and .md, all maps)
are written anew, and its curves as OUT_NAME-MAP.svg; --resume skips maps that the JSON files hold.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from harness import RESULTS, parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr import models
from napari_cryoinr.bench import MapBench, Row, cases_for, chosen_peers, encoding, table
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
PRETRAINING = Path(__file__).resolve().parents[1] / "pretraining"
# The program of a child process that encodes with an edition.
ENCODER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from editions import use_edition
use_edition(Path(sys.argv[2]))
from napari_cryoinr.workers.child_process import serve
serve()
"""


def measure(
    path: Path, regime: str, errors: list[float] | None, settings: cryoinr.Settings
) -> list[Row]:
    """Measure one map; errors that cannot be reached are printed and left out."""
    density_map = cryoinr.read_map(path)
    bench = MapBench(path, density_map, chosen_peers(), settings)
    rows: list[Row] = []
    for level in CONTOURS.get(path.name, ("auto",)) if regime == "contour" else (None,):
        for case in cases_for(density_map, level, regime, errors, model=settings.model):
            try:
                rows.append(cryoinr.drain(bench.row_steps(case)))
            except cryoinr.GoalMissed as missed:
                print(f"no row: {missed}", flush=True)
            else:
                print(f"{path.name:32.32} {table.line(rows[-1])}", flush=True)
    return rows


def use_edition_without(path: Path, folder: Path, workers: int) -> None:
    """From now on, encode and decode with an edition made without this map; make it if needed."""
    sys.path.insert(0, str(PRETRAINING))
    from editions import use_edition
    from make import Effort, make_edition
    from sources import all_maps

    left_out = re.sub(r"(emd_\d+|[^\W_]+).*", r"\1", path.name)
    edition = folder / f"without_{left_out}.npz"
    if not edition.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"without_{left_out}.part.npz"  # a run that fails leaves no edition
        maps = all_maps(path.parent, [left_out])
        make_edition(maps, part, Effort(tries=1), workers)
        part.rename(edition)
    encoding.COMMAND = (sys.executable, "-P", "-c", ENCODER, str(PRETRAINING), str(edition))
    use_edition(edition)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument("--only", nargs="+", help="file names")
    parser.add_argument("--nrmse", type=float, nargs="+", help="errors above contours")
    parser.add_argument("--psnr", type=float, nargs="+", help="errors of whole maps, dB")
    parser.add_argument("--model", choices=(models.AUTO, *models.NAMES), default=models.AUTO)
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--editions", type=Path, help="folder of editions made without a map")
    parser.add_argument("--workers", type=int, default=2, help="processes that make an edition")
    args = parser.parse_args()
    settings = cryoinr.Settings(model=args.model, effort=args.effort, device=args.device)
    about = f"model {args.model}, effort {args.effort}, on {args.device}"
    about += ", pretrained parts made without each map" if args.editions else ""
    errors = dict(zip(REGIMES, (args.nrmse, args.psnr), strict=True))
    done: dict[str, list[Row]] = {regime: [] for regime in REGIMES}
    for regime in REGIMES if args.resume else ():
        stored = RESULTS / f"{args.out}-{regime}.json"
        if stored.exists():
            done[regime] = [Row.from_dict(row) for row in json.loads(stored.read_text())["rows"]]
    for path in sorted(args.maps.iterdir()):
        if args.only and path.name not in args.only:
            continue
        name = cryoinr.read_map(path).name
        if args.editions:
            use_edition_without(path, args.editions, args.workers)
        for regime, rows in done.items():
            if not any(row.map == name for row in rows):
                rows += measure(path, regime, errors[regime], settings)
                page = table.markdown(rows, f"{args.out}, {regime}: {about}")
                write_results(f"{args.out}-{regime}", table.to_json(rows), page.splitlines())
        own = [row for rows in done.values() for row in rows if row.map == name]
        if own:
            write_plot(RESULTS / f"{args.out}-{name}.svg", own)
    for rows in done.values():
        print("\n".join(table.mean_lines(rows)))


if __name__ == "__main__":
    main()
