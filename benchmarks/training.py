#!/usr/bin/env python3
"""Time and memory of the model `inr`: one map, phase by phase, in processes of their own.

    python benchmarks/training.py OUT_NAME MAP --threshold 0.15 (--resolution 3.4 | --nrmse 0.06)
        [--device cuda] [--effort balanced] [--rounds 2]

Seconds are those after start-up, libraries and reading the map; of a GPU's, what it takes to begin
with it counts. The fastest of the rounds is shown. Memory, on a processor, is what the process held
at most beyond what it held before, in times the bytes of the map.

Adds a row to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import RESULTS, parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.encoding import Job, encode_steps
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.support.atomic_files import temporary_folder
from napari_cryoinr.support.devices import available

STAGES = ("symmetry", "fitting", "training", "rounding", "coding")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("map", type=Path)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--resolution", type=float)
    parser.add_argument("--nrmse", type=float)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    settings = cryoinr.Settings(
        model="inr", effort=args.effort, device=args.device, threshold=args.threshold
    )
    goal = {"target_nrmse": args.nrmse, "keep": "contour"}
    if args.resolution:
        goal = {"target_fsc": 0.99, "resolution": args.resolution}
    settings = cryoinr.Settings.from_dict(settings.to_dict() | goal)
    found = []
    for _ in range(args.rounds):
        with temporary_folder() as folder:
            job = Job(str(args.map), str(folder / "map.cinr"), settings)
            found.append(cryoinr.drain(encode_steps(job)))
    best = min(found, key=lambda outcome: outcome.seconds)
    title = next(one.title for one in available() if args.device in ("auto", one.name))
    stored = RESULTS / f"{args.out}.json"
    rows: list[dict[str, Any]] = json.loads(stored.read_text())["rows"] if stored.exists() else []
    row = {"map": args.map.name, "goal": goal, "device": title, "effort": args.effort}
    raw = cryoinr.read_map(args.map).raw_bytes
    rows.append(row | asdict(best) | {"raw_bytes": raw})
    table = []
    for one in rows:
        held = (one["peak_bytes"] - one["start_bytes"]) / one["raw_bytes"]
        memory = f"{held:.1f}" if one["device"].startswith("CPU") else "-"
        reached = ", ".join(f"{name} {value}" for name, value in one["goal"].items())
        stages = [f"{one['stages'].get(name, 0):.1f}" for name in STAGES]
        head = [one["map"], reached, one["device"], one["effort"], f"{one['bytes']:,}"]
        table.append([*head, f"{one['seconds']:.1f}", *stages, memory])
    titles = ["map", "goal", "device", "effort", "bytes", "seconds", *STAGES, "memory / map"]
    lines = [f"# {args.out}: training", "", *markdown_table(titles, table)]
    write_results(args.out, {"rows": rows}, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
