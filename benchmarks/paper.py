#!/usr/bin/env python3
"""The model `paper` on real maps: ratio, the paper's own figures, time. Honest where it is poor.

    python benchmarks/paper.py MAPS_FOLDER OUT_NAME --cases full|small [--device auto]

`full`: the source's network on one large map, and on two maps that share one archive.
`small`: `--width small --threshold auto` on every map of the folder, with the goals --max-error
(a tenth of the map's standard deviation) and --lossless beside it.
Tables go to benchmarks/results/OUT_NAME.json and .md. gzip is Python's, level 9, of the file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import tempfile
import time
import warnings
from pathlib import Path

import napari_cryoinr as cryoinr
from napari_cryoinr.support.devices import choose_device

FULL = [
    ("emd_0093_MAP_m4A at 0.7", ["emd_0093_MAP_m4A.mrc.gz"], 0.7),
    (
        "GroEL and β-galactosidase in one archive, auto",
        ["emd_1080_groel_11.5A.mrc", "bgal_relion_class3d_100.mrc"],
        "auto",
    ),
]


def plain_bytes(path: Path) -> bytes:
    return gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()


def measure(name: str, paths: list[Path], settings: cryoinr.Settings) -> list[dict]:
    """One row for each map of one archive."""
    with tempfile.TemporaryDirectory() as folder:
        maps = [cryoinr.read_map(path) for path in paths]
        archive = Path(folder) / "out.cinr"
        start = time.perf_counter()
        last = {}
        reports = cryoinr.drain(
            cryoinr.compress_steps(maps, archive, settings),
            lambda record: last.update({record.phase: record}),
        )
        encode = time.perf_counter() - start
        start = time.perf_counter()
        for number in range(len(maps)):
            cryoinr.decompress(archive, Path(folder) / "back.mrc", member=str(number))
        decode = time.perf_counter() - start
        zipped = sum(len(gzip.compress(plain_bytes(path), 9)) for path in paths)
        rows = []
        for density_map, report in zip(maps, reports, strict=True):
            rows.append(
                {
                    "case": name,
                    "map": density_map.name,
                    "contour": report.contour,
                    "occupied": report.above_contour / report.voxels,
                    "bytes": report.bytes,
                    "ratio": report.ratio,
                    "gzip_ratio": report.raw_bytes / zipped,
                    "within_20_percent": report.within_20_percent,
                    "mean_relative_error": report.mean_relative_error,
                    "nrmse": report.nrmse,
                    "max_error": report.max_error,
                    "psnr": report.psnr,
                    "steps": last["training"].step,
                    "encode_s": encode,
                    "decode_s": decode,
                }
            )
        return rows


def small_cases(folder: Path, device: str) -> list[dict]:
    rows = []
    for path in sorted(folder.iterdir()):
        spread = float(cryoinr.read_map(path).data.std())
        goals = {
            "none": {},
            "max_error": {"max_error": 0.1 * spread},
            "lossless": {"lossless": True},
        }
        for goal, given in goals.items():
            settings = cryoinr.Settings(
                device=device, paper=cryoinr.PaperSettings(width="small"), **given
            )
            rows += [{**row, "goal": goal} for row in measure(f"goal {goal}", [path], settings)]
            print(json.dumps(rows[-1]), flush=True)
    return rows


def full_cases(folder: Path, device: str) -> list[dict]:
    rows = []
    for name, files, threshold in FULL:
        settings = cryoinr.Settings(threshold=threshold, device=device)
        rows += measure(name, [folder / file for file in files], settings)
        print(json.dumps(rows[-1]), flush=True)
    return rows


def markdown(rows: list[dict], title: str) -> str:
    lines = [
        f"# {title}",
        "",
        (
            "| case | map | contour | occupied | bytes | ratio | gzip | within 20 % |"
            " mean rel. error | NRMSE | max error | steps | encode s | decode s |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        lines.append(
            f"| {r['case']} | {r['map']} | {r['contour']:.4g} | {100 * r['occupied']:.2f} % |"
            f" {r['bytes']:,} | {r['ratio']:.2f} | {r['gzip_ratio']:.2f} |"
            f" {100 * r['within_20_percent']:.2f} % | {100 * r['mean_relative_error']:.1f} % |"
            f" {r['nrmse']:.4f} | {r['max_error']:.4g} | {r['steps']} | {r['encode_s']:.1f} |"
            f" {r['decode_s']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument("--cases", choices=("full", "small"), required=True)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    warnings.simplefilter("ignore", cryoinr.MapWarning)
    device = choose_device(args.device)
    rows = (full_cases if args.cases == "full" else small_cases)(args.maps, device)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    title = f"Model paper, {args.cases} network, on {device} ({platform.machine()})"
    (results / f"{args.out}.json").write_text(json.dumps(rows, indent=1) + "\n")
    (results / f"{args.out}.md").write_text(markdown(rows, title))


if __name__ == "__main__":
    main()
