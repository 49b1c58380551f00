"""From a problem to latents that meet its goal: which basis, which quantisation step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ...errors import GoalMissed
from ...progress import Clock, Steps
from ...support.array_types import Float64Array
from ..base import FitRequest
from ..problem import Problem
from .encoder import AGAIN_SHARE, PRICE, ROUNDING_WORK, SMALLEST_STEP, Encoder, Encoding, Work
from .field_settings import BLOCKS, FieldSettings
from .lapped import Basis
from .pretrained import EDITIONS, SHAPES
from .reference_map import Reference


@dataclass(frozen=True)
class Effort:
    """How much is tried."""

    bases: tuple[tuple[int, str], ...]  # (block, shape)
    trial: int  # iterations of the solver for a trial
    iterations: int  # the same for the outcome
    finalists: int  # bases of the best trials that are brought to the goal
    solves: int  # runs of the solver for each finalist: each improves on the one before
    more_solves: int = 10  # further ones where the step is not settled
    passes: int = 2  # of the rounding
    carried: bool = False  # whether the best trial goes on from its latents

    def work(self, bases: int) -> float:
        """Return the usual work of a search among some bases, in iterations of the solver."""
        if self.carried:
            trials = bases * (self.trial + 1.5 * ROUNDING_WORK)
            return trials + AGAIN_SHARE * self.iterations + _USUAL_ROUNDS * ROUNDING_WORK
        trials = 0 if bases == 1 else (bases + 1) * (self.trial + ROUNDING_WORK)
        solving = (1 + AGAIN_SHARE * (self.solves - 1)) * self.iterations
        rounding = (self.solves + _USUAL_ROUNDS) * ROUNDING_WORK
        return trials + min(bases, self.finalists) * (solving + rounding)


_EFFORTS = {
    "fast": Effort(((8, "sharp"), (12, "sharp")), 10, 20, 1, 1, passes=1, carried=True),
    "balanced": Effort(tuple((block, "sharp") for block in (8, 6, 10, 12, 16)), 30, 200, 2, 3),
    "best": Effort(tuple((block, shape) for block in BLOCKS for shape in SHAPES), 60, 800, 3, 8),
}
_SIZE_SLOPE = 0.3  # d log(bytes) / d log(1 / squared error), between trials of one map
_LARGE = 1 << 13  # bytes of a stream whose estimate is good to a percent or two
_SETTLED = 0.1  # change of log(step) that needs no other run of the solver
_FIRST_STEP = (6.0, 3.0)  # in RMS errors: every voxel counts, some do
_FIRST_STEP_OF_LARGEST = 0.1  # where the size is the goal
_ROUNDS = 14  # of rounding with another step
_USUAL_ROUNDS = 4
_ENOUGH = (0.985, 0.9995)  # of the error or size that is allowed: NRMSE within 1 %
_AIM = 0.992
_SAME_STEP = 5e-4  # difference of log(step)
_HIGHER_PRICES = (1.2, 1.5, 1.9, 2.4)


class Encodes(Protocol):
    """What a search needs of an `Encoder`, or of several."""

    @property
    def finest(self) -> float:
        """The finest step."""

    @property
    def exact(self) -> bool:
        """Whether another run of the solver finds nothing better."""

    def encode_steps(self, step: float, iterations: int) -> Steps[Encoding]:
        """See `Encoder.encode_steps`."""

    def round_steps(self, step: float, price: float = PRICE) -> Steps[Encoding]:
        """See `Encoder.round_steps`."""


@dataclass(frozen=True)
class Goal:
    """An error or a size that an encoding must not exceed."""

    allowed: float
    by_size: bool  # whether it is the size of the stream in bytes, otherwise the squared error
    strict: bool  # whether nothing else could make up for missing it

    def ratio(self, found: Encoding) -> float:
        """Return an encoding's error or size over the one that is allowed."""
        amount = len(found.stream) if self.by_size else found.squared_error
        return min(max(amount / max(self.allowed, 1e-300), 1e-30), 1e30)

    def rank(self, found: Encoding) -> tuple[bool, float]:
        """Return what is smaller for a better encoding; first of all it meets the goal."""
        ratio = self.ratio(found)
        if ratio > _ENOUGH[1]:
            return True, ratio
        return False, found.squared_error if self.by_size else len(found.stream)

    def better(self, one: Encoding, other: Encoding | None) -> Encoding:
        """Return the better one of two encodings."""
        return one if other is None else min(one, other, key=self.rank)

    def reached(self, found: Encoding) -> bool:
        """Whether no other step comes nearer: nothing is coarser than no latents at all."""
        ratio = self.ratio(found)
        coarsest = found.empty and not self.by_size
        return ratio <= _ENOUGH[1] and (ratio >= _ENOUGH[0] or coarsest)

    def next_step(self, step: float, found: Encoding, reach: int = 1) -> float:
        """Return a step nearer to the goal: so many times as far as the usual slope says."""
        slope = -0.6 if self.by_size else 1.4  # d log(ratio) / d log(step)
        factor = (_AIM / self.ratio(found)) ** (reach / slope)
        return short_step(step * min(max(factor, 0.05), 20.0))


def search_steps(
    problem: Problem,
    request: FitRequest,
    limit: int | None,
    device: str,
    clock: Clock,
    alone: Encoding | None = None,
    reference: tuple[Reference, Float64Array] | None = None,
) -> Steps[Encoding]:
    """Return the smallest encoding that meets the goal.

    Parameters
    ----------
    limit : bytes that the stream may take; None where the error is the goal.
    alone, reference : an encoding of the same map, and what may predict it better.

    Raises
    ------
    GoalMissed
        if no step meets the goal.
    """
    own: FieldSettings = request.own
    effort = effort_for(request, device, every_voxel=problem.counts is None)
    bases = bases_for(own, effort)
    goal, step = _goal(problem, request, limit)
    work = Work(clock, effort.work(len(bases)))

    def encoder(basis: Basis) -> Encoder:
        narrow = effort.carried
        return Encoder(problem, basis, device, own, effort.passes, work, reference, narrow=narrow)

    best = yield from best_basis_steps(encoder, bases, goal, step, effort, alone)
    if goal.strict and goal.rank(best)[0]:
        raise GoalMissed(
            f"the ratio asked for leaves {limit} bytes for the densities, which is too few at any"
            " quality; nothing written"
            if goal.by_size
            else "no quantisation step reaches the error that is asked for; nothing written"
        )
    return best


def effort_for(request: FitRequest, device: str, *, every_voxel: bool) -> Effort:
    """Return how much is tried where every voxel counts, or some do."""
    own: FieldSettings = request.own
    effort = _EFFORTS[request.effort_on(device)]
    if every_voxel:  # there is nothing to choose
        effort = replace(effort, solves=1, more_solves=0)
    elif own.solves is not None:
        effort = replace(effort, solves=own.solves)
    return replace(effort, iterations=own.iterations or effort.iterations)


def bases_for(own: FieldSettings, effort: Effort) -> list[Basis]:
    """Return the bases that are tried."""
    return list(
        dict.fromkeys(
            Basis(own.block or block, shape if own.shape == "auto" else own.shape, EDITIONS[-1])
            for block, shape in effort.bases
        )
    )


def best_basis_steps(
    encoder: Callable[[Basis], Encodes],
    bases: Sequence[Basis],
    goal: Goal,
    step: float,
    effort: Effort,
    alone: Encoding | None = None,
) -> Steps[Encoding]:
    """Return the smallest encoding that meets the goal, or else the one nearest to it.

    `alone` is one in the only basis that counts then.
    """
    finalists = [(step, basis) for basis in bases]
    if alone is not None:
        config = alone.config
        finalists = [(config.step, Basis(config.block, config.shape, config.edition))]
    elif effort.carried:
        return (yield from _carried_steps(encoder, bases, goal, step, effort))
    elif len(bases) > 1:
        # Near the goal, so that they are compared where it matters.
        found = yield from encoder(finalists[0][1]).encode_steps(step, effort.trial)
        step = goal.next_step(step, found)
        trials: list[tuple[float, float, Basis]] = []
        for basis in bases:
            found = yield from encoder(basis).encode_steps(step, effort.trial)
            trials.append((_cost(found), goal.next_step(step, found), basis))
        # The order of short trials is not quite that of the outcomes.
        trials.sort(key=lambda trial: trial[0])
        finalists = [(step, basis) for _, step, basis in trials[: effort.finalists]]
    best = alone
    for step, basis in finalists:
        best = goal.better((yield from _refine_steps(encoder(basis), goal, step, effort)), best)
    assert best is not None
    return best


def _cost(found: Encoding) -> float:
    """Return what is smaller for the better one of two encodings of about one error."""
    size = found.estimate if found.estimate > _LARGE else len(found.stream)
    return math.log(size) + _SIZE_SLOPE * math.log(found.squared_error + 1e-300)


def _carried_steps(
    encoder: Callable[[Basis], Encodes],
    bases: Sequence[Basis],
    goal: Goal,
    step: float,
    effort: Effort,
) -> Steps[Encoding]:
    """Return an encoding that meets the goal, of the best trial and from its latents."""
    lowest, chosen = math.inf, None
    for basis in bases:
        one = encoder(basis)
        found = yield from one.encode_steps(step, effort.trial)
        before, step = step, max(goal.next_step(step, found), one.finest)
        if abs(math.log(step / before)) > _SETTLED:
            found = yield from one.round_steps(step)
            step = max(goal.next_step(step, found), one.finest)
        cost = _cost(found) if len(bases) > 1 else 0.0
        if chosen is None or cost < lowest:
            lowest, chosen, aim = cost, one, step
        del one
    assert chosen is not None
    if chosen.exact:
        return (yield from tune_steps(chosen, goal, aim))
    return (yield from _refine_steps(chosen, goal, aim, effort))


def _goal(problem: Problem, request: FitRequest, limit: int | None) -> tuple[Goal, float]:
    """Return the goal of a request, and a first step."""
    if limit is not None:
        step = _FIRST_STEP_OF_LARGEST * problem.largest or 1.0
        return Goal(max(limit, 1), by_size=True, strict=True), short_step(step)
    assert problem.allowed is not None
    allowed = max(problem.allowed, 0.0)
    step = first_step(
        math.sqrt(allowed / max(problem.total, 1e-6)), every_voxel=problem.counts is None
    )
    # A residual stream makes up for what the latents leave of a maximum error.
    goal = Goal(allowed, by_size=False, strict=request.goal != "max_error")
    return goal, step


def first_step(rms: float, *, every_voxel: bool) -> float:
    """Return a step to begin with for an RMS error."""
    return short_step(max(rms, SMALLEST_STEP) * _FIRST_STEP[not every_voxel])


def short_step(step: float) -> float:
    """Return five digits of a step: more would only make the header longer."""
    return float(f"{step:.5g}")


def _refine_steps(encoder: Encodes, goal: Goal, step: float, effort: Effort) -> Steps[Encoding]:
    """Bring one basis to the goal: first the solver, ever nearer to it, then the step alone."""
    best: Encoding | None = None
    runs = effort.solves + effort.more_solves
    for number in range(1, runs + 1):
        found = yield from encoder.encode_steps(step, effort.iterations)
        if goal.reached(found) and (found.empty or runs == 1):
            return found
        best = goal.better(found, best)
        before, step = step, max(goal.next_step(step, found), encoder.finest)
        if number >= effort.solves and abs(math.log(step / before)) < _SETTLED:
            break
    tuned = yield from tune_steps(encoder, goal, step)
    if goal.reached(tuned) and runs == 1:  # of the same latents, what is nearer is smaller
        return tuned
    return goal.better(tuned, best)


def tune_steps(encoder: Encodes, goal: Goal, step: float) -> Steps[Encoding]:
    """Find the step that meets the goal with the solver's latents."""
    best: Encoding | None = None
    ends: dict[bool, tuple[float, float]] = {}  # log(step), log(ratio): on either side of the goal
    for number in range(_ROUNDS):
        found = yield from encoder.round_steps(step)
        if goal.reached(found):
            return found
        best = goal.better(found, best)
        missed = math.log(goal.ratio(found) / _AIM)
        ends[missed > 0] = math.log(step), missed
        # Where the goal stays on one side, the usual slope is too steep.
        new = goal.next_step(step, found, 2 ** min(number, 3))
        if len(ends) == 2:
            (low, left), (high, right) = ends.values()
            if abs(high - low) < _SAME_STEP:
                break
            share = min(max(left / (left - right), 0.1), 0.9)
            new = short_step(math.exp(low + share * (high - low)))
        new = max(new, encoder.finest)
        if new == step:
            break
        step = new
    assert best is not None
    # Few latents leave gaps between steps; a higher price of bits fills what is left of the error.
    for price in () if goal.by_size or goal.rank(best)[0] else _HIGHER_PRICES:
        found = yield from encoder.round_steps(best.config.step, price * PRICE)
        if goal.rank(found)[0]:
            break
        best = goal.better(found, best)
    return best
