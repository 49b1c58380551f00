#!/usr/bin/env python3
"""Peak memory of compressing a synthetic map, as a multiple of its bytes.

    python benchmarks/memory.py [--size 384] [--width small] [--out NAME]

The map is written first, by another process. Two processes are then measured: one that only
imports what torch needs to start and takes one training step, and one that compresses. The peak of
the second less the peak of the first, over the bytes of the voxels, is the figure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEAK = "\nimport resource; print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
MAKE = "import napari_cryoinr as c; c.write_map(c.synthetic_map({size}), {path!r})"
START = """
import torch, napari_cryoinr as c
import napari_cryoinr.codec.compression, napari_cryoinr.models.paper.training
net = torch.nn.Linear(8, 8)
optimizer = torch.optim.Adam(net.parameters())
net(torch.ones(8, 8)).sum().backward()
optimizer.step()
"""
COMPRESS = """
import napari_cryoinr as c
settings = c.Settings(device='cpu', paper=c.PaperSettings(width={width!r}, max_steps={steps}))
print(c.compress(c.read_map({path!r}), {out!r}, settings).text())
"""


def peak(code: str) -> tuple[int, float]:
    """(peak resident bytes, seconds) of some code in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + PEAK], capture_output=True, text=True, check=True
    )
    return int(done.stdout.rsplit("PEAK", 1)[1]), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--width", default="small")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, out = f"{folder}/map.mrc", f"{folder}/map.cinr"
        subprocess.run([sys.executable, "-c", MAKE.format(size=args.size, path=path)], check=True)
        base, _ = peak(START)
        total, seconds = peak(
            COMPRESS.format(path=path, out=out, width=args.width, steps=args.steps)
        )
    raw = 4 * args.size**3
    row = {
        "size": args.size,
        "width": args.width,
        "raw_bytes": raw,
        "start_bytes": base,
        "peak_bytes": total,
        "times_raw": (total - base) / raw,
        "seconds": seconds,
    }
    print(json.dumps(row, indent=1))
    if args.out:
        results = Path(__file__).parent / "results" / f"{args.out}.json"
        results.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
