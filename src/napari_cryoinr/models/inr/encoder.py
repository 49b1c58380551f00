"""From a problem to a stream that meets its goal: one training, and what is left to the goal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...progress import Clock, Plane, Progress, Steps
from ...support.memory import trim_heap
from ..shown_planes import ShownPlanes
from .costs import Latents, MapCosts, State
from .encoding import Coder, Encoding, Measured
from .settling import settled
from .training import solved, trained

_LATE = 0.8  # share of the training after which what meets the goal is kept
# What follows the training at least and at most: a share of its steps, and a number of them.
_MORE = ((0.1, 20), (0.6, 120))
_AIM = 0.993  # of what is allowed, when what is decoded is measured
_ATTEMPTS = 4
_CALIBRATED = (0.35, 0.55)  # of the training, when what is decoded is measured
_ENOUGH = 0.98
# Where a loss is further from its goal than rounding can change, some training follows: a share of
# all steps, and a number of them at most.
_FAR, _AGAIN, _MOST_AGAIN = (0.9, 1.04), 0.2, 100


@dataclass
class Work:
    """How far all training of a fit is, in steps of training."""

    clock: Clock
    planned: float
    planes: ShownPlanes
    done: float = 0.0
    enough: bool = False  # whether the caller takes what there is
    exponent: int = 0  # of two, which the densities of the map are multiplied by less

    def record(self, phase: str, step: int, steps: int, state: State) -> Progress:
        """Return a record."""
        loss = state.worst if math.isfinite(state.worst) else None
        size = int(state.bits / 8) if math.isfinite(state.bits) else 0
        share = min(self.done / max(self.planned, 1), 0.99)
        return Progress(
            phase, step, steps, self.clock.seconds, loss=loss, bytes_so_far=size, share=share
        )

    def with_plane(
        self, record: Progress, costs: MapCosts, latents: Latents, by: Coder
    ) -> Progress:
        """Return a record with the middle plane of the map, where it is time for one."""

        def plane() -> Plane:
            steps = [step * costs.unit for step in costs.steps]
            correction = () if costs.corrector is None else costs.corrector.groups()
            levels = by.pyramid.whole(costs.rounded(latents))
            z = by.problem.shape[0] // 2
            densities = by.plane(z, levels, steps, correction, costs.unit)
            return Plane(z, np.ldexp(densities, self.exponent))

        return self.planes.added(record, plane)


class Encoder:
    """Encodes one problem on one pyramid.

    `budget` are the bytes that the stream may take, where that is the goal.
    """

    def __init__(self, costs: MapCosts, work: Work, budget: int | None = None) -> None:
        self.costs, self._work, self._budget = costs, work, budget

    def trained_steps(
        self, steps: int, whole: bool = True, coder: Coder | None = None
    ) -> Steps[tuple[Latents, State]]:
        """Train; return latents, of those that meet the goal the ones with the fewest bits.

        Unless `whole`, the last part is left out, which brings the goal near. With a coder, what is
        decoded is measured on the way, where that may differ from what is trained.
        """
        costs, work = self.costs, self._work
        none = State(math.inf, math.inf)
        trim_heap()  # much was made while the costs were
        latents = costs.zero()
        costs.choose_steps(latents)
        for found in solved(costs):
            latents = found
            yield work.record("fitting", 0, steps, none)
        budget = None if self._budget is None else 8.0 * self._budget
        least, most = (min(round(share * steps), limit) if whole else 0 for share, limit in _MORE)
        best: tuple[Latents, State] | None = None
        differs = coder is not None and not costs.exact and budget is None
        calibrations = {round(share * steps) for share in _CALIBRATED if differs}
        training = trained(costs, latents, steps, most, budget)
        now = next(training, None)
        while now is not None:
            latents, state = now.latents, now.state
            work.done += 1
            record = work.record("training", min(now.step, steps), steps, state)
            if coder is not None:
                record = work.with_plane(record, costs, latents, coder)
            if (yield record):
                work.enough = True
            if coder is not None and now.step in calibrations:
                costs.calibrate(latents, self._measured(latents, coder).losses)
            better = best is None or self._rank(state) < self._rank(best[1])
            if now.step > _LATE * steps and self._fits(state) and better:
                best = [v.detach().clone() for v in latents], state
            if best is not None and now.step >= steps + least:
                break
            try:
                now = training.send(work.enough)
            except StopIteration:
                now = None
        return best or ([v.detach() for v in latents], costs.look(latents))

    def _fits(self, state: State) -> bool:
        return state.worst <= 1 if self._budget is None else state.bits <= 8 * self._budget

    def _rank(self, state: State) -> float:
        return state.bits if self._budget is None else state.worst

    def whole_steps(self, steps: int, coder: Coder) -> Steps[Encoding]:
        """Train, bring the latents to the goal, and code them."""
        latents, _ = yield from self.trained_steps(steps, coder=coder)
        trim_heap()
        return (yield from self.encoded_steps(latents, coder, steps))

    def trial_steps(self, steps: int) -> Steps[float]:
        """Train for a short time; return the bits that the goal would take about."""
        latents, state = yield from self.trained_steps(steps, whole=False)
        state = self.costs.look(latents)
        if self._budget is not None:  # what counts is the error
            return math.log(max(state.worst, 1e-30)) + state.bits / (8 * self._budget)
        # At the best, a price is what a loss costs in bits.
        losses = self.costs.losses[: self.costs.goals].clamp_min(1e-3)
        missing = self.costs.prices[: self.costs.goals] * losses * losses.log()
        return state.bits + float(missing.clamp_min(0).sum() + missing.clamp_max(0).min())

    def settled_steps(self, latents: Latents, allowed: float) -> Steps[Latents]:
        """Bring latents to a loss, unless the size is the goal; return them, rounded."""
        if self._budget is None:
            for found, state in settled(self.costs, latents, allowed):
                latents = found
                yield self._work.record("rounding", 0, 1, state)
        return latents

    def encoded_steps(self, latents: Latents, coder: Coder, steps: int) -> Steps[Encoding]:
        """Bring latents to the goal, code them, and measure what is decoded.

        What is measured differs a little from what was trained, which is then corrected.
        """
        best: Measured | None = None
        for attempt in range(_ATTEMPTS):
            latents = yield from self.settled_steps(latents, _AIM if attempt else 1.0)
            found = self._measured(latents, coder)
            if best is None or found.rank < best.rank:
                best = found
            if self._budget is not None or _ENOUGH <= found.loss <= 1:
                break
            if attempt + 1 == _ATTEMPTS:
                break
            self.costs.calibrate(latents, found.losses)
            if not _FAR[0] <= found.loss <= _FAR[1] and not self._work.enough:
                latents = yield from self._retrained_steps(latents, steps)
        assert best is not None
        encoding = coder.encode(best)
        yield self._work.record("coding", 1, 1, State(best.loss, 8.0 * len(encoding.stream)))
        return encoding

    def _retrained_steps(self, latents: Latents, steps: int) -> Steps[Latents]:
        """Return latents after the last part of their training once more."""
        last = max(1, min(round(_AGAIN * steps), _MOST_AGAIN))
        for now in trained(self.costs, latents, steps, last, first=steps - last):
            latents = now.latents
            reached = now.step >= steps and now.state.worst <= 1
            step = min(now.step, steps)
            if (yield self._work.record("training", step, steps, now.state)) or reached:
                break
        return [v.detach() for v in latents]

    def _measured(self, latents: Latents, coder: Coder) -> Measured:
        costs = self.costs
        correction = () if costs.corrector is None else costs.corrector.groups()
        levels = coder.pyramid.whole(costs.rounded(latents))
        steps = [step * costs.unit for step in costs.steps]
        return coder.measured(levels, steps, costs.network, correction, costs.unit)
