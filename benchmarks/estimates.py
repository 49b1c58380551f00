#!/usr/bin/env python3
"""How near the estimates of the file size are to the truth, and how long they take.

    python benchmarks/estimates.py MAPS OUT_NAME

Every map of a folder above its automatic threshold at three errors, and whole at 45 dB, with the
effort `balanced`. Tables go to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from harness import parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import geometric_mean, markdown_table
from napari_cryoinr.codec.estimation import estimate_steps

GOALS: list[dict[str, Any]] = [
    {"target_nrmse": 0.1},
    {"target_nrmse": 0.05},
    {"target_nrmse": 0.02},
    {"target_psnr": 45.0, "threshold": "none"},
]
TITLES = ("map", "goal", "estimate", "bytes", "ratio", "estimate s", "compress s")


def measure(path: Path, goal: dict[str, Any], out: Path) -> dict[str, Any]:
    density_map = cryoinr.read_map(path)
    settings = cryoinr.Settings(device="cpu", **goal)
    times = [time.perf_counter()]
    estimate = cryoinr.drain(estimate_steps(density_map, settings))
    times.append(time.perf_counter())
    cryoinr.compress(density_map, out, settings)
    times.append(time.perf_counter())
    name, number = next(iter(goal.items()))
    return {
        "map": path.name,
        "goal": f"{name} {number:g}",
        "estimate": estimate.bytes,
        "bytes": out.stat().st_size,
        "ratio": estimate.bytes / out.stat().st_size,
        "estimate_s": times[1] - times[0],
        "compress_s": times[2] - times[1],
    }


def cells(row: dict[str, Any]) -> list[str]:
    sizes = [f"{row['estimate']:,}", f"{row['bytes']:,}", f"{row['ratio']:.3f}"]
    return [row["map"], row["goal"], *sizes, f"{row['estimate_s']:.1f}", f"{row['compress_s']:.1f}"]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(args.maps.iterdir()):
            for goal in GOALS:
                out = Path(folder) / f"{len(rows)}.cinr"
                rows.append(measure(path, goal, out))
                print("  ".join(cells(rows[-1])), flush=True)
    ratios = [row["ratio"] for row in rows]
    within = sum(0.75 <= ratio <= 1.25 for ratio in ratios)
    summary = (
        f"Geometric mean {geometric_mean(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f};"
        f" {within} of {len(ratios)} within 25 %."
    )
    table = markdown_table(TITLES, [cells(row) for row in rows])
    write_results(
        args.out, rows, ["# Estimates of the file size over the truth", "", summary, "", *table]
    )


if __name__ == "__main__":
    main()
