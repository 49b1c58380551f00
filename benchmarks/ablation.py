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

import json
from pathlib import Path
from typing import Any

import torch
from ablation_editions import Editions
from ablation_parts import PARTS, REGIMES, Part, Subject
from harness import beginning, edition_without, parser_for, stored_rows, write_results
from make import Effort

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import Case
from napari_cryoinr.bench.table import geometric_mean, markdown_table, versions
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
    whole = edition_without(path, folder, 1)
    return Editions(whole, path.parent, [beginning(path.name)], cache, _EFFORT)


def measure(subject: Subject, part: Part) -> Row:
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


def mean_of(rows: list[Row], part: Part, regime: str) -> float | None:
    """Geometric mean over the cases of a regime where the goal could be met without the part."""
    measured = [row["parts"].get(part.key, {}) for row in rows if row["regime"] == regime]
    ratios = [one["ratio"] for one in measured if "ratio" in one]
    return geometric_mean(ratios) if ratios else None


def _cell(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3f}"


def _case_cells(row: Row, parts: list[Part]) -> list[str]:
    level = "-" if row["threshold"] is None else f"{row['threshold']:g}"
    ratios = [_cell(row["parts"].get(part.key, {}).get("ratio")) for part in parts]
    return [row["map"], level, f"{row['target']:g}", f"{row['bytes']:,}", *ratios]


def page(rows: list[Row], title: str) -> list[str]:
    """A table of means, and one of all cases for each regime."""
    means = [
        [part.part, part.instead, *(_cell(mean_of(rows, part, regime)) for regime in REGIMES)]
        for part in PARTS
    ]
    lines = [
        f"# {title}",
        "",
        _ABOUT,
        "",
        *markdown_table(["part", "in its place", *REGIMES], means),
    ]
    for regime in REGIMES:
        parts = [part for part in PARTS if regime in part.regimes]
        cells = [_case_cells(row, parts) for row in rows if row["regime"] == regime]
        titles = ["map", "threshold", "target", "bytes", *(part.key for part in parts)]
        lines += [f"## {regime}: every case", "", *markdown_table(titles, cells)]
    return lines


def to_json(rows: list[Row], effort: str, leave_one_out: bool) -> Row:
    """Everything, and the versions that it was measured with, as plain data."""
    keys = [part.key for part in PARTS]
    return {
        "versions": versions(),
        "effort": effort,
        "leave_one_out": leave_one_out,
        "parts": {part.key: {"part": part.part, "in_its_place": part.instead} for part in PARTS},
        "geometric_means": {
            part.key: {regime: mean_of(rows, part, regime) for regime in part.regimes}
            for part in PARTS
        },
        "rows": [
            {**row, "parts": {key: row["parts"][key] for key in keys if key in row["parts"]}}
            for row in rows
        ],
    }


def row_of(case: Row, rows: list[Row]) -> Row:
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
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="for editions without a part")
    parser.add_argument("--edition-folder", type=Path, help="editions that never saw each map")
    parser.add_argument("--effort", default="balanced")
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)  # sizes do not depend on it, but editions do
    args.cache.mkdir(parents=True, exist_ok=True)
    rows = stored_rows(args.out, args.resume)
    own = "editions that never saw the map" if args.edition_folder else "the package's edition"
    title = f"What each part is worth: effort {args.effort}, {own}"
    for case in json.loads(args.cases.read_text()):
        row = row_of(case, rows)
        path = args.cases.resolve().parent / case["map"]
        asked = Case(row["regime"], row["threshold"], row["target"])
        editions = editions_for(path, args.edition_folder, args.cache)
        subject = Subject(cryoinr.read_map(path), asked, editions, args.effort)
        for part in PARTS:
            if part.key not in row["parts"] and row["regime"] in part.regimes:
                row["bytes"] = subject.whole.bytes
                row["parts"][part.key] = measured = measure(subject, part)
                ratio = _cell(measured.get("ratio"))
                print(f"{row['map']:32.32} {row['regime']:8} {part.key:20} {ratio}", flush=True)
        data = to_json(rows, args.effort, args.edition_folder is not None)
        write_results(args.out, data, page(rows, title))


if __name__ == "__main__":
    main()
