"""Rates of maps that the pretrained parts never saw: one edition for each of them, without it.

    python benchmarks/leave_one_out.py OUT --cases cases.json --tool measure.py --cache FOLDER

The cases name maps by paths relative to their file; the folders of these maps are what the
editions are made from (see `pretraining/`). A map is left out together with all whose names begin
alike (`emd_1234_...`, or the first word), for they may be crops of the same data. Editions are
kept in the cache, and made anew where one is missing.

The tool measures one list of cases: it gets `--cases`, `--json` and `--cli`, the command line of
this project with the edition in place of the package's own. Tables go to
benchmarks/results/OUT.json and .md.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))

RESULTS = Path(__file__).parent / "results"
_ABOUT = """# Leave-one-out: our bytes and those of the best of SPERR, SZ3 and ZFP

Whole files at the same error (contour: NRMSE above it; whole: PSNR in dB), each map with pretrained
parts that were made without it.
"""
_HEAD = (
    "| map | regime | contour level | error | bytes | x : 1 | best peer | its bytes | ours / its"
    " | encode s | decode s |"
)
_BEGINNING = re.compile(r"emd_\d+|[^\W_]+")


def beginning(name: str) -> str:
    """What the names of all crops of the same data begin with."""
    found = _BEGINNING.match(name)
    return found[0] if found else name


def edition_without(left_out: str, folder: Path, cache: Path, workers: int) -> Path:
    """The edition that was made without some maps of a folder."""
    from make import report
    from making import Effort, make_edition
    from sources import all_maps

    path = cache / f"without_{left_out}.npz"
    if not path.exists():
        part = cache / f"without_{left_out}.part.npz"  # a broken run leaves no edition
        make_edition(all_maps(folder, [left_out]), part, Effort(tries=1), workers, report)
        part.rename(path)
    return path


def measure(cases: list[dict[str, Any]], edition: Path, tool: Path, extra: str) -> list[Any]:
    """What the tool says of some cases with an edition; the maps' paths are absolute."""
    with tempfile.TemporaryDirectory() as name:
        listed, found = Path(name) / "cases.json", Path(name) / "found.json"
        listed.write_text(json.dumps(cases))
        cli = shlex.join([sys.executable, str(Path(__file__).resolve()), "run", str(edition)])
        command = [sys.executable, str(tool), "--cases", str(listed), "--json", str(found)]
        command += ["--cli", cli, f"--extra={extra}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(found.read_text())


def _run(edition: Path, arguments: list[str]) -> None:
    """The command line of this project with an edition in place of the package's own."""
    from editions import use_edition

    from napari_cryoinr.cli import main as command_line

    use_edition(edition)
    sys.argv = ["cryoinr", *arguments]
    command_line()


def _print_row(row: dict[str, Any]) -> None:
    level = "" if row["threshold"] is None else f"{row['threshold']:g}"
    missed = "" if row["on_target"] else "  MISSED"
    print(
        f"{row['map']:36} {row['regime']:8} {level:>7} {row['bytes']:9d}"
        f" {row['best_peer']:13} {row['best_peer_bytes']:9d} {row['ratio_to_best_peer']:6.3f}"
        f" {row['encode_s']:6.1f} {row['decode_s']:6.1f}{missed}",
        flush=True,
    )


def means(rows: list[dict[str, Any]]) -> dict[str, tuple[float, int]]:
    """By regime, the geometric mean of our bytes over the best peer's, and over how many cases."""
    found = {}
    for regime in ("contour", "whole"):
        logs = [math.log(row["ratio_to_best_peer"]) for row in rows if row["regime"] == regime]
        if logs:
            found[regime] = math.exp(sum(logs) / len(logs)), len(logs)
    return found


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [_ABOUT, _HEAD, "|---" * _HEAD.count(" |") + "|"]
    for row in rows:
        level = "" if row["threshold"] is None else f"{row['threshold']:g}"
        missed = "" if row["on_target"] else " (missed)"
        lines.append(
            f"| {row['map']} | {row['regime']} | {level} | {row['target']:g}{missed}"
            f" | {row['bytes']:,} | {row['compression_ratio']:.0f} | {row['best_peer']}"
            f" | {row['best_peer_bytes']:,} | {row['ratio_to_best_peer']:.3f}"
            f" | {row['encode_s']:.1f} | {row['decode_s']:.1f} |"
        )
    lines += [
        f"\n{regime}: geometric mean {mean:.3f} over {count} cases"
        for regime, (mean, count) in means(rows).items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    if len(sys.argv) > 3 and sys.argv[1] == "run":
        _run(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="name of the tables")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--tool", type=Path, required=True, help="the script that measures")
    parser.add_argument("--cache", type=Path, required=True, help="where editions are kept")
    parser.add_argument("--edition", type=Path, help="use this one for all maps instead")
    parser.add_argument("--extra", default="", help="more options for `compress`")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    cases = json.loads(asked.cases.read_text())
    base = asked.cases.resolve().parent
    rows = []
    for case in cases:
        source = base / case["map"]
        edition = asked.edition or edition_without(
            beginning(source.name), source.parent, asked.cache, asked.workers
        )
        measured = measure([{**case, "map": str(source)}], edition, asked.tool, asked.extra)
        rows.append({**measured[0], "map": source.name, "threshold": case.get("threshold")})
        _print_row(rows[-1])
    for regime, (mean, count) in means(rows).items():
        print(f"{regime}: geometric mean of the ratio {mean:.4f} over {count} cases")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{asked.out}.json").write_text(json.dumps(rows, indent=1) + "\n")
    (RESULTS / f"{asked.out}.md").write_text(markdown(rows))


if __name__ == "__main__":
    main()
