#!/usr/bin/env python3
"""Time and memory: against the peers, of the start, by size of the map, by stage.

    python benchmarks/speed.py OUT_NAME [--maps FILE ...] [--sizes 64 128 256] [--effort fast]

All in one run, so that the ratios compare like with like; the absolute figures belong to the
machine.

- Throughput: raw bytes (float32) per second of encoding and decoding, ours and each peer's at the
  error that we reached. Encoding in a process of its own, without start-up; decoding in this
  process, the fastest of three times, ours with opening the file. Above the automatic contour and,
  for the maps that are named, whole; and for all maps together, all bytes over all seconds.
- Start: wall-clock time of `cryoinr decompress` of a 100^3 map, the fastest of five, and of an
  interpreter that only imports numpy.
- Growth: encoding synthetic maps whose threshold leaves 5 % of the voxels; the exponent is the
  slope of log(seconds) against log(occupied voxels).
- Memory: peak of the process that encodes each of them less the peak of one that only imports
  torch, over the raw bytes. The map itself, which is memory-mapped, is among it.
- Stages: seconds by phase of the progress records of the same runs.

Tables go to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import Case, cases_for, chosen_peers, row_steps
from napari_cryoinr.bench.processes import Job, encode_steps
from napari_cryoinr.support.devices import choose_device

OCCUPANCY = 0.05
NRMSE = 0.06
PSNR = 45.0
STARTS = 5
START_SIZE = 100
BARE = "import torch; from napari_cryoinr.bench.memory import peak_resident; print(peak_resident())"


def synthetic(size: int, folder: Path) -> tuple[Path, cryoinr.DensityMap, float]:
    """A synthetic map in a file, and the threshold that leaves OCCUPANCY of its voxels."""
    path = folder / f"synthetic-{size}.mrc"
    if not path.exists():
        cryoinr.write_map(cryoinr.synthetic_map(size), path)
    density_map = cryoinr.read_map(path)
    return path, density_map, float(np.quantile(density_map.data, 1 - OCCUPANCY))


def throughput(path: Path, case: Case, settings: cryoinr.Settings) -> list[dict[str, Any]]:
    """Sizes and seconds of each codec for one map, ours first."""
    density_map = cryoinr.read_map(path)
    row = cryoinr.drain(row_steps(path, density_map, case, chosen_peers(), settings))
    return [
        {
            "map": row.map,
            "regime": case.regime,
            "codec": encoding.codec,
            "raw_bytes": row.raw_bytes,
            "bytes": encoding.bytes,
            "encode_s": encoding.encode_s,
            "decode_s": encoding.decode_s,
        }
        for encoding in (row.ours, *row.peers)
    ]


def together(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All maps of a regime as one, for each codec, whether it was given the map masked or not."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        codec = row["codec"].split()[0]
        start = {"map": "all", "regime": row["regime"], "codec": codec}
        total = sums.setdefault((row["regime"], codec), start)
        for key in ("raw_bytes", "bytes", "encode_s", "decode_s"):
            total[key] = total.get(key, 0) + row[key]
    return list(sums.values())


def throughput_cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Table cells: megabytes per second of each codec, and of ours over its."""
    cells = []
    for row in rows:
        if row["codec"].startswith("cinr"):
            ours = row
        line = [row["map"], row["regime"], row["codec"], f"{row['bytes']:,}"]
        line += [f"{row['raw_bytes'] / row[key] / 1e6:.4g}" for key in ("encode_s", "decode_s")]
        line += [f"{row[key] / ours[key]:.3g}" for key in ("encode_s", "decode_s")]
        cells.append(line)
    return cells


def fastest(command: list[str]) -> float:
    """Wall-clock seconds of a command, the fastest of several times."""
    times = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def start_up(folder: Path, settings: cryoinr.Settings) -> dict[str, float]:
    _, density_map, threshold = synthetic(START_SIZE, folder)
    archive, back = folder / "start.cinr", folder / "back.mrc"
    cryoinr.compress(density_map, archive, Case("contour", threshold, NRMSE).settings(settings))
    program = [sys.executable, "-m", "napari_cryoinr"]
    decompress = [*program, "decompress", "--quiet", str(archive), str(back)]
    return {
        "decompress_s": fastest(decompress),
        "version_s": fastest([*program, "--version"]),
        "import_numpy_s": fastest([sys.executable, "-c", "import numpy"]),
    }


def growth(sizes: list[int], folder: Path, settings: cryoinr.Settings) -> list[dict[str, Any]]:
    """Seconds, memory and stages of encoding a map of each size."""
    bare = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True)
    torch_bytes = int(bare.stdout)
    rows = []
    for size in sizes:
        path, density_map, threshold = synthetic(size, folder)
        case = Case("contour", threshold, NRMSE)
        job = Job(str(path), str(folder / f"{size}.cinr"), case.settings(settings))
        took = cryoinr.drain(encode_steps(job))
        raw = density_map.raw_bytes
        peak = took.peak_bytes
        rows.append(
            {
                "size": size,
                "occupied": int(np.count_nonzero(density_map.data > np.float32(threshold))),
                "bytes": took.bytes,
                "seconds": took.seconds,
                "peak_bytes": peak,
                "torch_bytes": torch_bytes,
                "times_raw": None if peak is None else (peak - torch_bytes) / raw,
                "stages": took.stages,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def exponent(rows: list[dict[str, Any]]) -> float | None:
    """Slope of log(seconds) against log(occupied voxels)."""
    if len(rows) < 2:
        return None
    logs = np.log([[row["occupied"], row["seconds"]] for row in rows])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def markdown_table(titles: list[str], rows: list[list[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""]


def markdown(data: dict[str, Any], title: str) -> str:
    start, rows = data["start"], data["growth"]
    lines = [f"# {title}", "", "## Throughput", ""]
    titles = ["map", "regime", "codec", "bytes", "encode MB/s", "decode MB/s"]
    titles += ["ours / it, enc", "ours / it, dec"]
    speeds = data["throughput"]
    lines += markdown_table(titles, throughput_cells(speeds + together(speeds)))
    times = (
        f"`cryoinr decompress` of {START_SIZE}^3 voxels {start['decompress_s']:.3f} s, `cryoinr"
        f" --version` {start['version_s']:.3f} s, `import numpy` {start['import_numpy_s']:.3f} s."
    )
    lines += ["## Start", "", times, "", "## Growth and memory", ""]
    lines += markdown_table(
        ["voxels", "occupied", "bytes", "encode s", "s per million occupied", "peak / raw bytes"],
        [
            [
                f"{r['size']}^3",
                f"{r['occupied']:,}",
                f"{r['bytes']:,}",
                f"{r['seconds']:.2f}",
                f"{1e6 * r['seconds'] / r['occupied']:.1f}",
                "-" if r["times_raw"] is None else f"{r['times_raw']:.2f}",
            ]
            for r in rows
        ],
    )
    if data["exponent"] is not None:
        lines += [f"Seconds grow as occupied voxels to the power {data['exponent']:.2f}.", ""]
    lines += ["## Seconds by stage", ""]
    phases = dict.fromkeys(phase for row in rows for phase in row["stages"])
    lines += markdown_table(
        ["stage", *(f"{r['size']}^3" for r in rows)],
        [[phase, *(f"{r['stages'].get(phase, 0):.2f}" for r in rows)] for phase in phases],
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--maps", type=Path, nargs="*", default=[], help="more, for throughput")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    warnings.simplefilter("ignore", cryoinr.MapWarning)
    device = choose_device(args.device)
    settings = cryoinr.Settings(effort=args.effort, device=device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = start_up(folder, settings)
        print(json.dumps(start), flush=True)
        path, _, threshold = synthetic(START_SIZE, folder)
        speeds = throughput(path, Case("contour", threshold, NRMSE), settings)
        for path in args.maps:
            for regime, error in (("contour", NRMSE), ("whole", PSNR)):
                (case,) = cases_for(cryoinr.read_map(path), regime=regime, errors=[error])
                speeds += throughput(path, case, settings)
        print(json.dumps(speeds), flush=True)
        rows = growth(args.sizes, folder, settings)
    data = {
        "effort": args.effort,
        "device": device,
        "machine": f"{platform.system()} {platform.machine()}",
        "throughput": speeds,
        "start": start,
        "growth": rows,
        "exponent": exponent(rows),
    }
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    title = f"Time and memory: effort {args.effort}, on {device} ({platform.machine()})"
    (results / f"{args.out}.json").write_text(json.dumps(data, indent=1) + "\n")
    (results / f"{args.out}.md").write_text(markdown(data, title))


if __name__ == "__main__":
    main()
