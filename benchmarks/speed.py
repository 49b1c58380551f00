#!/usr/bin/env python3
"""Time and memory: against the peers, of the start, by size of the map, by stage.

    python benchmarks/speed.py OUT_NAME [--maps FILE ...] [--sizes [64 128 256]] [--effort fast]
        [--model paper]

All in one run, so that the ratios compare like with like; the absolute figures belong to the
machine.

- Throughput: raw bytes (float32) per second of encoding and decoding, ours and each peer's at the
  error that we reached. Encoding in a process of its own, without start-up; decoding in this
  process, the fastest of three times, ours with opening the file. Above the automatic contour and,
  for the maps that are named, in Fourier shells inside the soft mask and whole; and for all maps
  together, all bytes over all seconds. Below the table: seconds of decoding over those of SPERR, of
  all cases together, and of the case above 60^3 voxels where that is worst.
- Start: wall-clock time of `cryoinr decompress` and `cryoinr info` of a 100^3 map, the fastest of
  five, and of an interpreter that only imports numpy.
- Growth: encoding synthetic maps whose threshold leaves 5 % of the voxels; the exponent is the
  slope of log(seconds) against log(occupied voxels).
- Memory: peak of the process that encodes each of them less the peak of one that only imports
  torch, over the raw bytes. It includes the map itself, which is memory-mapped.
- Stages: seconds by phase of the progress records of the same runs.

Tables go to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from harness import parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr import models
from napari_cryoinr.bench import Case, MapBench, cases_for, chosen_peers
from napari_cryoinr.bench.bench_rows import OURS
from napari_cryoinr.bench.encoding import Job, encode_steps
from napari_cryoinr.bench.table import markdown_table, versions
from napari_cryoinr.support.devices import choose_device

OCCUPANCY = 0.05
ERRORS = {"fsc": 0.99, "contour": 0.06, "whole": 45.0}
STARTS = 5
START_SIZE = 100
SMALL = 60**3
BARE = (
    "import torch; from napari_cryoinr.support.memory import peak_resident; print(peak_resident())"
)


def synthetic(size: int, folder: Path, model: str) -> tuple[Path, cryoinr.DensityMap, Case]:
    """Return a synthetic map, its file, and a case whose threshold leaves OCCUPANCY of it."""
    path = folder / f"synthetic-{size}.mrc"
    if not path.exists():
        cryoinr.write_map(cryoinr.synthetic_map(size), path)
    density_map = cryoinr.read_map(path)
    threshold = float(np.quantile(density_map.data, 1 - OCCUPANCY))
    asked = ERRORS["contour"] if "target_nrmse" in models.aims(model) else None
    return path, density_map, Case("contour", threshold, asked)


def throughput(path: Path, case: Case, settings: cryoinr.Settings) -> list[dict[str, Any]]:
    """Return sizes and seconds of each codec for one map, ours first."""
    bench = MapBench(path, cryoinr.read_map(path), chosen_peers(), settings)
    row = cryoinr.drain(bench.row_steps(case))
    return [
        {"map": row.map, "regime": case.regime, "codec": one.codec, "raw_bytes": row.raw_bytes}
        | {"bytes": one.bytes, "encode_s": one.encode_s, "decode_s": one.decode_s}
        for one in (row.ours, *row.peers)
    ]


def throughput_cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return table cells: megabytes per second of each codec, and our speed over its.

    Below the maps are their sums for each codec, whether it was given the map masked or not.
    """
    maps = pd.DataFrame(rows)
    sums = maps.assign(map="all", codec=maps["codec"].str.split().str[0])
    sums = sums.groupby(["map", "regime", "codec"], sort=False, as_index=False).sum()
    cells, times = [], ["encode_s", "decode_s"]
    for _, case in pd.concat([maps, sums]).groupby(["map", "regime"], sort=False):
        ours = case.iloc[0]
        for _, row in case.iterrows():
            speeds = [f"{row['raw_bytes'] / row[name] / 1e6:.4g}" for name in times]
            ratios = [f"{row[name] / ours[name]:.3g}" for name in times]
            names = [row["map"], row["regime"], row["codec"]]
            cells.append([*names, f"{row['bytes']:,}", *speeds, *ratios])
    return cells


def decoding_lines(rows: list[dict[str, Any]], peer: str = "sperr") -> list[str]:
    """Return what decoding takes against a peer, in all cases together and in the worst."""
    ours, theirs, ratios = 0.0, 0.0, {}
    for row in rows:
        if row["codec"].split()[0] == OURS:
            own = row
        elif row["codec"].split()[0] == peer:
            ours, theirs = ours + own["decode_s"], theirs + row["decode_s"]
            if row["raw_bytes"] > 4 * SMALL:
                ratios[own["decode_s"] / row["decode_s"]] = f"{row['map']}, {row['regime']}"
    if not ratios:
        return []
    worst = max(ratios)
    line = (
        f"Decoding takes {ours / theirs:.3f} times as long as {peer}, all cases together;"
        f" {worst:.3f} times in the worst case above 60^3 voxels ({ratios[worst]})."
    )
    return [line, ""]


def fastest(command: list[str]) -> float:
    """Return the wall-clock seconds of a command, the fastest of several."""
    run = lambda: subprocess.run(command, check=True, capture_output=True)  # noqa: E731
    return min(timeit.repeat(run, number=1, repeat=STARTS))


def start_up(folder: Path, settings: cryoinr.Settings) -> dict[str, float]:
    _, density_map, case = synthetic(START_SIZE, folder, settings.model)
    archive, back = folder / "start.cinr", folder / "back.mrc"
    cryoinr.compress(density_map, archive, case.settings(settings))
    program = [sys.executable, "-m", "napari_cryoinr"]
    decompress = ["decompress", "--quiet", "--overwrite", str(archive), str(back)]
    return {
        "decompress_s": fastest(program + decompress),
        "info_s": fastest([*program, "info", str(archive)]),
        "version_s": fastest([*program, "--version"]),
        "import_numpy_s": fastest([sys.executable, "-c", "import numpy"]),
    }


def growth(sizes: list[int], folder: Path, settings: cryoinr.Settings) -> list[dict[str, Any]]:
    """Return seconds, memory and stages of encoding a map of each size."""
    bare = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True)
    rows = []
    for size in sizes:
        path, density_map, case = synthetic(size, folder, settings.model)
        job = Job(str(path), str(folder / f"{size}.cinr"), case.settings(settings))
        took = cryoinr.drain(encode_steps(job))
        occupied = int(np.count_nonzero(density_map.data > np.float32(case.threshold)))
        row = {"size": size, "occupied": occupied, "bytes": took.bytes, "seconds": took.seconds}
        row |= {"times_raw": None, "stages": took.stages}
        if took.peak_bytes is not None:
            row["times_raw"] = (took.peak_bytes - int(bare.stdout)) / density_map.raw_bytes
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def page(data: dict[str, Any]) -> list[str]:
    start, rows, speeds = data["start"], data["growth"], data["throughput"]
    head = f"# Time and memory: model {data['model']}, effort {data['effort']}, on {data['device']}"
    titles = ["map", "regime", "codec", "bytes", "encode MB/s", "decode MB/s"]
    titles += ["ours / it, enc", "ours / it, dec"]
    lines = [head, "", "## Throughput", ""]
    lines += markdown_table(titles, throughput_cells(speeds)) + decoding_lines(speeds)
    times = (
        f"`cryoinr decompress` of {START_SIZE}^3 voxels {start['decompress_s']:.3f} s, `cryoinr"
        f" info` {start['info_s']:.3f} s, `cryoinr --version` {start['version_s']:.3f} s, `import"
        f" numpy` {start['import_numpy_s']:.3f} s."
    )
    lines += ["## Start", "", times, "", "## Growth and memory", ""]
    titles = ["voxels", "occupied", "bytes", "encode s", "s per million occupied"]
    cells = []
    for row in rows:
        memory = "-" if row["times_raw"] is None else f"{row['times_raw']:.2f}"
        per_million = f"{1e6 * row['seconds'] / row['occupied']:.1f}"
        counts = [f"{row['size']}^3", f"{row['occupied']:,}", f"{row['bytes']:,}"]
        cells.append([*counts, f"{row['seconds']:.2f}", per_million, memory])
    lines += markdown_table([*titles, "peak / raw bytes"], cells)
    if len(rows) > 1:
        logs = np.log([[row["occupied"], row["seconds"]] for row in rows])
        exponent = np.polyfit(logs[:, 0], logs[:, 1], 1)[0]
        lines += [f"Seconds grow as occupied voxels to the power {exponent:.2f}.", ""]
    phases = dict.fromkeys(phase for row in rows for phase in row["stages"])
    cells = [[phase, *(f"{row['stages'].get(phase, 0):.2f}" for row in rows)] for phase in phases]
    table = markdown_table(["stage", *(f"{row['size']}^3" for row in rows)], cells)
    return [*lines, "## Seconds by stage", "", *table]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("--maps", type=Path, nargs="*", default=[], help="more, for throughput")
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256])
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--model", default="field")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = choose_device(args.device)
    settings = cryoinr.Settings(effort=args.effort, model=args.model, device=device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = start_up(folder, settings)
        path, _, case = synthetic(START_SIZE, folder, args.model)
        speeds = throughput(path, case, settings)
        for path in args.maps:
            for regime, error in ERRORS.items():
                (case,) = cases_for(cryoinr.read_map(path), regime=regime, errors=[error])
                speeds += throughput(path, case, settings)
        rows = growth(args.sizes, folder, settings)
    data = {"effort": args.effort, "model": args.model, "device": device, "versions": versions()}
    data |= {"throughput": speeds, "start": start, "growth": rows}
    write_results(args.out, data, page(data))


if __name__ == "__main__":
    main()
