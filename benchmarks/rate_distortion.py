#!/usr/bin/env python3
"""Our size against SPERR, SZ3 and ZFP at the same error: Fourier shells, contours, whole maps.

    python benchmarks/rate_distortion.py MAPS_FOLDER OUT_NAME [--cases FILE] [--editions FOLDER]
        [--regimes fsc contour whole] [--only NAME ...] [--fsc 0.99] [--nrmse 0.06] [--psnr 45]
        [--model paper] [--effort best] [--device cuda] [--resume] [--archives FOLDER]

Regimes are those of `cryoinr bench`. Each map of the folder is measured at FSC 0.99, at five errors
above its contour and at five as a whole, or at those that are given. Contours are the levels below
for the maps named there, and automatic for others, as resolutions are.

With --cases, what a JSON file lists is measured in place of that, of maps in the folder:

    [{"map": "a.mrc", "regime": "fsc", "threshold": 0.4, "resolution": 4.2, "target": 0.99},
     {"map": "a.mrc", "regime": "contour", "threshold": 0.4, "target": 0.06},
     {"map": "b.map", "regime": "whole", "target": 45}]

With --editions, a map NAME... for which the folder has without_NAME.npz is measured with these
pretrained parts, which were made without it (`pretraining/make.py --leave-out NAME`), and every
other map with those of the package: they must not have been made from it.

Writes benchmarks/results/OUT_NAME-fsc.*, -contour.* and -whole.* (.json and .md, all maps), and
the curves of each map of which a regime has several errors as OUT_NAME-MAP.svg. The files are
written anew after each map, so that a run that is stopped leaves what it has; with --resume, maps
that the JSON files hold are not measured again.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from harness import RESULTS, parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr import models
from napari_cryoinr.bench import MapBench, Row, cases_for, chosen_peers, encoding, table
from napari_cryoinr.bench.cases import LOSSY
from napari_cryoinr.bench.plots import write_plot
from napari_cryoinr.models.field import pretrained

CONTOURS = {
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
PACKAGED = Path(pretrained.__file__).with_name("pretrained1.npz")
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
Stated = dict[str, Any]
"""One entry of a file of cases, or a part of it."""


def stated_for(path: Path, regime: str, listed: list[Stated] | None) -> list[Stated]:
    """Return what is to be measured of a map: what a file lists, or everything."""
    if listed is not None:
        return [c for c in listed if Path(c["map"]).name == path.name and c["regime"] == regime]
    if regime == "contour" and path.name in CONTOURS:
        return [{"threshold": level} for level in CONTOURS[path.name]]
    return [{}]


def measure(
    path: Path,
    regime: str,
    stated: list[Stated],
    errors: list[float] | None,
    settings: cryoinr.Settings,
    alone: bool = False,
) -> list[Row]:
    """Measure one map, `alone` without peers; errors that cannot be reached are left out."""
    density_map = cryoinr.read_map(path)
    bench = MapBench(path, density_map, () if alone else chosen_peers(), settings)
    rows: list[Row] = []
    for one in stated:
        try:
            cases = cases_for(
                density_map,
                one.get("threshold"),
                regime,
                [one["target"]] if "target" in one else errors,
                resolution=one.get("resolution"),
                model=settings.model,
            )
        except cryoinr.SettingsError as refused:  # such as an automatic threshold of a tomogram
            print(f"no row: {path.name}: {refused}", flush=True)
            continue
        for case in cases:
            try:
                rows.append(cryoinr.drain(bench.row_steps(case)))
            except cryoinr.GoalMissed as missed:
                print(f"no row: {missed}", flush=True)
            else:
                print(f"{path.name:32.32} {table.line(rows[-1])}", flush=True)
    return rows


def edition_for(path: Path, folder: Path) -> Path:
    """Return pretrained parts that were made without a map."""
    name = re.sub(r"(emd_\d+|[^\W_]+).*", r"\1", path.name)
    left_out = folder / f"without_{name}.npz"
    return left_out if left_out.exists() else PACKAGED


def use_edition(edition: Path) -> None:
    """From now on, encode and decode with these pretrained parts."""
    sys.path.insert(0, str(PRETRAINING))
    import editions

    encoding.COMMAND = (sys.executable, "-P", "-c", ENCODER, str(PRETRAINING), str(edition))
    editions.use_edition(edition)


def page(rows: list[Row], title: str, never_seen: set[str]) -> list[str]:
    """Return a table, and the means of the maps that pretraining never saw."""
    lines = table.markdown(rows, title).splitlines()
    held_out = [row for row in rows if row.map in never_seen]
    if not held_out:
        return lines
    names = ", ".join(dict.fromkeys(row.map for row in held_out))
    return [*lines, "", f"Never seen by pretraining: {names}.", "", *table.mean_lines(held_out)]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument("--cases", type=Path, help="JSON file of what is measured")
    parser.add_argument("--regimes", nargs="+", choices=LOSSY, default=LOSSY)
    parser.add_argument("--only", nargs="+", help="file names")
    parser.add_argument("--fsc", type=float, nargs="+", help="lowest correlations")
    parser.add_argument("--nrmse", type=float, nargs="+", help="errors above contours")
    parser.add_argument("--psnr", type=float, nargs="+", help="errors of whole maps, dB")
    parser.add_argument("--model", choices=(models.AUTO, *models.NAMES), default=models.AUTO)
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--editions", type=Path, help="folder of editions made without a map")
    parser.add_argument("--archives", type=Path, help="folder that made_archives.py made")
    args = parser.parse_args()
    if args.archives:
        from made_archives import use_archives

        use_archives(args.archives)
    settings = cryoinr.Settings(model=args.model, effort=args.effort, device=args.device)
    about = f"model {args.model}, effort {args.effort}, on {args.device}"
    about += ", pretrained parts made without each map" if args.editions else ""
    if args.fsc is None and "target_fsc" in models.aims(args.model):
        args.fsc = [0.99]
    errors = {"fsc": args.fsc, "contour": args.nrmse, "whole": args.psnr}
    listed = None if args.cases is None else json.loads(args.cases.read_text())
    done: dict[str, list[Row]] = {regime: [] for regime in args.regimes}
    for regime in done if args.resume else ():
        stored = RESULTS / f"{args.out}-{regime}.json"
        if stored.exists():
            done[regime] = [Row.from_dict(row) for row in json.loads(stored.read_text())["rows"]]
    never_seen: set[str] = set()
    for path in sorted(args.maps.iterdir()):
        if args.only and path.name not in args.only:
            continue
        name = cryoinr.read_map(path).name
        if args.editions:
            edition = edition_for(path, args.editions)
            use_edition(edition)
            if edition == PACKAGED:
                never_seen.add(name)
        for regime, rows in done.items():
            stated = stated_for(path, regime, listed)
            if stated and not any(row.map == name for row in rows):
                rows += measure(path, regime, stated, errors[regime], settings)
                lines = page(rows, f"{args.out}, {regime}: {about}", never_seen)
                write_results(f"{args.out}-{regime}", table.to_json(rows), lines)
        own = [row for rows in done.values() for row in rows if row.map == name]
        if len({row.case.measured for row in own}) < len(own):
            write_plot(RESULTS / f"{args.out}-{name}.svg", own)
    for rows in done.values():
        print("\n".join(table.mean_lines(rows)))


if __name__ == "__main__":
    main()
