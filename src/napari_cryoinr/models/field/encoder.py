"""Encodings of one problem: some basis, some step, as much work as the effort allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...progress import Clock, Progress, Steps
from ...support.memory import trim_heap
from ..base import FitRequest
from .blocks import Blocks, added
from .field_config import FieldConfig
from .field_settings import FieldSettings
from .frequency_shells import Ints
from .lapped import MAX_LATENT, Basis, as_decoded
from .latent_stream import Latents, blocks_of, pack_latents, tile_side
from .pretrained import EDITIONS, pretrained
from .problem import Problem
from .rates import FIRST_DEADZONE, round_latents
from .reference_map import Reference, predicted
from .solver import Emphasis, Solver

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Effort:
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


EFFORTS = {
    "fast": Effort(((8, "sharp"),), 0, 40, 1, 1),
    "balanced": Effort(((8, "sharp"), (6, "sharp"), (12, "sharp")), 30, 200, 2, 4),
    "best": Effort(
        tuple((block, shape) for block in (4, 6, 8, 10, 12, 16) for shape in ("smooth", "sharp")),
        60,
        800,
        3,
        8,
    ),
}
_NEXT = {8: (10,), 6: (4,), 12: (10, 16)}  # neighbours of the best of them, tried next

SMALLEST_STEP = 1e-30  # far below what densities of 1e-15 need
BOUND = 0.35  # of the solver, in steps: what the quantiser sets to zero
PRICE = 0.12  # of a bit, in squared steps: the slope of the uniform quantiser, (2 ln 2) / 12
_PASSES = 2
_AGAIN_SHARE = 0.5  # of the iterations, where there are latents to begin with
_GLANCE = 30  # iterations that show which errors are large
_LARGEST = MAX_LATENT - 1
_USUAL_LANDINGS = 4  # encodings until the step alone has met the goal
_ROUNDING_WORK = 20  # iterations of the solver that take as long as rounding and coding
_SIZE_SLOPE = -0.3  # d log(bytes) / d log(squared error), between trials of one map


@dataclass(frozen=True, eq=False)
class Encoding:
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
        """This encoding, of member `number`, as the reference of other maps."""
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


class Encoder:
    """Encodes one problem in any basis; solvers are kept."""

    def __init__(
        self,
        problem: Problem,
        request: FitRequest,
        device: str,
        clock: Clock,
        reference: Reference | None = None,
    ) -> None:
        self._problem = problem
        self._reference = reference
        self._own: FieldSettings = request.own
        self._device = device
        self._clock = clock
        self._solver: tuple[Basis, Solver] | None = None
        self._fresh = False
        self._known: Tensor | None = None  # where the solver's last run led to
        self.effort = EFFORTS[request.effort]
        self.iterations = self._own.iterations or self.effort.iterations
        self.improves = problem.counts is not None  # else there is nothing to choose
        wanted = self._own.solves or self.effort.solves
        self.solves = wanted if self.improves else 1
        self._passes = 1 if request.effort == "fast" else _PASSES
        self._work_done, self._work_planned = 0.0, self._work()

    def _work(self) -> float:
        """Of a usual search, in iterations of the solver."""
        effort, trials = self.effort, 0
        if effort.trial and self._own.block is None:
            trials = len(self.bases()) + 1 + max(map(len, _NEXT.values()))
        solves = 1 + _AGAIN_SHARE * (self.solves - 1)
        usual = solves * self.iterations + (self.solves + _USUAL_LANDINGS) * _ROUNDING_WORK
        return trials * (effort.trial + _ROUNDING_WORK) + effort.finalists * usual

    def _progress(self, phase: str, step: int, steps: int, work: float, **more: Any) -> Progress:
        self._work_done += work
        share = min(self._work_done / self._work_planned, 0.99)
        return Progress(phase, step, steps, self._clock.seconds, share=share, **more)

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
        return max(self._problem.largest * 2 * basis.block**1.5 / MAX_LATENT, SMALLEST_STEP)

    def _fixed(self, block: int, shape: str) -> Basis:
        if self._own.shape != "auto":
            shape = self._own.shape
        return Basis(self._own.block or block, shape, EDITIONS[-1])

    def _solver_of(self, basis: Basis) -> Solver:
        if self._solver is None or self._solver[0] != basis:
            self._solver = self._known = None  # not two of them at a time
            self._solver = (basis, Solver(self._problem, basis, self._device, self._emphasis()))
            self._fresh = True
        return self._solver[1]

    def _emphasis(self) -> Emphasis | None:
        field = self._own
        if field.weight_exponent == 0 and field.weight_factor == 1:
            return None
        return Emphasis(field.weight_exponent, field.weight_percentile, field.weight_factor)

    def encode_steps(self, basis: Basis, step: float, iterations: int) -> Steps[Encoding]:
        """Latents of one basis and one step."""
        yield from self.solve_steps(basis, step, iterations)
        return (yield from self.round_steps(basis, step))

    def solve_steps(
        self, basis: Basis, step: float, iterations: int, again: bool = False
    ) -> Steps[None]:
        """Latents that are not rounded yet; `again` begins with those found before."""
        yield Progress("fitting", 0, iterations, self._clock.seconds)
        trim_heap()
        solver = self._solver_of(basis)
        given = None
        guess, _ = self._guess(solver, step)
        if guess is not None:
            given = solver.to_volume(guess, step)
            solver.begin_at(given)
        if self._fresh and self._emphasis() is not None:  # which errors are large is seen first
            for now in solver.solve(step * BOUND, _GLANCE):
                latents = now
                yield Progress("fitting", 0, iterations, self._clock.seconds)
            solver.emphasise(latents)
            del latents, now
        self._fresh = False
        before, self._known = self._known if again else None, None
        if before is not None:
            iterations = math.ceil(_AGAIN_SHARE * iterations)
            if given is not None:
                before -= given
        solving = solver.solve(step * BOUND, max(1, iterations), before)
        for number, now in enumerate(solving):
            latents = now
            yield self._progress("fitting", number + 1, iterations, 1)
        self._known = solver.moved(latents)
        if given is not None:
            self._known += given

    def round_steps(self, basis: Basis, step: float, price: float = PRICE) -> Steps[Encoding]:
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
        trim_heap()
        scaled.latents[...] /= np.float32(step)
        np.clip(scaled.latents, -_LARGEST, _LARGEST, out=scaled.latents)
        whole = round_latents(scaled, basis.block, price, pretrained(basis.edition), self._passes)
        del scaled
        yield Progress("rounding", 1, 1, self._clock.seconds)
        total = whole if guess is None else added(whole, guess)
        error = self._squared_error(solver, total, step)
        config = self._config(basis, step)
        stream = pack_latents(whole, solver.window, solver.blocks, config, gains)
        yield self._progress(
            "coding",
            1,
            1,
            _ROUNDING_WORK,
            loss=error / max(self._problem.total, 1.0),
            bytes_so_far=len(stream),
        )
        return Encoding(config, stream, error, not total.latents.any())

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
