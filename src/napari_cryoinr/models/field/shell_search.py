"""From a goal by Fourier shells to latents that meet it: a quantisation step for each band.

The error of a band leaks into neighbouring shells, as the basis is local and the map masked, and
low shells, which hold few coefficients, get most of it. So what the rounding of each band leaves
in each shell is measured, and the steps are chosen that make the sum of log(step) over all latents
largest, as bits are what falls with it, while no shell exceeds what it may lose; again and again,
as the solver and the deadzone change what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ...errors import GoalMissed
from ...progress import Clock, Steps
from ...support.array_types import Float64Array, Int64Array
from ..base import FitRequest
from ..problem import Problem
from ..shell_measure import ShellMeasure
from .band_steps import CODES_PER_OCTAVE, LARGEST_CODE, bands_of
from .encoder import AGAIN_SHARE, ROUNDING_WORK, Encoder, Encoding, Work
from .field_settings import FieldSettings
from .lapped import Basis
from .pretrained import EDITIONS
from .search import Goal, short_step, tune_steps


@dataclass(frozen=True)
class _Effort:
    blocks: tuple[int, ...]
    iterations: int  # of the solver's first run
    rounds: int
    enough: float = 1.0  # share of what is allowed that ends the rounds
    near: float = 1.0  # the same, above 1, from which on all steps alone are tuned
    sample: int | None = None  # voxels along the sides of the cube that shows what bands leave


_EFFORTS = {
    "fast": _Effort((8,), 16, 5, 0.9, 1.15, 128),
    "balanced": _Effort((8,), 100, 9),
    "best": _Effort((6, 8, 12), 200, 14),
}
_AIM = 0.95  # of what each shell may lose
_BEYOND = 1.25  # of the last shell: bands that reach further are left out
_FAR, _NEAR = 1.5, 0.5  # largest change of log(step): in the first rounds, and later
_FAR_ROUNDS = 3
_MOST_ROUNDS = 4  # times as many, while the goal is missed and each round comes nearer
_SETTLED = 0.004  # change of log(bytes) that ends the rounds
_MEASURED = (0, 1, 3)  # rounds that measure what each band leaves; others scale that
_LOW_RATE = 5.0  # latents that a band counts as beside those that are not zero


def shell_search_steps(
    problem: Problem, measure: ShellMeasure, request: FitRequest, device: str, clock: Clock
) -> Steps[Encoding]:
    """Return the smallest encoding whose losses are those that are allowed.

    Raises
    ------
    GoalMissed
        if no steps meet the goal.
    """
    name = request.effort_on(device)
    # What few iterations of the solver leave may be too much already.
    efforts = [_EFFORTS[name], *([_EFFORTS["balanced"]] if name == "fast" else [])]
    goal = Goal(1.0, by_size=False, strict=True)
    for effort in efforts:
        best = yield from _best_block_steps(problem, measure, request, device, clock, effort, goal)
        if not goal.rank(best)[0]:
            return best
    raise GoalMissed(
        "no quantisation steps reach what is asked for in each Fourier shell; nothing written"
    )


def _best_block_steps(
    problem: Problem,
    measure: ShellMeasure,
    request: FitRequest,
    device: str,
    clock: Clock,
    effort: _Effort,
    goal: Goal,
) -> Steps[Encoding]:
    """Return the best encoding of all sides of a block."""
    own: FieldSettings = request.own
    blocks = (own.block,) if own.block else effort.blocks
    iterations, rounds = own.iterations or effort.iterations, own.solves or effort.rounds
    shape = "sharp" if own.shape == "auto" else own.shape
    each = iterations * (1 + AGAIN_SHARE * (rounds - 1)) + ROUNDING_WORK * (rounds + 4)
    work = Work(clock, len(blocks) * each)
    best: Encoding | None = None
    for block in blocks:
        basis = Basis(block, shape, EDITIONS[-1])
        encoder = Encoder(problem, basis, device, own, 2, work, measure=measure)
        found = yield from _refine_steps(encoder, measure, goal, block, iterations, rounds, effort)
        best = goal.better(found, best)
    assert best is not None
    return best


def _refine_steps(
    encoder: Encoder,
    measure: ShellMeasure,
    goal: Goal,
    block: int,
    iterations: int,
    rounds: int,
    effort: _Effort,
) -> Steps[Encoding]:
    """Bring one basis to the goal."""
    logs = _first_steps(measure, block)
    best: Encoding | None = None
    best_logs = logs
    size, noise = 0, np.empty((0, 0))
    for number in range(_MOST_ROUNDS * rounds):
        step, codes = _coded(logs)
        encoder.set_band_steps(codes)
        found = yield from encoder.encode_steps(step, iterations)
        if goal.better(found, best) is found:
            best, best_logs = found, logs
        if effort.enough < goal.ratio(found) and not goal.rank(found)[0]:
            return found
        if goal.rank(found)[0] and goal.ratio(found) < effort.near:
            logs = logs + 0.5 * math.log(_AIM / goal.ratio(found))
            found = yield from encoder.round_steps(_coded(logs)[0])
            if not goal.rank(found)[0]:
                return found
        before, size = size, len(found.stream) if number >= _FAR_ROUNDS - 1 else 1
        if number >= rounds and (goal.reached(found) or best is not found):
            break
        settled = abs(math.log(size / max(before, 1))) < _SETTLED and goal.ratio(found) < 1.1
        if number >= _FAR_ROUNDS and settled:
            break
        if number in _MEASURED or noise.shape[1] != len(logs):
            noise, counts = yield from encoder.rounding_noise_steps(effort.sample)
            used = 1 + int(np.flatnonzero(counts).max(initial=0))
            noise, counts, logs = noise[:, :used], counts[:used], logs[:used]
        # What the solver leaves, and what errors of bands have in common, goes with the rest.
        noise = noise * (measure.losses / np.maximum(noise.sum(axis=1), 1e-30))[:, None]
        change = _allot(noise, counts, _FAR if number < _FAR_ROUNDS else _NEAR)
        noise = noise * np.exp(2 * change)
        logs = logs + change
    # Nearest to the goal with the steps in these proportions.
    step, codes = _coded(best_logs)
    encoder.set_band_steps(codes)
    yield from encoder.encode_steps(step, iterations)
    return goal.better((yield from tune_steps(encoder, goal, step)), best)


def _first_steps(measure: ShellMeasure, block: int) -> Float64Array:
    """Return log(step) by band, as if no error leaked."""
    variance = measure.variance()
    # Shells of a band: one half wave in a block is so many.
    each = measure.shells.edge / (2 * block * min(measure.shells.voxel_size))
    last = min(
        int(_BEYOND * len(variance) / each + 0.5), int(bands_of(block, measure.aspect).max())
    )
    logs = np.empty(last + 1)
    for band in range(last + 1):
        low = min(max(round((band - 0.5) * each), 1), len(variance))
        high = min(max(round((band + 0.5) * each), low), len(variance))
        logs[band] = 0.5 * math.log(12 * float(variance[low - 1 : high].min()))
    return logs


def _coded(logs: Float64Array) -> tuple[float, tuple[int, ...]]:
    """Return the finest step, and the codes of the bands."""
    finest = float(logs.min())
    codes = np.rint((logs - finest) / math.log(2) * CODES_PER_OCTAVE).astype(int)
    return short_step(math.exp(finest)), tuple(np.minimum(codes, LARGEST_CODE).tolist())


def _allot(noise: Float64Array, counts: Int64Array, most: float) -> Float64Array:
    """Return changes of log(step) by band.

    Parameters
    ----------
    noise : loss in each shell from each band, shape (shells, bands), as a share of what is allowed.
    counts : latents of each band that are not zero.
    most : largest change.
    """
    share = (counts + _LOW_RATE) / (counts + _LOW_RATE).sum()
    allowed = math.log(_AIM)

    def slack(change: Float64Array) -> Float64Array:
        return allowed - np.log(np.maximum(noise @ np.exp(2 * change), 1e-30))

    def slope(change: Float64Array) -> Float64Array:
        parts = noise * np.exp(2 * change)
        return -2 * parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-30)

    start = np.full(len(share), np.clip(slack(np.zeros(len(share))).min() / 2, -most, most))
    found = minimize(
        lambda change: -float(share @ change),
        start,
        jac=lambda change: -share,
        bounds=[(-most, most)] * len(share),
        constraints={"type": "ineq", "fun": slack, "jac": slope},
        method="SLSQP",
        options={"maxiter": 200},
    ).x
    return found if np.isfinite(found).all() else start
