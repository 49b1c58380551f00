#!/usr/bin/env python3
"""What each part of the model `field` is worth: bytes without it over bytes with it.

    python benchmarks/ablation.py OUT_NAME --cases cases.json --cache FOLDER
        [--edition-folder FOLDER] [--effort best] [--resume]

A case is a map (a path relative to the file of the cases), a regime ("contour" or "whole"), a
threshold for the former, and a target (NRMSE, or PSNR in dB). Each part is taken out alone
(`ablation_parts.py` says how), and every archive is decoded and meets the same target.

With --edition-folder, every map is coded with the edition that was made without it, as
`leave_one_out.py` makes and keeps them there; otherwise with the package's own. Editions whose
network sees less are kept in the cache; they take five minutes, for each map that is left out. The
mask coder is the package's own in any case.

Tables go to benchmarks/results/OUT_NAME.json and .md, anew after each case. With --resume, parts
that the JSON file holds are not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from pathlib import Path
from typing import Any

import torch
from ablation_editions import Editions
from ablation_parts import PARTS, Part
from ablation_subject import Subject
from leave_one_out import beginning, edition_without
from making import Effort
from rate_distortion import RESULTS
from speed import markdown_table

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import Case, table
from napari_cryoinr.bench.error_measures import REGIMES
from napari_cryoinr.models.field import pretrained

_EFFORT = Effort(tries=1)  # as in the editions of `leave_one_out.py`
OWN = Path(pretrained.__file__).with_name(f"pretrained{pretrained.EDITIONS[-1]}.npz")

_ABOUT = """Bytes without a part over bytes with it, at the same goal, geometric means.

Searches end up to 1.5 % below the squared error that is allowed: means within 1 % of 1 say
nothing. Bases are chosen by short trials, whose outcome can change by chance: single cases vary by
some per cent where another basis was chosen. The mask coder is the package's own and saw masks of
public maps."""

Row = dict[str, Any]


def editions_for(path: Path, folder: Path | None, cache: Path) -> Editions:
    """The editions for a map of a folder of maps; `folder` holds those that never saw it."""
    if folder is None:
        return Editions(OWN, path.parent, [], cache, _EFFORT)
    left_out = beginning(path.name)
    whole = edition_without(left_out, path.parent, folder, 1)
    return Editions(whole, path.parent, [left_out], cache, _EFFORT)


def measure(subject: Subject, part: Part) -> dict[str, Any]:
    """Bytes with and without a part."""
    beside = part.beside(subject)
    try:
        without = part.without(subject)
    except cryoinr.GoalMissed as missed:
        return {"bytes_with": beside.bytes, "missed": str(missed)}
    return {
        "bytes_with": beside.bytes,
        "bytes_without": without.bytes,
        "error_with": beside.error,
        "error_without": without.error,
        "streams_with": {name: len(data) for name, data in beside.streams.items()},
        "streams_without": {name: len(data) for name, data in without.streams.items()},
        "ratio": without.bytes / beside.bytes,
    }


def ratios(rows: list[Row], part: Part, regime: str) -> list[float]:
    """Of the cases of a regime where the goal could be met without the part."""
    found = [row["parts"].get(part.key, {}) for row in rows if row["regime"] == regime]
    return [one["ratio"] for one in found if "ratio" in one]


def mean(numbers: list[float]) -> float | None:
    """The geometric mean."""
    return math.exp(sum(map(math.log, numbers)) / len(numbers)) if numbers else None


def _cell(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3f}"


def markdown(rows: list[Row], title: str) -> str:
    """A table of means, and one of all cases for each regime."""
    lines = [f"# {title}", "", _ABOUT, ""]
    lines += markdown_table(
        ["part", "in its place", *REGIMES[:2]],
        [
            [p.part, p.instead, *(_cell(mean(ratios(rows, p, regime))) for regime in REGIMES[:2])]
            for p in PARTS
        ],
    )
    for regime in REGIMES[:2]:
        own = [row for row in rows if row["regime"] == regime]
        parts = [part for part in PARTS if regime in part.regimes]
        lines += [f"## {regime}: every case", ""]
        lines += markdown_table(
            ["map", "threshold", "target", "bytes", *(part.key for part in parts)],
            [
                [
                    row["map"],
                    "-" if row["threshold"] is None else f"{row['threshold']:g}",
                    f"{row['target']:g}",
                    f"{row['bytes']:,}",
                    *(_cell(row["parts"].get(part.key, {}).get("ratio")) for part in parts),
                ]
                for row in own
            ],
        )
    return "\n".join(lines)


def to_json(rows: list[Row], effort: str, leave_one_out: bool) -> dict[str, Any]:
    """Everything, and the versions that it was measured with, as plain data."""
    return {
        "versions": table.to_json([])["versions"],
        "effort": effort,
        "leave_one_out": leave_one_out,
        "parts": {part.key: {"part": part.part, "in_its_place": part.instead} for part in PARTS},
        "geometric_means": {
            part.key: {regime: mean(ratios(rows, part, regime)) for regime in part.regimes}
            for part in PARTS
        },
        "rows": [{**row, "parts": _in_order(row["parts"])} for row in rows],
    }


def _in_order(parts: dict[str, Any]) -> dict[str, Any]:
    return {part.key: parts[part.key] for part in PARTS if part.key in parts}


def row_of(case: dict[str, Any], rows: list[Row]) -> Row:
    """The row of a case that an earlier run left, or a new one."""
    wanted = {
        "map": Path(case["map"]).name,
        "regime": case["regime"],
        "threshold": case.get("threshold"),
        "target": case["target"],
    }
    for row in rows:
        if all(row[name] == value for name, value in wanted.items()):
            return row
    rows.append({**wanted, "parts": {}})
    return rows[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="for editions without a part")
    parser.add_argument("--edition-folder", type=Path, help="editions that never saw each map")
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore", cryoinr.MapWarning)
    torch.set_num_threads(1)  # sizes do not depend on it, but editions do
    for folder in (RESULTS, args.cache, args.edition_folder):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    name = RESULTS / f"{args.out}.json"
    rows: list[Row] = json.loads(name.read_text())["rows"] if args.resume and name.exists() else []
    own = "editions that never saw the map" if args.edition_folder else "the package's edition"
    title = f"What each part is worth: effort {args.effort}, {own}"
    for case in json.loads(args.cases.read_text()):
        row = row_of(case, rows)
        path = args.cases.resolve().parent / case["map"]
        asked = Case(row["regime"], row["threshold"], row["target"])
        editions = editions_for(path, args.edition_folder, args.cache)
        subject = Subject(cryoinr.read_map(path), asked, editions, args.effort)
        for part in PARTS:
            if part.key in row["parts"] or row["regime"] not in part.regimes:
                continue
            row["bytes"] = subject.whole.bytes
            row["parts"][part.key] = found = measure(subject, part)
            ratio = _cell(found.get("ratio"))
            print(f"{row['map']:32.32} {row['regime']:8} {part.key:20} {ratio}", flush=True)
        data = to_json(rows, args.effort, args.edition_folder is not None)
        name.write_text(json.dumps(data, indent=1) + "\n")
        name.with_suffix(".md").write_text(markdown(rows, title))


if __name__ == "__main__":
    main()
