#!/usr/bin/env python3
"""Bytes of the model `inr` with and without the symmetry of each map, and the time of its search.

    python benchmarks/symmetry.py OUT_NAME MAP ... [--device cuda] [--editions FOLDER]
        [--resolution 4.8]

Goals are FSC 0.99 up to the resolution of the map (or to the one given) inside its soft mask, and
NRMSE 0.06 above its contour, both automatic. Maps that have no symmetry are told so. Writes
benchmarks/results/OUT_NAME.json and .md after each map.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import RESULTS, parser_for, write_results
from rate_distortion import edition_for, use_edition

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.models.inr.inr_settings import InrSettings
from napari_cryoinr.support.atomic_files import temporary_folder

GOALS: dict[str, dict[str, Any]] = {
    "shells": {"target_fsc": 0.99},
    "contour": {"target_nrmse": 0.06, "keep": "contour"},
}


def encoded(density_map: cryoinr.DensityMap, settings: cryoinr.Settings) -> dict[str, Any]:
    """Return bytes, group and seconds of one encoding."""
    start = last = time.perf_counter()
    searched, before = 0.0, ""
    with temporary_folder() as folder:
        path = folder / "map.cinr"
        for record in cryoinr.compress_steps(density_map, path, settings):
            now = time.perf_counter()
            if "symmetry" in (record.phase, before):
                searched += now - last
            last, before = now, record.phase
        symmetry = cryoinr.open_archive(path)[0].symmetry
        return {
            "bytes": path.stat().st_size,
            "symmetry": symmetry or "none",
            "seconds": last - start,
            "search": searched,
        }


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("maps", type=Path, nargs="+")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resolution", type=float)
    parser.add_argument("--editions", type=Path, help="folder of editions made without a map")
    args = parser.parse_args()
    stored = RESULTS / f"{args.out}.json"
    rows: list[dict[str, Any]] = json.loads(stored.read_text())["rows"] if stored.exists() else []
    for path in args.maps:
        if args.editions:
            use_edition(edition_for(path, args.editions))
        density_map = cryoinr.read_map(path)
        for name, goal in GOALS.items():
            usual = cryoinr.Settings(model="inr", device=args.device, **goal)
            if name == "shells" and args.resolution:
                usual = replace(usual, resolution=args.resolution)
            row: dict[str, Any] = {"map": density_map.name, "goal": name}
            for kind in ("auto", "none"):
                settings = replace(usual, inr=InrSettings(symmetry=kind))
                try:
                    row[kind] = encoded(density_map, settings)
                except cryoinr.CinrError as error:
                    row[kind] = {"error": str(error)}
            print(row, flush=True)
            rows.append(row)
            write_results(args.out, {"rows": rows}, page(args.out, rows))


def page(name: str, rows: list[dict[str, Any]]) -> list[str]:
    """Return the table."""
    table, ratios = [], []
    for row in rows:
        one, other = row["auto"], row["none"]
        both = "bytes" in one and "bytes" in other
        share = one["bytes"] / other["bytes"] if both else math.nan
        if both and one["symmetry"] != "none":
            ratios.append(share)
        sizes = [f"{own['bytes']:,}" if "bytes" in own else "missed" for own in (one, other)]
        group, search = one.get("symmetry", "-"), one.get("search", math.nan)
        table.append([row["map"], row["goal"], group, *sizes, f"{share:.3f}", f"{search:.2f}"])
    titles = ["map", "goal", "symmetry", "bytes with", "without", "with / without", "search, s"]
    lines = [f"# {name}: symmetry", "", *markdown_table(titles, table)]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        lines += ["", f"Geometric mean of with / without, symmetric maps: {mean:.3f}"]
    return lines


if __name__ == "__main__":
    main()
