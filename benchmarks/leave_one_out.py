#!/usr/bin/env python3
"""Rates of maps that the pretrained parts never saw: one edition for each of them, without it.

    python benchmarks/leave_one_out.py OUT --cases cases.json --tool measure.py --cache FOLDER

The cases name maps by paths relative to their file. A map is left out of its edition together with
all whose names begin alike; see `harness.edition_without`. Editions are kept in the cache.

The tool, which is not of this project, measures one list of cases: it gets `--cases`, `--json` and
`--cli`, the command line of this project with the edition in place of the package's own. Tables go
to benchmarks/results/OUT.json and .md.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import command_with_edition, edition_without, parser_for, write_results

from napari_cryoinr.bench.table import geometric_mean, markdown_table

_ABOUT = """# Leave-one-out: our bytes and those of the best of SPERR, SZ3 and ZFP

Whole files at the same error (contour: NRMSE above it; whole: PSNR in dB), each map with pretrained
parts that were made without it.
"""
_TITLES = (
    *("map", "regime", "contour level", "error", "bytes", "x : 1", "best peer", "its bytes"),
    *("ours / its", "encode s", "decode s"),
)


def measure(case: dict[str, Any], edition: Path, tool: Path, extra: str) -> dict[str, Any]:
    """What the tool measures of a case with an edition; the map's path is absolute."""
    with tempfile.TemporaryDirectory() as name:
        cases, out = Path(name) / "cases.json", Path(name) / "rows.json"
        cases.write_text(json.dumps([case]))
        command = [sys.executable, str(tool), "--cases", str(cases), "--json", str(out)]
        command += ["--cli", shlex.join(command_with_edition(edition, "napari_cryoinr"))]
        subprocess.run([*command, f"--extra={extra}"], check=True, stdout=subprocess.DEVNULL)
        (row,) = json.loads(out.read_text())
    return row


def cells(row: dict[str, Any]) -> list[str]:
    level = "" if row["threshold"] is None else f"{row['threshold']:g}"
    error = f"{row['target']:g}" + ("" if row["on_target"] else " (missed)")
    size = [f"{row['bytes']:,}", f"{row['compression_ratio']:.0f}"]
    peer = [row["best_peer"], f"{row['best_peer_bytes']:,}", f"{row['ratio_to_best_peer']:.3f}"]
    times = [f"{row['encode_s']:.1f}", f"{row['decode_s']:.1f}"]
    return [row["map"], row["regime"], level, error, *size, *peer, *times]


def mean_lines(rows: list[dict[str, Any]]) -> list[str]:
    """By regime, the geometric mean of our bytes over the best peer's."""
    lines = []
    for regime in ("contour", "whole"):
        ratios = [row["ratio_to_best_peer"] for row in rows if row["regime"] == regime]
        if ratios:
            mean = geometric_mean(ratios)
            lines += [f"{regime}: geometric mean {mean:.3f} over {len(ratios)} cases", ""]
    return lines


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out", help="name of the tables")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--tool", type=Path, required=True, help="the script that measures")
    parser.add_argument("--cache", type=Path, required=True, help="where editions are kept")
    parser.add_argument("--edition", type=Path, help="use this one for all maps instead")
    parser.add_argument("--extra", default="", help="more options for `compress`")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    rows = []
    for case in json.loads(args.cases.read_text()):
        source = args.cases.resolve().parent / case["map"]
        edition = args.edition or edition_without(source, args.cache, args.workers)
        row = measure({**case, "map": str(source)}, edition, args.tool, args.extra)
        rows.append({**row, "map": source.name, "threshold": case.get("threshold")})
        print("  ".join(cells(rows[-1])), flush=True)
    lines = [_ABOUT, *markdown_table(_TITLES, [cells(row) for row in rows]), *mean_lines(rows)]
    write_results(args.out, rows, lines)


if __name__ == "__main__":
    main()
