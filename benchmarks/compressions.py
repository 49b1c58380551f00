#!/usr/bin/env python3
"""Tables of whole compressions: how near estimates are to the truth, and what the model paper does.

    python benchmarks/compressions.py MAPS_FOLDER OUT_NAME --cases estimates|paper-full|paper-small

`estimates`: every map above its automatic threshold at three errors, and whole at 45 dB, by the
default model; the estimate of the size is made first.
`paper-full`: the paper's network on one large map, and on two maps that share one archive.
`paper-small`: the small network above the automatic threshold on every map, with the goals
max_error (a tenth of the map's standard deviation) and lossless beside it.
Tables go to benchmarks/results/OUT_NAME.json and .md. gzip is Python's, level 9, of the file.
"""

from __future__ import annotations

import gzip
import platform
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness import parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import geometric_mean, markdown_table
from napari_cryoinr.codec.estimation import estimate_steps
from napari_cryoinr.support.devices import choose_device

Case = tuple[str, list[Path], dict[str, Any]]  # its name, maps of one archive, settings
FULL: list[tuple[str, list[str], float | str]] = [
    ("emd_0093_MAP_m4A at 0.7", ["emd_0093_MAP_m4A.mrc.gz"], 0.7),
    (
        "GroEL and β-galactosidase in one archive, auto",
        ["emd_1080_groel_11.5A.mrc", "bgal_relion_class3d_100.mrc"],
        "auto",
    ),
]
ESTIMATES = {
    "case": "{}",
    "map": "{}",
    "estimate": "{:,}",
    "bytes": "{:,}",
    "estimate_ratio": "{:.3f}",
    "estimate_s": "{:.1f}",
    "encode_s": "{:.1f}",
}
PAPER = {
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


def cases_of(kind: str, folder: Path) -> Iterator[Case]:
    if kind == "paper-full":
        for name, files, threshold in FULL:
            yield name, [folder / file for file in files], {"threshold": threshold}
        return
    for path in sorted(folder.iterdir()):
        if kind == "estimates":
            for error in (0.1, 0.05, 0.02):
                yield f"target_nrmse {error:g}", [path], {"target_nrmse": error}
            yield "target_psnr 45", [path], {"threshold": "none", "target_psnr": 45.0}
        else:
            small = {"paper": cryoinr.PaperSettings(width="small")}
            bound = 0.1 * float(cryoinr.read_map(path).data.std())
            yield "no goal", [path], small
            yield "max_error", [path], small | {"max_error": bound}
            yield "lossless", [path], small | {"lossless": True}


def measure(
    case: str, paths: list[Path], settings: cryoinr.Settings, estimated: bool
) -> list[dict[str, Any]]:
    """One row for each map of one archive."""
    maps = [cryoinr.read_map(path) for path in paths]
    last: dict[str, cryoinr.Progress] = {}
    times = [time.perf_counter()]
    estimate = cryoinr.drain(estimate_steps(maps[0], settings)).bytes if estimated else None
    times.append(time.perf_counter())
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "out.cinr"
        reports = cryoinr.drain(
            cryoinr.compress_steps(maps, archive, settings),
            lambda record: last.update({record.phase: record}),
        )
        times.append(time.perf_counter())
        for number in range(len(maps)):
            cryoinr.decompress(archive, Path(folder) / f"back{number}.mrc", member=str(number))
        times.append(time.perf_counter())
    contents = [path.read_bytes() for path in paths]
    plain = [gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for data in contents]
    zipped = sum(len(gzip.compress(data, 9)) for data in plain)
    seconds = [after - before for before, after in pairwise(times)]
    return [
        report.stored().with_size(report.bytes, report.raw_bytes).to_dict()
        | {
            "case": case,
            "map": path.name,
            "occupied": report.above_contour / report.voxels,
            "gzip_ratio": report.raw_bytes / zipped,
            "steps": last["training"].step if "training" in last else None,
            "estimate": estimate,
            "estimate_ratio": estimate and estimate / report.bytes,
            **dict(zip(("estimate_s", "encode_s", "decode_s"), seconds, strict=True)),
        }
        for path, report in zip(paths, reports, strict=True)
    ]


def estimates_summary(rows: list[dict[str, Any]]) -> str:
    ratios = [row["estimate_ratio"] for row in rows]
    within = sum(0.75 <= ratio <= 1.25 for ratio in ratios)
    return (
        f"Estimates of the file size over the truth: geometric mean {geometric_mean(ratios):.3f},"
        f" from {min(ratios):.3f} to {max(ratios):.3f}; {within} of {len(ratios)} within 25 %."
    )


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument(
        "--cases", choices=("estimates", "paper-full", "paper-small"), required=True
    )
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    estimated, device = args.cases == "estimates", choose_device(args.device)
    columns, model = (ESTIMATES, "auto") if estimated else (PAPER, "paper")
    rows: list[dict[str, Any]] = []
    for case, paths, given in cases_of(args.cases, args.maps):
        settings = cryoinr.Settings(model=model, device=device, **given)
        rows += measure(case, paths, settings, estimated)
        print("  ".join(form.format(rows[-1][name]) for name, form in columns.items()), flush=True)
    lines = [f"# {args.cases}, on {device} ({platform.machine()})", ""]
    lines += [estimates_summary(rows), ""] if estimated else []
    cells = [[form.format(row[name]) for name, form in columns.items()] for row in rows]
    lines += markdown_table([name.replace("_", " ") for name in columns], cells)
    write_results(args.out, rows, lines)


if __name__ == "__main__":
    main()
