"""From a problem to a stream that meets its goal: one training, and what is left to the goal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...coding.varints import to_varint
from ...progress import Clock, Progress, Steps, drain
from ...support.array_types import AnyArray, Int64Array
from ...support.regions import whole_region
from ..problem import Problem
from ..shell_measure import ShellMeasure
from .context_model import ContextModel
from .costs import Latents, State
from .inr_settings import InrConfig, InrSettings
from .latent_stream import pack_latents
from .parameters import changed, pack_numbers
from .pretrained import EDITIONS, pretrained
from .pyramid import Pyramid, costs_of, unit_of
from .rate import CHANGE_BITS, ContextNetwork
from .reference import Reference
from .representation import InrRepresentation
from .settling import settled
from .training import solved, trained

_LATE = 0.8  # share of the training after which what meets the goal is kept
# What follows the training at least and at most: a share of its steps, and a number of them.
_MORE = ((0.1, 20), (0.6, 120))
_AIM = 0.993  # of what is allowed, when what is decoded is measured
_ATTEMPTS = 4
_ENOUGH = 0.98


@dataclass(frozen=True, eq=False)
class Encoding:
    """An encoding of a map.

    `loss` is the largest one of a shell, or the squared error, as a share of what is allowed.
    """

    config: InrConfig
    stream: bytes
    loss: float

    @property
    def meets(self) -> bool:
        """Whether the goal is met."""
        return self.loss <= 1


@dataclass
class Work:
    """How far all training of a fit is, in steps of training."""

    clock: Clock
    planned: float
    done: float = 0.0
    enough: bool = False  # whether the caller takes what there is

    def record(self, phase: str, step: int, steps: int, state: State) -> Progress:
        """Return a record."""
        loss = state.worst if math.isfinite(state.worst) else None
        size = int(state.bits / 8) if math.isfinite(state.bits) else 0
        share = min(self.done / max(self.planned, 1), 0.99)
        return Progress(
            phase, step, steps, self.clock.seconds, loss=loss, bytes_so_far=size, share=share
        )


class Encoder:
    """Encodes one problem on one pyramid.

    Parameters
    ----------
    budget : bytes that the stream may take, where that is the goal.
    corrects : whether a network corrects the sums of the levels.
    own : says how errors are weighted.
    reference : an earlier member that tells about this one.
    """

    def __init__(
        self,
        problem: Problem,
        measure: ShellMeasure | None,
        pyramid: Pyramid,
        device: str,
        seed: int,
        work: Work,
        budget: int | None = None,
        *,
        corrects: bool = False,
        own: InrSettings | None = None,
        reference: Reference | None = None,
    ) -> None:
        self._problem, self._measure, self._pyramid = problem, measure, pyramid
        self._reference = reference
        self._known = pretrained() if reference is None else reference.representation.contexts
        self._work, self._budget = work, budget
        self._unit = unit_of(problem)
        network = ContextNetwork.from_integers(self._known.network)
        self._costs = costs_of(
            problem,
            measure,
            pyramid,
            network,
            device,
            seed,
            corrects=corrects,
            own=own,
            reference=reference,
        )

    def trained_steps(self, steps: int, whole: bool = True) -> Steps[tuple[Latents, State]]:
        """Train; return latents, of those that meet the goal the ones with the fewest bits.

        Unless `whole`, the last part is left out, which brings the goal near.
        """
        costs, work = self._costs, self._work
        none = State(math.inf, math.inf)
        latents = costs.zero()
        costs.choose_steps(latents)
        for found in solved(costs):
            latents = found
            yield work.record("fitting", 0, steps, none)
        budget = None if self._budget is None else 8.0 * self._budget
        least, most = (min(round(share * steps), limit) if whole else 0 for share, limit in _MORE)
        best: tuple[Latents, State] | None = None
        training = trained(costs, latents, steps, most, budget)
        now = next(training, None)
        while now is not None:
            latents, state = now.latents, now.state
            work.done += 1
            if (yield work.record("training", min(now.step, steps), steps, state)):
                work.enough = True
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

    def trial_steps(self, steps: int) -> Steps[float]:
        """Train for a short time; return the bits that the goal would take about."""
        latents, state = yield from self.trained_steps(steps, whole=False)
        state = self._costs.look(latents)
        if self._budget is not None:  # what counts is the error
            return math.log(max(state.worst, 1e-30)) + state.bits / (8 * self._budget)
        # At the best, a price is what a loss costs in bits.
        losses = self._costs.losses[: self._costs.goals].clamp_min(1e-3)
        missing = self._costs.prices[: self._costs.goals] * losses * losses.log()
        return state.bits + float(missing.clamp_min(0).sum() + missing.clamp_max(0).min())

    def encoded_steps(self, latents: Latents) -> Steps[Encoding]:
        """Bring latents to the goal, code them, and measure what is decoded."""
        best: Encoding | None = None
        allowed = 1.0
        for _ in range(_ATTEMPTS):
            if self._budget is None:
                for found, state in settled(self._costs, latents, allowed):
                    latents = found
                    yield self._work.record("rounding", 0, 1, state)
            encoding = self._encode(latents)
            size = len(encoding.stream)
            yield self._work.record("coding", 1, 1, State(encoding.loss, 8.0 * size))
            if best is None or _rank(encoding) < _rank(best):
                best = encoding
            if self._budget is not None or _ENOUGH <= encoding.loss <= 1:
                break
            # What is measured differs a little from what is trained.
            allowed *= min(max(_AIM / max(encoding.loss, 1e-3), 0.8), 1.25)
        assert best is not None
        return best

    def _encode(self, latents: Latents) -> Encoding:
        problem, pyramid, costs = self._problem, self._pyramid, self._costs
        levels = pyramid.whole(costs.rounded(latents))
        known, reference = self._known, self._reference
        own = [] if costs.corrector is None else costs.corrector.groups()
        # What was learned of this map is stored where it pays.
        stream, contexts, lattice = self._packed(levels, known, own), 0, pyramid.lattices[0]
        change = costs.network.changes()
        packed = self._packed(levels, changed(known, change, CHANGE_BITS), [*own, *change])
        if len(packed) < len(stream):
            stream, contexts = packed, CHANGE_BITS
        config = InrConfig(
            EDITIONS[-1],
            lattice.spacing,
            lattice.degree,
            tuple(_short(step * self._unit) for step in costs.steps),
            problem.base,
            synthesis=self._unit if costs.corrector is not None else 0.0,
            contexts=contexts,
            reference=None if reference is None else reference.number,
            gains=() if reference is None else reference.gains,
        )
        return Encoding(config, stream, self._loss(config, stream))

    def _packed(
        self, levels: Sequence[AnyArray], model: ContextModel, groups: Sequence[Int64Array]
    ) -> bytes:
        """Return the stream of latents, behind groups of the numbers of networks."""
        lattice, tiles = self._pyramid.lattices[0], self._pyramid.map_tiles
        stream = pack_latents(levels, tiles, lattice.first, model, lattice.degree)
        if not groups:
            return stream
        packed = pack_numbers(groups, model.tables)
        return to_varint(len(packed)) + packed + stream

    def _loss(self, config: InrConfig, stream: bytes) -> float:
        problem = self._problem
        known = None
        if self._reference is not None:
            known = self._reference.representation
            config = replace(config, gains=self._reference.scaled_gains)
        made = InrRepresentation(config, stream, problem.shape, known)
        if self._measure is not None:
            region = whole_region(problem.shape)
            decoded = drain(made.region_steps(region, None, Clock())) - np.float32(problem.base)
            return self._measure.measure(problem.whole([(region, decoded)]))
        voxels = drain(made.region_steps(problem.box, None, Clock()))
        error = problem.squared_error(voxels - np.float32(problem.base), problem.box)
        return error / max(problem.allowed or 0.0, 1e-300)


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _rank(encoding: Encoding) -> tuple[bool, float]:
    return not encoding.meets, len(encoding.stream) if encoding.meets else encoding.loss
