#!/usr/bin/env python3
"""Make an edition of the context network of the model `inr`; see README.md.

python pretraining/inr_edition.py --maps FOLDER --out edition.npz [--without NAME=OUT.npz ...]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from inr_tables import laplace_counts
from rich.console import Console
from sources import all_maps, contours
from torch import Tensor

from napari_cryoinr import DensityMap, Settings
from napari_cryoinr.codec.members import prepare_steps
from napari_cryoinr.coding.integer_network import IntegerNetwork
from napari_cryoinr.models.edition_files import network_arrays
from napari_cryoinr.models.inr import pyramid as pyramids
from napari_cryoinr.models.inr.lattice import UNIT
from napari_cryoinr.models.inr.rate import ContextNetwork, bits_of
from napari_cryoinr.models.inr.training import solved, trained
from napari_cryoinr.models.problem import problem_steps
from napari_cryoinr.models.shell_measure import ShellMeasure
from napari_cryoinr.progress import Clock, drain

_STEPS = 200  # of training of the latents
_FIT_STEPS = 30_000  # of the shared network
_BATCH = 128  # latents of each task in a step
_KEPT = 30_000  # latents of a task, at most


@dataclass(frozen=True, eq=False)
class Task:
    """One problem and its pyramid."""

    map: DensityMap
    settings: Settings
    spacing: float | None
    degree: int


@dataclass(frozen=True, eq=False)
class Samples:
    """What the network learns from: features, signed means, latents, weights of one task."""

    name: str
    features: Tensor
    signed: Tensor
    latents: Tensor
    weight: float  # all of the task's latents over those that are here


def plan(maps: Sequence[DensityMap]) -> list[Task]:
    """Choose the tasks: Fourier shells, contours and whole maps, each with its usual pyramids."""
    out = []
    for number, density_map in enumerate(maps):
        dice = random.Random(number)
        levels = contours(density_map)
        for level in dice.sample(levels, min(1, len(levels))):
            settings = Settings(threshold=level, target_fsc=0.99)
            out.append(Task(density_map, settings, None, 3))
            for nrmse in (0.06, 0.12):
                settings = Settings(threshold=level, keep="contour", target_nrmse=nrmse)
                degree = dice.choice((1, 3))
                spacing = dice.choice((1.0, 1.25)) if degree == 1 else dice.choice((1.0, 1.5, 2.0))
                out.append(Task(density_map, settings, spacing, degree))
        for psnr in (37.0, 48.0):
            settings = Settings(threshold="none", target_psnr=psnr)
            degree = dice.choice((1, 3))
            spacing = 1.0 if degree == 1 else dice.choice((1.0, 1.5, 2.5))
            out.append(Task(density_map, settings, spacing, degree))
    return out


def samples_of(task: Task, network: IntegerNetwork, steps: int, seed: int) -> Samples | None:
    """Train the latents of a task, and return what its context model sees; None if nothing."""
    torch.set_num_threads(1)
    item, target = drain(prepare_steps(task.map, task.settings.threshold, task.settings, Clock()))
    measure = None if target.shells is None else ShellMeasure(target)
    problem = drain(problem_steps(target, item.request, Clock(), measure, symmetric=False))
    spacing = UNIT if measure is None else pyramids.usual_spacing(measure)
    if task.spacing is not None:
        spacing = int(task.spacing * UNIT)
    pyramid = pyramids.Pyramid.over(problem.shape, problem.box, spacing, task.degree, None)
    free = ContextNetwork.from_integers(network)
    free.known = []
    costs = pyramids.costs_of(problem, measure, pyramid, free, "cpu", seed)
    start = costs.zero()
    costs.choose_steps(start)
    *_, start = solved(costs)
    *_, (_, found, _) = trained(costs, start, steps, 0)
    parts = list(costs.contexts([torch.round(v.detach()) for v in found]))
    features, latents = (torch.cat([p[n] for p in parts]) for n in (1, 3))
    signed = torch.cat([p[2].T for p in parts])
    if not latents.count_nonzero():
        return None
    count = len(latents)
    if count > _KEPT:
        chosen = torch.from_numpy(np.random.default_rng(seed).permutation(count)[:_KEPT])
        features, signed, latents = features[chosen], signed[chosen], latents[chosen]
    return Samples(task.map.name, features, signed, latents, count / len(latents))


def learn(samples: Sequence[Samples], start: IntegerNetwork, steps: int) -> IntegerNetwork:
    """Train a network so that the relative size of all tasks is smallest."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = ContextNetwork.from_integers(start)
    with torch.no_grad():
        before = [
            float(bits_of(network(s.features), s.signed.T, s.latents).mean()) for s in samples
        ]
    adam = torch.optim.Adam(network.parameters(), lr=0.004)
    plan = torch.optim.lr_scheduler.OneCycleLR(adam, 0.004, total_steps=steps)
    dice = torch.Generator().manual_seed(1)
    features = torch.cat([s.features for s in samples])
    signed = torch.cat([s.signed for s in samples])
    latents = torch.cat([s.latents for s in samples])
    sizes = torch.tensor([len(s.latents) for s in samples])
    starts = sizes.cumsum(0) - sizes
    scale = torch.tensor(before).clamp_min(1e-3).repeat_interleave(_BATCH)
    for _ in range(steps):
        lots = torch.rand((len(samples), _BATCH), generator=dice)
        rows = (starts[:, None] + (lots * sizes[:, None]).long()).flatten()
        bits = bits_of(network(features[rows]), signed[rows].T, latents[rows])
        loss = (bits / scale).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        plan.step()
    return network.integers()


def relative_size(samples: Sequence[Samples], network: IntegerNetwork) -> float:
    """Return the geometric mean of the bits of a latent."""
    floats = ContextNetwork.from_integers(network)
    with torch.no_grad():
        sizes = [float(bits_of(floats(s.features), s.signed.T, s.latents).mean()) for s in samples]
    return float(np.exp(np.mean(np.log(np.maximum(sizes, 1e-4)))))


def write(path: Path, network: IntegerNetwork) -> None:
    """Write what `napari_cryoinr.models.inr.pretrained` reads."""
    counts = laplace_counts().astype(np.int32)
    np.savez_compressed(path, counts=counts, **network_arrays(network))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME=OUT")
    parser.add_argument(
        "--samples",
        type=Path,
        help="file that keeps what is learned from; it is read where it exists",
    )
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    console = Console()
    torch.manual_seed(0)
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        if given.samples is not None and given.samples.exists():
            samples = [Samples(**one) for one in torch.load(given.samples, weights_only=True)]
        else:
            tasks = plan(all_maps(given.maps, ()))
            start = ContextNetwork().integers()
            found = [pool.submit(samples_of, t, start, _STEPS, n) for n, t in enumerate(tasks)]
            done = []
            for number, future in enumerate(found):
                done.append(future.result())
                if number % 10 == 9:
                    console.print(f"{number + 1} of {len(found)} tasks")
            samples = [s for s in done if s is not None]
            if given.samples is not None:
                torch.save([vars(s) for s in samples], given.samples)
        outs = [("", given.out)]
        outs += [(name, Path(out)) for name, _, out in (w.partition("=") for w in given.without)]
        learnt = []
        for name, _ in outs:
            kept = [s for s in samples if not name or name not in s.name]
            learnt.append(pool.submit(learn, kept, ContextNetwork().integers(), _FIT_STEPS))
        for (name, out), future in zip(outs, learnt, strict=True):
            network = future.result()
            write(out, network)
            left = [s for s in samples if name in s.name]
            size = relative_size(left, network) if left else 0.0
            console.print(f"{out.name}: bits of a latent of {name or 'all'}: {size:.4f}")


if __name__ == "__main__":
    main()
