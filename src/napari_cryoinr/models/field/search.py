"""From a problem to latents that meet its goal: which basis, which step."""

from __future__ import annotations

import math
from dataclasses import replace

from ...errors import GoalMissed
from ...progress import Clock, Steps
from ..base import FitRequest
from .encoder import PRICE, Encoder, Encoding
from .goals import Goal, goal_of, short_step
from .lapped import Basis
from .problem import Problem
from .reference_map import Reference, gains_between

_ROUNDS = 14
_SETTLED = 0.1  # change of log(step) that needs no other run of the solver
_MORE_SOLVES = 10  # runs beyond those of the effort, where the step is not settled
_HIGHER_PRICES = (1.2, 1.5, 1.9, 2.4)


def search_steps(
    problem: Problem, request: FitRequest, limit: int | None, device: str, clock: Clock
) -> Steps[Encoding]:
    """The smallest encoding that meets the goal.

    Parameters
    ----------
    limit : bytes that the stream may take; None where the error is the goal.

    Raises
    ------
    GoalMissed
        if no step size meets the goal.
    """
    encoder = Encoder(problem, request, device, clock)
    goal = goal_of(problem, request, limit)
    step = goal.first_step
    tried: dict[Basis, tuple[float, float]] = {}  # cost, and a step nearer to the goal
    waiting = encoder.bases()
    while waiting and (len(waiting) > 1 or tried):
        basis = waiting.pop(0)
        found = yield from encoder.encode_steps(basis, step, encoder.effort.trial)
        if not tried:  # near the goal, so that the others are compared where it matters
            step = goal.next_step(step, found)
            found = yield from encoder.encode_steps(basis, step, encoder.effort.trial)
        tried[basis] = found.cost, goal.next_step(step, found)
        if not waiting:
            best = min(tried, key=lambda basis: tried[basis][0])
            waiting = [basis for basis in encoder.neighbours(best) if basis not in tried]
    # The order of short trials is not quite that of the outcomes.
    finalists = sorted(tried, key=lambda basis: tried[basis][0])[: encoder.effort.finalists]
    outcome: Encoding | None = None
    missed: GoalMissed | None = None
    for basis in finalists or waiting:
        at = tried[basis][1] if basis in tried else step
        try:
            found = yield from _refine_steps(encoder, goal, basis, at)
        except GoalMissed as error:
            missed = error
            continue
        if outcome is None or goal.prefers(found, outcome):
            outcome = found
    if outcome is None:
        assert missed is not None
        raise missed
    return outcome


def search_with_reference_steps(
    problem: Problem,
    request: FitRequest,
    limit: int | None,
    device: str,
    clock: Clock,
    alone: Encoding,
    reference: Reference,
) -> Steps[Encoding]:
    """The encoding that is predicted from another map, if better than the one without."""
    same = ("edition", "block", "shape", "tile", "symmetry")
    own, other = alone.config, reference.config
    whole = alone.as_reference(0, problem.shape)
    if reference.latents.grid != whole.latents.grid:
        return alone
    if any(getattr(own, name) != getattr(other, name) for name in same):
        return alone
    gains = gains_between(reference.latents, whole.latents, own.block) * own.step / other.step
    encoder = Encoder(problem, request, device, clock, replace(reference, gains=gains))
    goal = goal_of(problem, request, limit)
    basis = Basis(own.block, own.shape, own.edition)
    with_reference = yield from _refine_steps(encoder, goal, basis, own.step)
    return with_reference if goal.better(with_reference, alone) else alone


def _refine_steps(encoder: Encoder, goal: Goal, basis: Basis, step: float) -> Steps[Encoding]:
    """Bring one basis to the goal: first the solver, ever nearer to it, then the step alone."""
    best: Encoding | None = None
    for number in range(encoder.solves + _MORE_SOLVES):
        yield from encoder.solve_steps(basis, step, encoder.iterations, again=number > 0)
        found = yield from encoder.round_steps(basis, step)
        if goal.meets(found) and (best is None or goal.better(found, best)):
            best = found
        if goal.meets(found) and goal.slope > 0 and found.empty:
            return found  # nothing is coarser than nothing
        before, step = step, max(goal.next_step(step, found), encoder.finest(basis))
        settled = not encoder.improves or abs(math.log(step / before)) < _SETTLED
        if number + 1 >= encoder.solves and settled:
            break
    found = yield from _land_steps(encoder, goal, basis, step)
    if best is not None and not goal.prefers(found, best):
        found = best
    if goal.strict and not goal.meets(found):
        raise GoalMissed(goal.missed())
    return found


def _land_steps(encoder: Encoder, goal: Goal, basis: Basis, step: float) -> Steps[Encoding]:
    """The step that meets the goal with the solver's latents: the secant rule, in a bracket."""
    best: Encoding | None = None
    too_fine, too_coarse = 0.0, math.inf
    last: tuple[float, float] | None = None
    slope = goal.slope
    for _ in range(_ROUNDS):
        found = yield from encoder.round_steps(basis, step)
        ratio = goal.ratio(found)
        if goal.meets(found):
            best = found if best is None or goal.better(found, best) else best
        if goal.window[0] <= ratio <= goal.window[1]:
            return found
        fine = (ratio < goal.window[0]) == (goal.slope > 0)
        if fine:
            too_fine = max(too_fine, step)
        else:
            too_coarse = min(too_coarse, step)
        if last is not None and abs(math.log(step / last[0])) > 1e-3:
            seen = math.log(max(ratio, 1e-30) / max(last[1], 1e-30)) / math.log(step / last[0])
            if seen * goal.slope > 0:
                slope = math.copysign(min(max(abs(seen), 0.4), 3.0), goal.slope)
        last = (step, ratio)
        middle = 0.5 * (goal.window[0] + goal.window[1])
        new = step * min(max((middle / max(ratio, 1e-30)) ** (1 / slope), 0.02), 50.0)
        if not too_fine < new < too_coarse:
            if math.isinf(too_coarse) or too_fine == 0:
                new = step * (2.0 if fine else 0.5)
            else:
                new = math.sqrt(too_fine * too_coarse)
        if best is not None and too_coarse < too_fine * 1.0005:
            break
        new = max(short_step(new), encoder.finest(basis))
        if new == step:
            break
        step = new
    if best is None:
        return found
    # Few latents leave gaps between steps; a higher price of bits fills what is left of the error.
    for price in _HIGHER_PRICES if goal.slope > 0 else ():
        found = yield from encoder.round_steps(basis, best.config.step, price * PRICE)
        if not goal.meets(found):
            break
        best = found if goal.better(found, best) else best
    return best
