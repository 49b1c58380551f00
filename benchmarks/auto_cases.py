#!/usr/bin/env python3
"""What `--model auto` writes where the device is quick: the smaller of two tables' archives.

    python benchmarks/auto_cases.py OUT_NAME TABLE TABLE

`auto` encodes a map by `inr` and by `field` and keeps the smaller file. Two tables that
rate_distortion.py made of the same cases, one by each model, hold what it would write; this takes
the row with fewer bytes for each case. A case that one table lacks is the other's.

    python benchmarks/auto_cases.py 0.3-auto 0.3-inr 0.3-cases

Reads benchmarks/results/TABLE-fsc.json, -contour.json and -whole.json, and writes OUT_NAME-fsc.*,
-contour.* and -whole.* beside them.
"""

from __future__ import annotations

import json

from harness import RESULTS, parser_for, write_results

from napari_cryoinr.bench import Row, table
from napari_cryoinr.bench.cases import LOSSY


def rows_of(name: str, regime: str) -> dict[tuple[str, str, float], Row]:
    """Return the rows of a table by map, what is measured, and goal."""
    rows = json.loads((RESULTS / f"{name}-{regime}.json").read_text())["rows"]
    made = [Row.from_dict(row) for row in rows]
    return {(row.map, row.case.measured, row.case.asked): row for row in made}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("tables", nargs=2, metavar="TABLE")
    args = parser.parse_args()
    for regime in LOSSY:
        first, second = (rows_of(name, regime) for name in args.tables)
        chosen, wins = [], 0
        for key in sorted(first.keys() | second.keys()):
            both = [rows[key] for rows in (first, second) if key in rows]
            chosen.append(min(both, key=lambda row: row.ours.bytes))
            wins += chosen[-1] is first.get(key)
        title = f"{args.out}, {regime}: the smaller file of {' and '.join(args.tables)}"
        lines = table.markdown(chosen, title).splitlines()
        lines += ["", f"{wins} of {len(chosen)} rows are those of {args.tables[0]}."]
        write_results(f"{args.out}-{regime}", table.to_json(chosen), lines)
        print(regime, *table.mean_lines(chosen), sep="\n")


if __name__ == "__main__":
    main()
