"""Making an edition of the pretrained parts, stage by stage."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch
from context_network import mean_size, train_bands, train_network, untrained
from editions import Transforms, use_edition, write_edition
from lapped_basis import LappedBasis, Volume, learn_basis
from training_data import Samples, Solved, plan, samples_of, solve_task, volumes_of

from napari_cryoinr import DensityMap
from napari_cryoinr.models.field.pretrained import BLOCKS

T = TypeVar("T")
Report = Callable[[str, int, int], None]
"""Told of each stage: its name, how far it is, how long it is."""

_REPORTED = 50  # steps of the training between two reports


@dataclass(frozen=True)
class Effort:
    """How much is done.

    Attributes
    ----------
    basis_steps : of the training of each basis.
    problems : of each map, whole and again above contours.
    bases : that each problem is solved in.
    iterations : of the solver.
    samples : latents of each encoding that the network learns from.
    first_steps, steps : of the training of the network that only helps to round, and of the last.
    tries : how many are trained at last, to keep the best: where they start matters.
    """

    basis_steps: int = 100
    problems: int = 7
    bases: int = 3
    iterations: int = 25
    samples: int = 12_000
    first_steps: int = 400
    steps: int = 10_000
    tries: int = 4


def make_edition(
    maps: Sequence[DensityMap], out: Path, effort: Effort, workers: int, report: Report
) -> None:
    """Write an edition that was learned from some maps; the same one for the same maps.

    Parameters
    ----------
    workers : processes; the outcome does not depend on them.
    """
    torch.set_num_threads(1)
    classical = {
        (block, shape): LappedBasis(block).integers()
        for block in BLOCKS
        for shape in ("smooth", "sharp")
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = folder / "classical.npz"
        write_edition(first, *untrained(), classical)
        volumes = [volume for one in maps for volume in volumes_of(one)]
        transforms = dict(classical)
        learn = partial(_learn, volumes=volumes, steps=effort.basis_steps)
        for block, matrices in zip(
            BLOCKS, _each(learn, BLOCKS, first, workers, report, "learning bases"), strict=True
        ):
            transforms[block, "sharp"] = matrices
        second = folder / "bases.npz"
        write_edition(second, *untrained(), transforms)
        tasks = plan(maps, effort.problems, effort.bases)
        solve = partial(solve_task, iterations=effort.iterations)
        solved: list[Solved] = []
        for found in _each(solve, tasks, second, workers, report, "solving"):
            solved += found
        plain = partial(samples_of, most=effort.samples // 4, by_price=False)
        samples = _some(_each(plain, solved[::2], second, workers, report, "rounding plainly"))
        third = folder / "first.npz"
        _train(
            samples, effort.first_steps, 1, third, transforms, report, "training for the rounding"
        )
        priced = partial(samples_of, most=effort.samples, by_price=True)
        samples = _some(_each(priced, solved, third, workers, report, "rounding"))
        _train(samples, effort.steps, effort.tries, out, transforms, report, "training")


def _learn(block: int, volumes: Sequence[Volume], steps: int) -> Any:
    return learn_basis(volumes, block, steps)[0].integers()


def _some(samples: Iterable[Samples | None]) -> list[Samples]:
    return [one for one in samples if one is not None]


def _train(
    samples: Sequence[Samples],
    steps: int,
    tries: int,
    out: Path,
    transforms: Transforms,
    report: Report,
    stage: str,
) -> None:
    """Train networks that start from different numbers and write the best."""
    bands = train_bands(samples)
    best = math.inf
    for seed in range(tries):
        training = train_network(samples, steps, seed)
        while True:
            try:
                step, bits = next(training)
            except StopIteration as stop:
                network, counts = stop.value
                break
            if step % _REPORTED == 0:
                report(f"{stage}, {bits:.3f} bits", seed * steps + step, tries * steps)
        size = mean_size(network, counts, samples)
        if size < best:
            best = size
            write_edition(out, network, counts, bands, transforms)


def _each(
    work: Callable[[Any], T],
    items: Sequence[Any],
    edition: Path,
    workers: int,
    report: Report,
    stage: str,
) -> Iterator[T]:
    """The outcome of each item, in order; the edition is used in the processes."""
    if workers == 0:
        use_edition(edition)
        for number, item in enumerate(items):
            yield work(item)
            report(stage, number + 1, len(items))
        return
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start, initargs=(edition,)
    ) as pool:
        for number, outcome in enumerate(pool.map(work, items)):
            yield outcome
            report(stage, number + 1, len(items))


def _start(edition: Path) -> None:
    torch.set_num_threads(1)
    use_edition(edition)
