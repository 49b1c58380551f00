#!/usr/bin/env python3
"""Many small maps with two workers against one, in one run; each computes in one thread.

    python benchmarks/batch_speed.py OUT_NAME [--maps 40] [--size 64] [--effort fast] [--rounds 3]

The maps are made on the spot. A round is a batch with one worker and one with two; the ratio of a
round says more than its seconds, and the best one most where other programs run. Below stand the
processor seconds of all children, which do not depend on those. The files of both batches must be
the same. Tables go to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from harness import parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table, versions

WORKERS = (1, 2)


def timed(maps: Path, out: Path, workers: int, settings: cryoinr.Settings) -> tuple[float, float]:
    """Return wall-clock seconds of a batch, and processor seconds of its children."""
    began, before = time.perf_counter(), os.times()
    results = cryoinr.batch(maps, out, settings, jobs=workers, threads=1)
    seconds, after = time.perf_counter() - began, os.times()
    assert not any(result.error for result in results)
    spent = after.children_user + after.children_system
    return seconds, spent - before.children_user - before.children_system


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out_name")
    parser.add_argument("--maps", type=int, default=40)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--effort", default="fast")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    settings = cryoinr.Settings(effort=given.effort, device="cpu")
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "maps").mkdir()
        for seed in range(given.maps):
            one = cryoinr.synthetic_map(given.size, seed=seed)
            cryoinr.write_map(one, folder / "maps" / f"{seed:03}.mrc")
        for number in range(given.rounds):
            outs = [folder / f"{number}-{workers}" for workers in WORKERS]
            pairs = [
                timed(folder / "maps", out, workers, settings)
                for out, workers in zip(outs, WORKERS, strict=True)
            ]
            for path in outs[0].glob("*.cinr"):
                assert path.read_bytes() == (outs[1] / path.name).read_bytes()
            (one_s, one_cpu), (two_s, two_cpu) = pairs
            rounds.append(
                {"one_s": one_s, "two_s": two_s, "ratio": one_s / two_s}
                | {"one_processor_s": one_cpu, "two_processor_s": two_cpu}
            )
    head = ["round", "1 worker, s", "2 workers, s", "ratio", "processor s of 1", "of 2"]
    cells = [
        [str(number), *(f"{value:.4g}" for value in one.values())]
        for number, one in enumerate(rounds, 1)
    ]
    best = max(one["ratio"] for one in rounds)
    lines = [
        f"# {given.maps} maps of {given.size}³ voxels, effort {given.effort}",
        "",
        f"Best ratio of {given.rounds}: {best:.3g}. Each worker computes in one thread.",
        "",
        *markdown_table(head, cells),
    ]
    data = {"maps": given.maps, "size": given.size, "effort": given.effort, "rounds": rounds}
    write_results(given.out_name, data | {"versions": versions()}, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
