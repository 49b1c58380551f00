#!/usr/bin/env python3
"""Encoding with `--effort fast`: seconds, against SPERR and `balanced`; and whole maps together.

    python benchmarks/fast_encode.py OUT_NAME MAP --threshold 0.15 --resolution 3.4 --whole FILE ...
        [--rounds 3]

All in one run, on a machine that does nothing else.

- MAP is encoded in its soft mask to an FSC of 0.99 with `fast`, `--rounds` times, and once with
  `balanced`; SPERR is tuned to the error that `fast` reached, for each input that peers are given,
  and the smallest is timed as often. The fastest of the rounds counts.
- Each of the whole maps is encoded to a PSNR of 45 dB, `--rounds` times: raw bytes (float32) of all
  of them over the sum of the fastest seconds.

Encoding is in processes of their own, without start-up, libraries and reading the map. Tables go to
benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import Case, MapBench, chosen_peers
from napari_cryoinr.bench.encoding import Job, encode_steps
from napari_cryoinr.bench.table import markdown_table, versions
from napari_cryoinr.support.atomic_files import temporary_folder

FSC, PSNR = 0.99, 45.0


def encoded(path: Path, settings: cryoinr.Settings, rounds: int) -> tuple[int, float]:
    """Return the bytes of a map and the seconds of encoding it, the fastest of several."""
    times = []
    for _ in range(rounds):
        with temporary_folder() as folder:
            job = Job(str(path), str(folder / "map.cinr"), settings)
            outcome = cryoinr.drain(encode_steps(job))
        times.append(outcome.seconds)
    return outcome.bytes, min(times)


def against_others(path: Path, case: Case, rounds: int) -> dict[str, Any]:
    """Return sizes and seconds of one map: with `fast`, with `balanced`, by SPERR."""
    fast = cryoinr.Settings(model="field", effort="fast", device="cpu")
    bench = MapBench(path, cryoinr.read_map(path), chosen_peers(["sperr"]), fast)
    rows = [cryoinr.drain(bench.row_steps(case)) for _ in range(rounds)]
    ours, peer = (min(one, key=lambda e: e.encode_s) for one in zip(*map(_pair, rows), strict=True))
    balanced = encoded(path, case.settings(replace(fast, effort="balanced")), 1)
    return {
        "map": path.name,
        "bytes": {"fast": ours.bytes, "balanced": balanced[0], peer.codec: peer.bytes},
        "seconds": {"fast": ours.encode_s, "balanced": balanced[1], peer.codec: peer.encode_s},
        "times_sperr": ours.encode_s / peer.encode_s,
        "bytes_of_balanced": ours.bytes / balanced[0],
    }


def _pair(row: Any) -> tuple[Any, Any]:
    return row.ours, row.peers[0]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("map", type=Path)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--resolution", type=float, required=True)
    parser.add_argument("--whole", type=Path, nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    case = Case("fsc", args.threshold, FSC, args.resolution)
    one = against_others(args.map, case, args.rounds)
    print(one, flush=True)
    settings = cryoinr.Settings(model="field", effort="fast", device="cpu")
    settings = Case("whole", None, PSNR).settings(settings)
    whole = []
    for path in args.whole:
        size, seconds = encoded(path, settings, args.rounds)
        raw = cryoinr.read_map(path).raw_bytes
        whole.append({"map": path.name, "raw_bytes": raw, "bytes": size, "seconds": seconds})
        print(whole[-1], flush=True)
    cells = [[name, f"{n:,}", f"{one['seconds'][name]:.2f}"] for name, n in one["bytes"].items()]
    lines = [f"# {args.map.name} at an FSC of {FSC}", ""]
    lines += markdown_table(["codec", "bytes", "encode s"], cells)
    shares = f"{one['times_sperr']:.1f} times SPERR's seconds, {one['bytes_of_balanced']:.3f} of"
    lines += [f"With `fast`: {shares} the bytes of `balanced`.", ""]
    if whole:
        raw, seconds = (sum(row[name] for row in whole) for name in ("raw_bytes", "seconds"))
        lines += [f"# Whole maps at {PSNR:g} dB: {raw / seconds / 1e6:.2f} MB/s together", ""]
        cells = []
        for row in whole:
            speed = f"{row['raw_bytes'] / row['seconds'] / 1e6:.2f}"
            cells.append([row["map"], f"{row['bytes']:,}", f"{row['seconds']:.2f}", speed])
        lines += markdown_table(["map", "bytes", "encode s", "MB/s"], cells)
    write_results(args.out, {"versions": versions(), "one": one, "whole": whole}, lines)


if __name__ == "__main__":
    main()
