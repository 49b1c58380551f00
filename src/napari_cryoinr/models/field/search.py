"""From a problem to latents that meet its goal: which basis, which step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import GoalMissed
from ...memory import give_back, let_go
from ...progress import Clock, Progress, Steps
from ...settings import Settings
from .blocks import Blocks, added
from .config import FieldConfig
from .lapped import MAX_LATENT, Basis, as_decoded
from .pretrained import EDITIONS, pretrained
from .problem import Problem
from .rates import FIRST_DEADZONE, round_latents
from .reference import Reference, gains_between, predicted
from .shells import Ints
from .solver import AGAIN, START, Emphasis, Solver
from .stream import Latents, blocks_of, pack_latents, tile_side

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Effort:
    """How much is tried.

    Attributes
    ----------
    bases : (block, shape) that are tried at first.
    trial, iterations : of the solver for a trial and for the outcome.
    finalists : bases of the best trials that are brought to the goal.
    solves : runs of the solver for each finalist: each improves on the one before.
    """

    bases: tuple[tuple[int, str], ...]
    trial: int
    iterations: int
    finalists: int
    solves: int


_EFFORTS = {
    "fast": _Effort(((8, "sharp"),), 0, 40, 1, 1),
    "balanced": _Effort(((8, "sharp"), (6, "sharp"), (12, "sharp")), 30, 200, 2, 4),
    "best": _Effort(
        tuple((block, shape) for block in (4, 6, 8, 10, 12, 16) for shape in ("smooth", "sharp")),
        60,
        800,
        3,
        8,
    ),
}
_NEXT = {8: (10,), 6: (4,), 12: (10, 16)}  # neighbours of the best of them, tried next

_BOUND = 0.35  # of the solver, in steps: what the quantiser sets to zero
_PRICE = 0.12  # of a bit, in squared steps: the slope of the uniform quantiser, (2 ln 2) / 12
_PASSES = 2
_FIRST_STEP = (6.0, 3.0)  # in RMS errors: every voxel counts, some do
_SIZE_SLOPE = -0.3  # d log(bytes) / d log(squared error), between trials of one map
_ROUNDS = 14
_SETTLED = 0.1  # change of log(step) that needs no other run of the solver
_MORE_SOLVES = 10  # runs beyond those of the effort, where the step is not settled
_AGAIN_SHARE = 0.5  # of the iterations, where there are latents to begin with
_HIGHER_PRICES = (1.2, 1.5, 1.9, 2.4)
_GLANCE = 30  # iterations that show which errors are large
_LARGEST = MAX_LATENT - 1


@dataclass(frozen=True, eq=False)
class Found:
    """An encoding of a map.

    Attributes
    ----------
    squared_error : weighted, of what it decodes to.
    empty : whether all latents are zero.
    """

    config: FieldConfig
    stream: bytes
    squared_error: float
    empty: bool

    def as_reference(self, number: int, shape: tuple[int, int, int]) -> Reference:
        """What another map may lean on, if this is member `number`."""
        grid = z, y, x = blocks_of(shape, self.config.block)
        latents = Latents(self.stream, self.config, shape).read(((0, z), (0, y), (0, x)))
        if latents is None:
            nothing = np.empty((0, self.config.block**3), np.int32)
            latents = Blocks(grid, np.empty(0, np.int64), nothing)
        return Reference(number, shape, self.config, latents)

    @property
    def cost(self) -> float:
        """Logarithm of the size, made comparable between errors that are not far apart."""
        return math.log(max(len(self.stream), 1)) - _SIZE_SLOPE * math.log(
            max(self.squared_error, 1e-300)
        )


def search_steps(
    problem: Problem, settings: Settings, limit: int | None, device: str, clock: Clock
) -> Steps[Found]:
    """The smallest encoding that meets the goal.

    Parameters
    ----------
    limit : bytes that the stream may take; None where the error is the goal.

    Raises
    ------
    GoalMissed
        if no step size meets the goal.
    """
    search = _Search(problem, settings, device, clock)
    goal = _goal_of(problem, settings, limit)
    step = goal.first_step
    tried: dict[Basis, tuple[float, float]] = {}  # cost, and a step nearer to the goal
    waiting = search.bases()
    while waiting and (len(waiting) > 1 or tried):
        basis = waiting.pop(0)
        found = yield from search.encode_steps(basis, step, search.effort.trial)
        if not tried:  # near the goal, so that the others are compared where it matters
            step = goal.next_step(step, found)
            found = yield from search.encode_steps(basis, step, search.effort.trial)
        tried[basis] = found.cost, goal.next_step(step, found)
        if not waiting:
            best = min(tried, key=lambda basis: tried[basis][0])
            waiting = [basis for basis in search.neighbours(best) if basis not in tried]
    # The order of short trials is not quite that of the outcomes.
    finalists = sorted(tried, key=lambda basis: tried[basis][0])[: search.effort.finalists]
    outcome: Found | None = None
    missed: GoalMissed | None = None
    for basis in finalists or waiting:
        at = tried[basis][1] if basis in tried else step
        try:
            found = yield from _refine_steps(search, goal, basis, at)
        except GoalMissed as error:
            missed = error
            continue
        if outcome is None or goal.prefers(found, outcome):
            outcome = found
    if outcome is None:
        assert missed is not None
        raise missed
    return outcome


def lean_steps(
    problem: Problem,
    settings: Settings,
    limit: int | None,
    device: str,
    clock: Clock,
    alone: Found,
    reference: Reference,
) -> Steps[Found]:
    """The encoding that leans on another map, if that is better than the one that stands alone."""
    same = ("edition", "block", "shape", "tile", "symmetry")
    own, other = alone.config, reference.config
    whole = alone.as_reference(0, problem.shape)
    if reference.latents.grid != whole.latents.grid:
        return alone
    if any(getattr(own, name) != getattr(other, name) for name in same):
        return alone
    gains = gains_between(reference.latents, whole.latents, own.block) * own.step / other.step
    search = _Search(problem, settings, device, clock, replace(reference, gains=gains))
    goal = _goal_of(problem, settings, limit)
    basis = Basis(own.block, own.shape, own.edition)
    leaning = yield from _refine_steps(search, goal, basis, own.step)
    return leaning if goal.better(leaning, alone) else alone


def _refine_steps(search: _Search, goal: _Goal, basis: Basis, step: float) -> Steps[Found]:
    """Bring one basis to the goal: first the solver, ever nearer to it, then the step alone."""
    best: Found | None = None
    for number in range(search.solves + _MORE_SOLVES):
        yield from search.solve_steps(basis, step, search.iterations, again=number > 0)
        found = yield from search.round_steps(basis, step)
        if goal.meets(found) and (best is None or goal.better(found, best)):
            best = found
        if goal.meets(found) and goal.slope > 0 and found.empty:
            return found  # nothing is coarser than nothing
        before, step = step, max(goal.next_step(step, found), search.finest(basis))
        settled = not search.improves or abs(math.log(step / before)) < _SETTLED
        if number + 1 >= search.solves and settled:
            break
    found = yield from _land_steps(search, goal, basis, step)
    if best is not None and not goal.prefers(found, best):
        found = best
    if goal.strict and not goal.meets(found):
        raise GoalMissed(goal.missed())
    return found


def _land_steps(search: _Search, goal: _Goal, basis: Basis, step: float) -> Steps[Found]:
    """The step that meets the goal with the solver's latents: the secant rule, in a bracket."""
    best: Found | None = None
    too_fine, too_coarse = 0.0, math.inf
    last: tuple[float, float] | None = None
    slope = goal.slope
    for _ in range(_ROUNDS):
        found = yield from search.round_steps(basis, step)
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
        new = max(_short(new), search.finest(basis))
        if new == step:
            break
        step = new
    if best is None:
        return found
    # Few latents leave gaps between steps; a higher price of bits fills what is left of the error.
    for price in _HIGHER_PRICES if goal.slope > 0 else ():
        found = yield from search.round_steps(basis, best.config.step, price * _PRICE)
        if not goal.meets(found):
            break
        best = found if goal.better(found, best) else best
    return best


class _Goal:
    """How far an encoding is from what is asked for: 1 is there, more is beyond it."""

    slope: float
    window: tuple[float, float]
    first_step: float
    strict = True  # whether nothing else could make up for missing it

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.count = max(problem.total, 1e-6)

    def ratio(self, found: Found) -> float:
        raise NotImplementedError

    def better(self, one: Found, other: Found) -> bool:
        raise NotImplementedError

    def meets(self, found: Found) -> bool:
        return self.ratio(found) <= self.window[1]

    def prefers(self, one: Found, other: Found) -> bool:
        """Whether one is better, or meets the goal where the other does not."""
        if self.meets(one) != self.meets(other):
            return self.meets(one)
        return self.better(one, other)

    def missed(self) -> str:
        raise NotImplementedError

    def next_step(self, step: float, found: Found) -> float:
        """A step nearer to the goal, after one encoding."""
        factor = (0.98 / max(self.ratio(found), 1e-12)) ** (1 / self.slope)
        return _short(step * min(max(factor, 0.05), 20.0))


class _ErrorGoal(_Goal):
    slope = 1.4  # d log(squared error) / d log(step)
    window = (0.985, 0.9995)  # NRMSE within 1 %

    def __init__(self, problem: Problem, strict: bool) -> None:
        super().__init__(problem)
        assert problem.allowed is not None
        self.allowed = max(problem.allowed, 0.0)
        self.strict = strict
        rms = math.sqrt(self.allowed / self.count)
        self.first_step = _short(max(rms, 1e-30) * _FIRST_STEP[problem.counts is not None])

    def ratio(self, found: Found) -> float:
        if found.squared_error <= 0:
            return 0.0
        return found.squared_error / max(self.allowed, 1e-300)

    def better(self, one: Found, other: Found) -> bool:
        return len(one.stream) < len(other.stream)

    def missed(self) -> str:
        return "no quantisation step reaches the error that is asked for; nothing written"


class _SizeGoal(_Goal):
    slope = -0.6  # d log(bytes) / d log(step)
    window = (0.985, 0.9995)

    def __init__(self, problem: Problem, limit: int) -> None:
        super().__init__(problem)
        self.limit = max(limit, 1)
        self.first_step = _short(problem.spread() or problem.largest or 1.0)

    def ratio(self, found: Found) -> float:
        return len(found.stream) / self.limit

    def better(self, one: Found, other: Found) -> bool:
        return one.squared_error < other.squared_error

    def missed(self) -> str:
        return (
            f"the ratio asked for leaves {self.limit} bytes for the densities, which is too few at"
            " any quality; nothing written"
        )


def _goal_of(problem: Problem, settings: Settings, limit: int | None) -> _Goal:
    if limit is not None:
        return _SizeGoal(problem, limit)
    # A residual stream makes up for what the latents leave of a maximum error.
    return _ErrorGoal(problem, strict=settings.max_error is None)


def _short(step: float) -> float:
    """Five digits: more would only make the header longer."""
    return float(f"{step:.5g}")


class _Search:
    """Encodes one problem in any basis; solvers are kept."""

    def __init__(
        self,
        problem: Problem,
        settings: Settings,
        device: str,
        clock: Clock,
        reference: Reference | None = None,
    ) -> None:
        self._problem = problem
        self._reference = reference
        self._field = settings.field
        self._device = device
        self._clock = clock
        self._solver: tuple[Basis, Solver] | None = None
        self._fresh = False
        self._known: Tensor | None = None  # where the solver's last run led to
        self.effort = _EFFORTS[settings.effort]
        self.iterations = settings.field.iterations or self.effort.iterations
        self.improves = problem.counts is not None  # else there is nothing to choose
        self.solves = self.effort.solves if self.improves else 1
        self._passes = 1 if settings.effort == "fast" else _PASSES

    def bases(self) -> list[Basis]:
        """What is tried first, as far as the settings leave it open."""
        found = []
        for block, shape in self.effort.bases:
            basis = self._fixed(block, shape)
            if basis not in found:
                found.append(basis)
        return found

    def neighbours(self, best: Basis) -> list[Basis]:
        """What may be better still than the best of the first ones."""
        if len(self.effort.bases) == 1:
            return []
        found = []
        for block in _NEXT.get(best.block, ()):
            basis = self._fixed(block, best.shape)
            if basis not in found and basis != best:
                found.append(basis)
        return found

    def finest(self, basis: Basis) -> float:
        """The smallest step whose latents stay in range."""
        return max(self._problem.largest * 2 * basis.block**1.5 / MAX_LATENT, 1e-30)

    def _fixed(self, block: int, shape: str) -> Basis:
        if self._field.shape != "auto":
            shape = self._field.shape
        return Basis(self._field.block or block, shape, EDITIONS[-1])

    def _solver_of(self, basis: Basis) -> Solver:
        if self._solver is None or self._solver[0] != basis:
            self._solver = self._known = None  # not two of them at a time
            self._solver = (basis, Solver(self._problem, basis, self._device, self._emphasis()))
            self._fresh = True
        return self._solver[1]

    def _emphasis(self) -> Emphasis | None:
        field = self._field
        if field.weight_exponent == 0 and field.weight_factor == 1:
            return None
        return Emphasis(field.weight_exponent, field.weight_percentile, field.weight_factor)

    def encode_steps(self, basis: Basis, step: float, iterations: int) -> Steps[Found]:
        """Latents of one basis and one step."""
        yield from self.solve_steps(basis, step, iterations)
        return (yield from self.round_steps(basis, step))

    def solve_steps(
        self, basis: Basis, step: float, iterations: int, again: bool = False
    ) -> Steps[None]:
        """Latents that are not rounded yet; `again` begins with those found before."""
        yield Progress("fitting", 0, iterations, self._clock.seconds)
        give_back()
        solver = self._solver_of(basis)
        let_go(self._problem.data)
        given = None
        guess, _ = self._guess(solver, step)
        if guess is not None:
            given = solver.to_volume(guess, step)
            solver.begin_at(given)
        if self._fresh and self._emphasis() is not None:  # which errors are large is seen first
            for now in solver.solve(step * _BOUND, _GLANCE):
                latents = now
                yield Progress("fitting", 0, iterations, self._clock.seconds)
            solver.emphasise(latents)
            del latents, now
        self._fresh = False
        before, self._known, start = self._known if again else None, None, START
        if before is not None:
            start, iterations = AGAIN, math.ceil(_AGAIN_SHARE * iterations)
            if given is not None:
                before -= given
        solving = solver.solve(step * _BOUND, max(1, iterations), start, before)
        for number, now in enumerate(solving):
            latents = now
            yield Progress("fitting", number + 1, iterations, self._clock.seconds)
        self._known = solver.moved(latents)
        if given is not None:
            self._known += given

    def round_steps(self, basis: Basis, step: float, price: float = _PRICE) -> Steps[Found]:
        """The encoding of the solver's latents with some step."""
        yield Progress("rounding", 0, 1, self._clock.seconds)
        solver = self._solver_of(basis)
        guess, gains = self._guess(solver, step)
        wanted = self._known
        assert wanted is not None
        if guess is not None:
            wanted = wanted - solver.to_volume(guess, step)
        scaled = solver.to_blocks(wanted, FIRST_DEADZONE * step)
        del wanted
        give_back()
        scaled.latents[...] /= np.float32(step)
        np.clip(scaled.latents, -_LARGEST, _LARGEST, out=scaled.latents)
        whole = round_latents(scaled, basis.block, price, pretrained(basis.edition), self._passes)
        del scaled
        yield Progress("rounding", 1, 1, self._clock.seconds)
        total = whole if guess is None else added(whole, guess)
        error = self._squared_error(solver, total, step)
        config = self._config(basis, step)
        stream = pack_latents(whole, solver.window, solver.blocks, config, gains)
        yield Progress("coding", 1, 1, self._clock.seconds, bytes_so_far=len(stream))
        return Found(config, stream, error, not total.latents.any())

    def _guess(self, solver: Solver, step: float) -> tuple[Blocks | None, Ints | None]:
        """What the reference says of the latents, in steps, and its gains; None without one."""
        if self._reference is None:
            return None, None
        gains = self._reference.stored_gains(step)
        known = self._reference.latents.cut(solver.window, solver.grid, (0, 0, 0))
        guessed = predicted(known.latents, gains, solver.block)
        return Blocks(known.grid, known.numbers, guessed), gains

    def _squared_error(self, solver: Solver, latents: Blocks, step: float) -> float:
        """That of the voxels that integer latents decode to."""
        volume = solver.to_volume(latents, step)
        total = 0.0
        for region, voxels in solver.voxels(volume):
            total += self._problem.squared_error(as_decoded(voxels, step), region)
            let_go(self._problem.data)
        return total

    def _config(self, basis: Basis, step: float) -> FieldConfig:
        symmetry = self._problem.symmetry
        return FieldConfig(
            basis.edition,
            basis.block,
            basis.shape,
            tile_side(basis.block),
            step,
            self._problem.base,
            () if symmetry is None else symmetry.to_ints(),
            None if self._reference is None else self._reference.number,
        )
