"""Make an edition of the pretrained parts of the model `field`; see README.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from making import Effort, make_edition
from sources import all_maps

_EVERY = 5.0  # seconds between lines of progress
_last = [0.0]


def report(stage: str, step: int, steps: int) -> None:
    """Print progress, a line every few seconds."""
    now = time.monotonic()
    if step == steps or now - _last[0] > _EVERY:
        _last[0] = now
        print(f"{stage}: {step} of {steps}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=Path, help="a folder of maps; synthetic ones come besides")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument(
        "--leave-out", nargs="+", default=[], metavar="NAME", help="parts of names of maps"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes; 0 for none but this")
    asked = parser.parse_args()
    make_edition(all_maps(asked.maps, asked.leave_out), asked.out, Effort(), asked.workers, report)


if __name__ == "__main__":
    main()
