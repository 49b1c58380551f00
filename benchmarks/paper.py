#!/usr/bin/env python3
"""The model `paper` on real maps: ratio, the paper's own figures, time. Honest where it is poor.

    python benchmarks/paper.py MAPS_FOLDER OUT_NAME --cases full|small [--device auto]

`full`: the paper's network on one large map, and on two maps that share one archive.
`small`: the small network above the automatic threshold on every map of the folder, with the goals
max_error (a tenth of the map's standard deviation) and lossless beside it.
Tables go to benchmarks/results/OUT_NAME.json and .md. gzip is Python's, level 9, of the file.
"""

from __future__ import annotations

import gzip
import json
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.support.devices import choose_device

Case = tuple[str, list[Path], cryoinr.Settings]
FULL = [
    ("emd_0093_MAP_m4A at 0.7", ["emd_0093_MAP_m4A.mrc.gz"], 0.7),
    (
        "GroEL and β-galactosidase in one archive, auto",
        ["emd_1080_groel_11.5A.mrc", "bgal_relion_class3d_100.mrc"],
        "auto",
    ),
]
COLUMNS = {
    "case": "{}",
    "map": "{}",
    "contour": "{:.4g}",
    "occupied": "{:.2%}",
    "bytes": "{:,}",
    "ratio": "{:.2f}",
    "gzip_ratio": "{:.2f}",
    "within_20_percent": "{:.2%}",
    "mean_relative_error": "{:.1%}",
    "nrmse": "{:.4f}",
    "max_error": "{:.4g}",
    "steps": "{}",
    "encode_s": "{:.1f}",
    "decode_s": "{:.1f}",
}


def full_cases(folder: Path, settings: cryoinr.Settings) -> Iterator[Case]:
    for name, files, threshold in FULL:
        yield name, [folder / file for file in files], replace(settings, threshold=threshold)


def small_cases(folder: Path, settings: cryoinr.Settings) -> Iterator[Case]:
    settings = replace(settings, paper=cryoinr.PaperSettings(width="small"))
    for path in sorted(folder.iterdir()):
        bound = 0.1 * float(cryoinr.read_map(path).data.std())
        yield "no goal", [path], settings
        yield "max_error", [path], replace(settings, max_error=bound)
        yield "lossless", [path], replace(settings, lossless=True)


def measure(name: str, paths: list[Path], settings: cryoinr.Settings) -> list[dict[str, Any]]:
    """One row for each map of one archive."""
    maps = [cryoinr.read_map(path) for path in paths]
    phases: dict[str, cryoinr.Progress] = {}
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "out.cinr"
        times = [time.perf_counter()]
        reports = cryoinr.drain(
            cryoinr.compress_steps(maps, archive, settings),
            lambda record: phases.update({record.phase: record}),
        )
        times.append(time.perf_counter())
        for number in range(len(maps)):
            cryoinr.decompress(archive, Path(folder) / f"back{number}.mrc", member=str(number))
        times.append(time.perf_counter())
    contents = [path.read_bytes() for path in paths]
    plain = [gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for data in contents]
    zipped = sum(len(gzip.compress(data, 9)) for data in plain)
    return [
        {name: value for name, value in report.to_dict().items() if name in COLUMNS}
        | {
            "case": name,
            "map": density_map.name,
            "occupied": report.above_contour / report.voxels,
            "gzip_ratio": report.raw_bytes / zipped,
            "psnr": report.psnr,
            "steps": phases["training"].step,
            "encode_s": times[1] - times[0],
            "decode_s": times[2] - times[1],
        }
        for density_map, report in zip(maps, reports, strict=True)
    ]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument("--cases", choices=("full", "small"), required=True)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = choose_device(args.device)
    settings = cryoinr.Settings(model="paper", device=device)
    rows = []
    for case in (full_cases if args.cases == "full" else small_cases)(args.maps, settings):
        rows += measure(*case)
        print(json.dumps(rows[-1]), flush=True)
    title = f"# Model paper, {args.cases} network, on {device} ({platform.machine()})"
    cells = [[form.format(row[name]) for name, form in COLUMNS.items()] for row in rows]
    titles = [name.replace("_", " ") for name in COLUMNS]
    write_results(args.out, rows, [title, "", *markdown_table(titles, cells)])


if __name__ == "__main__":
    main()
