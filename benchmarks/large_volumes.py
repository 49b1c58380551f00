#!/usr/bin/env python3
"""Volumes that do not fit into memory: done within a limit, and how seconds grow with voxels.

    python benchmarks/large_volumes.py OUT_NAME [--folder FOLDER] [--limit 1.5]
        [--shape 512 2048 2048] [--sizes 128 256 512 1024] [--goal --target-psnr 30]

Volumes are made on the spot, slab by slab: blobs and noise, int8, as a tomogram has them. They,
and what is made of them, are removed afterwards; the folder needs room for twice the largest.

- Limit: a volume of `--shape` (z, y, x) is compressed, 64 x 256 x 256 voxels in its middle are
  read, and it is decompressed. Each is a process that must not hold more than `--limit` GiB of data
  (RLIMIT_DATA, where the system has it). Its peak is what the system says was resident.
- Growth: a volume of half as many sections as rows and columns for each of `--sizes`, but of as
  many for the smallest, is compressed. The exponent is the slope of log(seconds) against
  log(voxels), over all sizes and between the last two: the start of the program counts.

Seconds are those of processors, so that they mean something on a machine that does other things
too. Tables go to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from harness import parser_for, write_results

from napari_cryoinr.bench.table import markdown_table, versions
from napari_cryoinr.maps.mrc_header import new_header

COMMAND = [sys.executable, "-m", "napari_cryoinr"]
REGION = """
import sys
from napari_cryoinr import open_archive
member = open_archive(sys.argv[1])[0]
middle = [slice(n // 2 - side // 2, n // 2 + side // 2) for n, side in zip(member.shape, SIDES)]
assert member.read(tuple(middle)).shape == SIDES
""".replace("SIDES", "(64, 256, 256)")
SLAB = 16  # sections
BLOB = 24  # voxels along each side of its box
SPACING = 32  # voxels between blobs, about
NOISE, CONTRAST = 5.0, 100.0
LEAST_SHAPE = (64, 256, 256)


def write_volume(path: Path, shape: tuple[int, int, int]) -> None:
    """Write blobs in noise, int8, slab by slab."""
    random = np.random.default_rng(0)
    places = random.integers(0, shape, (math.prod(shape) // SPACING**3, 3)) - BLOB // 2
    strengths = random.uniform(0.3, 1, len(places)) * CONTRAST
    squares = ((np.arange(BLOB) - BLOB / 2 + 0.5) / (BLOB / 5)) ** 2
    line = np.exp(-squares / 2).astype(np.float32)
    blob = line[:, None, None] * line[:, None] * line
    voxel_size = (10.0, 10.0, 10.0)
    with path.open("wb") as file:
        file.write(new_header(shape, voxel_size, (0.0, 0.0, 0.0)).with_mode(0).raw)
        for start in range(0, shape[0], SLAB):
            stop = min(start + SLAB, shape[0])
            slab = random.standard_normal((stop - start, *shape[1:]), np.float32) * NOISE
            near = (places[:, 0] < stop) & (places[:, 0] + BLOB > start)
            for place, strength in zip(places[near], strengths[near], strict=True):
                add(slab, blob * strength, place - (start, 0, 0))
            file.write(np.clip(np.rint(slab), -128, 127).astype(np.int8).data)


def add(
    slab: npt.NDArray[np.float32], blob: npt.NDArray[np.float32], place: npt.NDArray[np.int64]
) -> None:
    """Add as much of a blob to a slab as lies in it, in place."""
    inside, own = [], []
    for first, n, size in zip(place.tolist(), slab.shape, blob.shape, strict=True):
        low, high = max(first, 0), min(first + size, n)
        if low >= high:
            return
        inside.append(slice(low, high))
        own.append(slice(low - first, high - first))
    slab[tuple(inside)] += blob[tuple(own)]


def measured(command: Sequence[str], limit: int | None = None) -> dict[str, Any]:
    """Run a command, with so many bytes of data at most; return its seconds and peak."""

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    with subprocess.Popen(command, preexec_fn=restrict) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"seconds": used.ru_utime + used.ru_stime, "peak_bytes": used.ru_maxrss * unit}


def within_limit(
    folder: Path, shape: tuple[int, int, int], goal: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Compress, read and decompress a volume; a row for each."""
    volume, archive, back = (folder / name for name in ("large.mrc", "large.cinr", "back.mrc"))
    write_volume(volume, shape)
    commands = {
        "compress": [*COMMAND, "compress", str(volume), str(archive), *goal, "--quiet"],
        "read a region": [sys.executable, "-c", REGION, str(archive)],
        "decompress": [*COMMAND, "decompress", str(archive), str(back), "--quiet"],
    }
    rows = []
    for name, command in commands.items():
        rows.append({"what": name, **measured(command, limit), "bytes": archive.stat().st_size})
        print(rows[-1], flush=True)
        if name == "compress":
            volume.unlink()
    back.unlink()
    archive.unlink()
    return rows


def growth(folder: Path, sizes: Sequence[int], goal: Sequence[str]) -> list[dict[str, Any]]:
    """Compress volumes of several sizes; a row for each."""
    rows = []
    for size in sizes:
        shape = (size if size == min(sizes) else size // 2, size, size)
        volume, archive = folder / f"{size}.mrc", folder / f"{size}.cinr"
        write_volume(volume, shape)
        command = [*COMMAND, "compress", str(volume), str(archive), *goal, "--quiet"]
        row = {"shape": shape, "voxels": math.prod(shape), **measured(command)}
        rows.append({**row, "bytes": archive.stat().st_size})
        print(rows[-1], flush=True)
        volume.unlink()
        archive.unlink()
    return rows


def exponent(rows: Sequence[dict[str, Any]]) -> float:
    """Return the slope of log(seconds) against log(voxels)."""
    voxels, seconds = (np.log([row[name] for row in rows]) for name in ("voxels", "seconds"))
    return float(np.polyfit(voxels, seconds, 1)[0])


def sizes(row: dict[str, Any]) -> list[str]:
    """Return cells: the peak in GiB, the bytes of the archive."""
    return [f"{row['peak_bytes'] / 2**30:.2f}", f"{row['bytes']:,}"]


def page(args: argparse.Namespace, data: dict[str, Any]) -> list[str]:
    """Return the tables."""
    shape = " × ".join(map(str, args.shape))
    goal = " ".join(args.goal)
    limit = f"{math.prod(args.shape) / 1e9:.2f} GB; data of a process at most {args.limit:g} GiB"
    lines = [
        f"# {args.out}: volumes that do not fit into memory",
        "",
        f"Blobs in noise, int8, compressed with `{goal}`. Seconds are those of processors.",
        "",
        f"{shape} voxels, {limit}:",
        "",
    ]
    cells = [[row["what"], f"{row['seconds']:.0f}", *sizes(row)] for row in data["limit"]]
    lines += markdown_table(["what", "seconds", "peak, GiB", "bytes of the archive"], cells)
    rows = data["growth"]
    cells = [
        [
            " × ".join(map(str, row["shape"])),
            f"{row['seconds']:.1f}",
            f"{1e9 * row['seconds'] / row['voxels']:.0f}",
            *sizes(row),
        ]
        for row in rows
    ]
    lines += ["", "Growth:", ""]
    titles = ["voxels (z, y, x)", "seconds", "ns per voxel", "peak, GiB", "bytes"]
    lines += markdown_table(titles, cells)
    if len(rows) > 1:
        last = exponent(rows[-2:])
        text = (
            f"Exponent over all sizes: {exponent(rows):.3f}; between the two largest: {last:.3f}."
        )
        lines += ["", text]
    return lines


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--limit", type=float, default=1.5)
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 2048, 2048))
    parser.add_argument("--sizes", type=int, nargs="*", default=(128, 256, 512, 1024))
    parser.add_argument("--goal", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    args.goal = args.goal or ["--keep", "volume", "--target-psnr", "30"]
    if any(n < least for n, least in zip(args.shape, LEAST_SHAPE, strict=True)):
        parser.error(f"--shape: at least {LEAST_SHAPE}")
    data: dict[str, Any] = {"versions": versions(), "goal": args.goal, "limit": [], "growth": []}
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        data["growth"] = growth(folder, args.sizes, args.goal)
        data["limit"] = within_limit(folder, args.shape, args.goal, int(args.limit * 2**30))
    write_results(args.out, data, page(args, data))


if __name__ == "__main__":
    main()
