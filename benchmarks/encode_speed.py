#!/usr/bin/env python3
r"""Time of encoding maps with several commands, such as two versions of the package, in one run.

    python benchmarks/encode_speed.py OUT_NAME --maps FILE ... --command NAME=COMMAND ...
        [--rounds 3]

The NAME goes to the table. The COMMAND is split as a shell does, and called with a map and a
`.cinr` file at its end:

    --command 'new=cryoinr compress' \
        '0.2=env PYTHONPATH=old/src python -m napari_cryoinr compress --effort balanced'

The commands take turns, map by map and round by round, so that what else the machine does meets
all of them alike. The fastest of the rounds counts: seconds on the clock, of the whole process
with its start, and seconds of processors, with those of its children. Ratios are the first
command's seconds over those of the other; the last line has their geometric means. A map that a
command refuses is left out.

Tables go to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import resource
import shlex
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from harness import parser_for, write_results

from napari_cryoinr.bench.table import markdown_table, versions

KINDS = ("clock", "processors")


def seconds_of(command: list[str]) -> tuple[float, float]:
    """Return the seconds of a command on the clock, and those of processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, text=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(path: Path, commands: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return bytes and seconds of each command for one map."""
    took: list[list[tuple[float, float]]] = [[] for _ in commands]
    sizes = [0] * len(commands)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for index, command in enumerate(commands):
                out = Path(folder) / f"{number}-{index}.cinr"
                took[index].append(seconds_of([*shlex.split(command), str(path), str(out)]))
                sizes[index] = out.stat().st_size
    least = [[min(kind) for kind in zip(*one, strict=True)] for one in took]
    clock, processors = map(list, zip(*least, strict=True))
    return {"map": path.name, "bytes": sizes, "clock": clock, "processors": processors}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("--maps", type=Path, nargs="+", required=True)
    parser.add_argument("--command", nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows, cells = [], []
    names, _, commands = zip(*(one.partition("=") for one in args.command), strict=True)
    ratios = [f"{kind}, {names[0]} / {name}" for kind in KINDS for name in names[1:]]
    titles = ["map", *(f"{kind}, {name}" for kind in ("bytes", *KINDS) for name in names)]
    for path in args.maps:
        try:
            row = measure(path, commands, args.rounds)
        except subprocess.CalledProcessError as error:
            print(f"{path.name}: {shlex.join(error.cmd)}: {error.stderr.strip()}", flush=True)
            continue
        row["ratios"] = [row[kind][0] / other for kind in KINDS for other in row[kind][1:]]
        print(row, flush=True)
        rows.append(row)
        seconds = [f"{value:.2f}" for kind in KINDS for value in row[kind]]
        shares = [f"{ratio:.3f}" for ratio in row["ratios"]]
        cells.append([path.name, *(f"{size:,}" for size in row["bytes"]), *seconds, *shares])
        means = [geometric_mean(one) for one in zip(*(row["ratios"] for row in rows), strict=True)]
        last = ["geometric mean", *[""] * (len(titles) - 1), *(f"{mean:.3f}" for mean in means)]
        lines = [f"# {args.out}: seconds of encoding, fastest of {args.rounds}", ""]
        lines += markdown_table([*titles, *ratios], [*cells, last])
        data = {"versions": versions(), "commands": names, "rows": rows, "means": means}
        write_results(args.out, data, lines)


if __name__ == "__main__":
    main()
