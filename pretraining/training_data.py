"""Latents of real problems to learn the context network from, and densities to learn the basis.

Every map is encoded many times: whole and above contours, coarsely and finely, in blocks of every
side. The problems are those that the package itself sets up, symmetric maps folded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from lapped_basis import Volume
from sources import contours

from napari_cryoinr import DensityMap, Settings
from napari_cryoinr.coding.tokens import tokenise
from napari_cryoinr.models.base import Target
from napari_cryoinr.models.field.blocks import Blocks
from napari_cryoinr.models.field.encoder import BOUND, PRICE
from napari_cryoinr.models.field.lapped import Basis
from napari_cryoinr.models.field.latent_contexts import Contexts, band_magnitudes, last_bands
from napari_cryoinr.models.field.pretrained import BLOCKS, EDITIONS, SHAPES, pretrained
from napari_cryoinr.models.field.rounding import FIRST_DEADZONE, round_latents
from napari_cryoinr.models.field.solver import Solver
from napari_cryoinr.models.problem import problem_steps
from napari_cryoinr.models.separable_sums import MAX_LATENT
from napari_cryoinr.progress import Clock, drain
from napari_cryoinr.support.array_types import Float32Array, Int64Array

T = TypeVar("T")

_PSNR = (25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0, 70.0, 80.0)
_NRMSE = (0.02, 0.04, 0.06, 0.06, 0.1, 0.15, 0.25)
_STEP = (3.5, 3.0)  # in RMS errors: of a whole map, above a contour
_SHAPES = (*SHAPES, "sharp", "sharp")  # the encoder takes sharp ones far more often
_PSNR_BASIS = (37.0, 45.0, 55.0)


@dataclass(frozen=True, eq=False)
class Task:
    """One problem, and the bases (side of a block, shape) that it is solved in.

    `threshold` None stands for a whole map; then `goal` is a PSNR, otherwise an NRMSE.
    """

    map: DensityMap
    threshold: float | None
    goal: float
    bases: tuple[tuple[int, str], ...]


@dataclass(frozen=True, eq=False)
class Samples:
    """What the network learns from: one encoding of one map."""

    features: Float32Array  # shape (latents, FEATURES)
    tokens: Int64Array  # of the magnitudes
    raw: float  # mean bits of a latent that no network can save: signs, and lower bits
    bands: Int64Array  # last band of each block, shape of the grid


def plan(maps: Sequence[DensityMap], problems: int, bases: int, seed: int = 0) -> list[Task]:
    """Plan the tasks of all maps: of each, so many problems whole and as many above contours."""
    dice = random.Random(seed)
    tasks = []
    for density_map in maps:
        goals: list[tuple[float | None, float]] = []
        goals += [(None, goal) for goal in _spread(_PSNR, problems, dice)]
        levels = contours(density_map)
        if levels:
            chosen = _spread(levels, problems, dice)
            goals += zip(chosen, _spread(_NRMSE, problems, dice), strict=True)
        for threshold, goal in goals:
            blocks = _spread(BLOCKS, bases, dice)
            chosen_bases = tuple((block, dice.choice(_SHAPES)) for block in blocks)
            tasks.append(Task(density_map, threshold, goal, chosen_bases))
    return tasks


def _spread(choices: Sequence[T], count: int, dice: random.Random) -> list[T]:
    """Draw so many of the choices, none of them more than once more than another."""
    out: list[T] = []
    while len(out) < count:
        out += dice.sample(list(choices), len(choices))
    return out[:count]


def solve_task(task: Task, iterations: int) -> list[Blocks]:
    """Return the latents of one problem for each basis, in steps and not rounded."""
    if task.threshold is None:
        settings = Settings(threshold="none", target_psnr=task.goal)
    else:
        settings = Settings(threshold=task.threshold, target_nrmse=task.goal)
    target = Target.above(task.map, task.threshold)
    problem = drain(problem_steps(target, settings.request(), Clock(), symmetric=True))
    assert problem.allowed is not None
    step = _STEP[task.threshold is not None] * math.sqrt(
        max(problem.allowed, 1e-30) / problem.total
    )
    out = []
    for block, shape in task.bases:
        solver = Solver(problem, Basis(block, shape, EDITIONS[-1]), "cpu")
        latents = solver.zero()
        for now in solver.solve(step * BOUND, iterations):
            latents = now
        blocks = solver.to_blocks(solver.moved(latents), step, FIRST_DEADZONE)
        scaled = blocks.latents.clip(1 - MAX_LATENT, MAX_LATENT - 1)
        out.append(replace(blocks, latents=scaled))
    return out


def samples_of(scaled: Blocks, most: int, by_price: bool) -> Samples | None:
    """Round the latents and note what the network sees of them; None where there are none.

    At most `most` latents are kept, a random choice. They are rounded as the encoder does, by the
    bits (`by_price`) that the current edition gives; otherwise simply with a dead zone.
    """
    block = round(scaled.latents.shape[1] ** (1 / 3))
    if by_price:
        rounded = round_latents(scaled, block, PRICE, pretrained(EDITIONS[-1]), 2)
    else:
        near = np.abs(scaled.latents) <= FIRST_DEADZONE
        rounded = replace(scaled, latents=np.where(near, 0, np.rint(scaled.latents)).astype(int))
    listed = last_bands(rounded.latents, block)
    if not listed.any():
        return None
    bands = np.zeros(math.prod(scaled.grid), np.int64)
    bands[rounded.numbers] = listed
    magnitudes = band_magnitudes(rounded.latents, listed, block)
    contexts = Contexts(scaled.grid, block, bands, magnitudes)
    features, tokens, raw = [], [], 0
    for phase in contexts.phases():
        values = rounded.latents[phase.rows_in(rounded.numbers), phase.numbers]
        shell_tokens, counts, _ = tokenise(np.abs(values))
        features.append(contexts.features(phase).astype(np.float32))
        tokens.append(shell_tokens)
        raw += int(counts.sum()) + int(np.count_nonzero(values))
        contexts.add(phase, shell_tokens)
    rows, symbols = np.concatenate(features), np.concatenate(tokens)
    raw_mean = raw / len(symbols)
    if len(symbols) > most:
        chosen = np.sort(np.random.default_rng(0).choice(len(symbols), most, replace=False))
        rows, symbols = rows[chosen], symbols[chosen]
    return Samples(rows, symbols, raw_mean, bands.reshape(scaled.grid))


def volumes_of(density_map: DensityMap) -> list[Volume]:
    """Return the map for the learning of the basis, with steps from coarse to fine."""
    data = density_map.data
    middle = data - np.median(data)
    spread = float(data.max()) - float(data.min())
    return [Volume(middle, _STEP[0] * spread * 10 ** (-psnr / 20)) for psnr in _PSNR_BASIS]
