#!/usr/bin/env python3
"""How near the estimates of the file size are to the truth, and how long they take.

    python benchmarks/estimates.py MAPS OUT_NAME

Every map of a folder above its automatic threshold at three errors, and whole at 45 dB, with the
effort `balanced`. The table goes to benchmarks/results/OUT_NAME.md.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
import warnings
from pathlib import Path

from speed import markdown_table

import napari_cryoinr as cryoinr
from napari_cryoinr.codec.estimation import estimate_steps

RESULTS = Path(__file__).parent / "results"
GOALS = [
    ("auto", {"target_nrmse": 0.1}),
    ("auto", {"target_nrmse": 0.05}),
    ("auto", {"target_nrmse": 0.02}),
    ("none", {"target_psnr": 45.0}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    args = parser.parse_args()
    warnings.simplefilter("ignore", cryoinr.MapWarning)
    rows, logs = [], []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "a.cinr"
        for path in sorted(args.maps.iterdir()):
            density_map = cryoinr.read_map(path)
            for threshold, goal in GOALS:
                settings = cryoinr.Settings(threshold=threshold, device="cpu", **goal)
                begun = time.perf_counter()
                estimate = cryoinr.drain(estimate_steps(density_map, settings))
                took = time.perf_counter() - begun
                begun = time.perf_counter()
                cryoinr.compress(density_map, out, settings)
                whole = time.perf_counter() - begun
                ratio = estimate.bytes / out.stat().st_size
                logs.append(math.log(ratio))
                (name,) = goal
                row = [path.name, f"{name} {goal[name]:g}", f"{estimate.bytes:,}"]
                row += [f"{out.stat().st_size:,}", f"{ratio:.3f}", f"{took:.1f}", f"{whole:.1f}"]
                rows.append(row)
                print("  ".join(row), flush=True)
    mean = math.exp(sum(logs) / len(logs))
    low, high = math.exp(min(logs)), math.exp(max(logs))
    within = sum(0.75 <= math.exp(log) <= 1.25 for log in logs)
    titles = ["map", "goal", "estimate", "bytes", "ratio", "estimate s", "compress s"]
    text = (
        "# Estimates of the file size over the truth\n\n"
        f"Geometric mean {mean:.3f}, from {low:.3f} to {high:.3f}; {within} of {len(logs)} within"
        " 25 %.\n\n"
    )
    (RESULTS / f"{args.out}.md").write_text(text + "\n".join(markdown_table(titles, rows)))


if __name__ == "__main__":
    main()
