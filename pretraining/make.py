#!/usr/bin/env python3
"""Make an edition of the pretrained parts of the model `field`, stage by stage; see README.md.

python pretraining/make.py --maps FOLDER --out edition.npz [--leave-out NAME ...]
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch
from editions import Transforms, use_edition, write_edition
from lapped_basis import LappedBasis, learn_basis
from network_training import mean_size, train_bands, train_network, untrained
from rich.console import Console
from rich.progress import track
from sources import all_maps
from training_data import Samples, plan, samples_of, solve_task, volumes_of

from napari_cryoinr import DensityMap
from napari_cryoinr.models.field.blocks import Blocks
from napari_cryoinr.models.field.pretrained import BLOCKS, SHAPES

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How much is done."""

    basis_steps: int = 100  # training steps of each basis
    problems: int = 7  # problems of each map, whole and again above contours
    bases: int = 3  # bases that each problem is solved in
    iterations: int = 25  # iterations of the solver
    samples: int = 12_000  # latents of each encoding that the network learns from
    # first_steps, steps: training steps of the network that only helps to round, and of the final
    # one
    first_steps: int = 400
    steps: int = 10_000
    tries: int = 4  # final networks of which the best is kept: the starting point matters


def make_edition(maps: Sequence[DensityMap], out: Path, effort: Effort, workers: int) -> None:
    """Write an edition that was learned from some maps; the same maps give the same file.

    `workers` is the number of processes, 0 for none but this one; the outcome does not depend
    on them.
    """
    torch.set_num_threads(1)
    transforms: Transforms = {
        (block, shape): LappedBasis(block).integers() for block in BLOCKS for shape in SHAPES
    }
    with tempfile.TemporaryDirectory() as name:
        edition = Path(name) / "so_far.npz"

        def over(work: Callable[[Any], T], items: Sequence[Any], stage: str) -> list[T]:
            with contextlib.ExitStack() as stack:
                run: Callable[..., Iterable[T]] = map
                if workers:
                    context = get_context("spawn")
                    pool = ProcessPoolExecutor(workers, context, _start_worker, (edition,))
                    run = stack.enter_context(pool).map
                else:
                    _start_worker(edition)
                bar = track(run(work, items), stage, len(items), console=Console(stderr=True))
                return list(bar)

        def samples_from(solved: Sequence[Blocks], most: int, by_price: bool) -> list[Samples]:
            work = partial(samples_of, most=most, by_price=by_price)
            return [one for one in over(work, solved, "rounding") if one is not None]

        def train(samples: Sequence[Samples], steps: int, tries: int, path: Path) -> None:
            trained = [train_network(samples, steps, seed) for seed in range(tries)]
            best = min(trained, key=lambda parts: mean_size(*parts, samples))
            write_edition(path, *best, train_bands(samples), transforms)

        write_edition(edition, *untrained(), transforms)
        volumes = [volume for one in maps for volume in volumes_of(one)]
        learn = partial(learn_basis, volumes=volumes, steps=effort.basis_steps)
        for basis in over(learn, BLOCKS, "learning bases"):
            transforms[basis.block, "sharp"] = basis.integers()
        write_edition(edition, *untrained(), transforms)
        tasks = plan(maps, effort.problems, effort.bases)
        solve = partial(solve_task, iterations=effort.iterations)
        solved = [one for several in over(solve, tasks, "solving") for one in several]
        samples = samples_from(solved[::2], effort.samples // 4, by_price=False)
        train(samples, effort.first_steps, 1, edition)
        train(samples_from(solved, effort.samples, by_price=True), effort.steps, effort.tries, out)


def _start_worker(edition: Path) -> None:
    torch.set_num_threads(1)
    use_edition(edition)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=Path, required=True, help="a folder of maps")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument(
        "--leave-out", nargs="+", default=[], metavar="NAME", help="parts of names of maps"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes; 0 for none but this")
    args = parser.parse_args()
    maps = all_maps(args.maps, args.leave_out)
    make_edition(maps, args.out, Effort(), args.workers)


if __name__ == "__main__":
    main()
