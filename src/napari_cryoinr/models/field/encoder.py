"""Encodings of one problem in one basis: the solver's latents, rounded and coded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...progress import Clock, Progress, Steps
from ...support.array_types import Float32Array, Float64Array, Int64Array, Region
from ...support.memory import trim_heap
from ...support.regions import whole_region
from ..problem import Problem
from ..separable_sums import MAX_LATENT
from ..shell_measure import ShellMeasure
from .band_steps import CUBIC, UNIT, bands_of, factors_of
from .blocks import Blocks, sum_of
from .field_settings import FieldConfig, FieldSettings
from .lapped import Basis, as_decoded
from .latent_stream import Latents, blocks_of, pack_latents, tile_side
from .pretrained import pretrained
from .reference_map import Reference, predicted
from .rounding import FIRST_DEADZONE, round_latents
from .solver import Solver

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_STEP = 1e-30  # far below what densities of 1e-15 need
_NARROW = 0.2  # of a step: frequencies without latents above it are left out
BOUND = 0.35  # of the solver, in steps: what the quantiser sets to zero
PRICE = 0.12  # of a bit, in squared steps: the slope of the uniform quantiser, (2 ln 2) / 12
ROUNDING_WORK = 20  # iterations of the solver that take as long as rounding and coding
AGAIN_SHARE = 0.5  # of the iterations, where there are latents to begin with
_NEVER = 1e30  # factor of latents that have no step
_GLANCE = 30  # iterations that show which errors are large


@dataclass(frozen=True, eq=False)
class Encoding:
    """An encoding of a map.

    `squared_error` is the weighted one of what it decodes to, or the largest loss of a shell.
    `estimate` is about how many bytes the stream takes, from the costs of the rounding.
    """

    config: FieldConfig
    squared_error: float
    empty: bool
    estimate: float
    pack: Callable[[], bytes]

    @cached_property
    def stream(self) -> bytes:
        """The coded latents; coded when they are first asked for."""
        return self.pack()

    def as_reference(self, number: int, shape: tuple[int, int, int]) -> Reference:
        """Return this encoding, of member `number`, as the reference of other maps."""
        grid = whole_region(blocks_of(shape, self.config.block))
        return Reference(number, self.config, Latents(self.stream, self.config, shape).read(grid))


@dataclass
class Work:
    """How far a search is, in iterations of the solver."""

    clock: Clock
    planned: float
    done: float = 0.0

    def progress(self, phase: str, step: int, steps: int, work: float, **more: Any) -> Progress:
        """Return a record after some work."""
        self.done += work
        share = min(self.done / self.planned, 0.99)
        return Progress(phase, step, steps, self.clock.seconds, share=share, **more)


class Encoder:
    """Encodes one problem in one basis.

    Parameters
    ----------
    passes : how often latents are rounded, each time with the costs that follow from the last.
    narrow : whether frequencies are left out that the map itself hardly has.
    reference : a map whose latents predict these, and the gains for that.
    measure : the losses of Fourier shells, where these are the goal: the largest takes the place
        of the squared error.
    """

    def __init__(
        self,
        problem: Problem,
        basis: Basis,
        device: str,
        own: FieldSettings,
        passes: int,
        work: Work,
        reference: tuple[Reference, Float64Array] | None = None,
        measure: ShellMeasure | None = None,
        *,
        narrow: bool = False,
    ) -> None:
        self._problem = problem
        self._narrow = narrow and reference is None
        self._measure = measure
        self._codes: tuple[int, ...] = ()  # of the steps of the bands
        self._factors: Float32Array | None = None
        self._basis = basis
        self._own = own
        self._passes = passes
        self._work = work
        self._reference = reference
        self._solver = Solver(problem, basis, device, own)
        self._latents: Tensor | None = None  # of the solver's last run
        self._rounded: tuple[Blocks, Tensor] | None = None  # what was made of them
        self.exact = self._solver.exact
        self.finest = max(problem.largest * 2 * basis.block**1.5 / MAX_LATENT, SMALLEST_STEP)

    def set_band_steps(self, codes: tuple[int, ...]) -> None:
        """Set the step of each band, see `band_steps`; latents beyond them are left out."""
        assert self._measure is not None
        block, aspect = self._basis.block, self._measure.aspect
        factors = factors_of(block, codes, aspect) / UNIT
        beyond = bands_of(block, aspect) >= len(codes)
        factors[beyond] = _NEVER
        if self._latents is None:
            within = np.nonzero(~beyond.reshape(block, block, block))
            self._solver.keep(1 + max(int(axis.max()) for axis in within))
        self._codes, self._factors = codes, factors.astype(np.float32)
        self._solver.set_factors(self._factors)

    def rounding_noise_steps(self, sample: int | None) -> Steps[tuple[Float64Array, Int64Array]]:
        """Measure what the last rounding did in each band.

        Parameters
        ----------
        sample : voxels along the sides of a cube in the middle of the map that stands for all of
            it; None measures all.

        Returns
        -------
        The loss that its error alone stands for in each shell, up to a factor of each shell, shape
        (shells, bands), and how many latents are not zero.
        """
        assert self._measure is not None and self._rounded is not None
        assert self._latents is not None
        blocks, volume = self._rounded
        wrong = volume - self._latents
        band = bands_of(self._basis.block, self._measure.aspect)
        base = np.float32(self._problem.base)
        cube = None if sample is None or self._problem.symmetry else self._middle(sample)
        noise, counts = [], []
        for number in range(len(self._codes)):
            yield self._work.progress("measuring", number, len(self._codes), 0)
            alone = self._solver.only(wrong, band == number)
            if cube is None:
                error = self._problem.whole(self._solver.voxels(alone))
                noise.append(self._measure.noise(error - base))
            else:
                error = self._solver.voxels_in(alone, cube)
                noise.append(self._measure.noise_in(error, cube))
            counts.append(np.count_nonzero(blocks.latents[:, band == number]))
        return np.stack(noise, axis=1), np.array(counts)

    def _middle(self, side: int) -> Region:
        """Return a cube in the middle of the voxels with a weight, or all of them if these fit."""
        z, y, x = (
            slice(start := max(0, (p.start + p.stop - side) // 2), min(n, start + side))
            for p, n in zip(self._problem.box, self._problem.shape, strict=True)
        )
        return z, y, x

    def encode_steps(self, step: float, iterations: int) -> Steps[Encoding]:
        """Run the solver and round its latents."""
        yield from self._solve_steps(step, iterations)
        return (yield from self.round_steps(step))

    def _solve_steps(self, step: float, iterations: int) -> Steps[None]:
        """Find latents for a step; further runs begin with those found before."""
        yield self._work.progress("fitting", 0, iterations, 0)
        trim_heap()
        solver, own, before = self._solver, self._own, self._latents
        self._latents = None
        if self._narrow and before is None and not solver.exact:
            solver.narrow(step * _NARROW)
        if before is not None:
            iterations = max(1, math.ceil(AGAIN_SHARE * iterations))
        elif own.weight_factor != 1:  # which errors are large is seen first
            for now in solver.solve(step * BOUND, _GLANCE):
                glanced = now
                yield self._work.progress("fitting", 0, iterations, 0)
            solver.emphasise(glanced, own.weight_percentile, own.weight_factor)
            del glanced, now
        guess, _ = self._guess(step)
        known = None if guess is None else solver.to_volume(guess, step)
        solving = solver.solve(step * BOUND, iterations, before, known)
        for number, now in enumerate(solving):
            latents = now
            yield self._work.progress("fitting", number + 1, iterations, 1)
        self._latents = solver.moved(latents)

    def round_steps(self, step: float, price: float = PRICE) -> Steps[Encoding]:
        """Round the solver's latents with some step, and code them."""
        yield self._work.progress("rounding", 0, 1, 0)
        solver, basis, latents = self._solver, self._basis, self._latents
        assert latents is not None
        guess, gains = self._guess(step)
        if guess is not None:
            latents = latents - solver.to_volume(guess, step)
        scaled = solver.to_blocks(latents, step, FIRST_DEADZONE)
        del latents
        trim_heap()
        largest = MAX_LATENT - 1 if self._factors is None else MAX_LATENT / (UNIT * self._factors)
        np.clip(scaled.latents, -largest, largest, out=scaled.latents)
        trained = pretrained(basis.edition)
        rounded = round_latents(scaled, basis.block, price, trained, self._passes)
        del scaled
        yield self._work.progress("rounding", 1, 1, 0)
        total = rounded if guess is None else sum_of([rounded, guess])
        volume = solver.to_volume(total, step)
        if self._measure is None:
            error = sum(
                self._problem.squared_error(as_decoded(voxels, step), region)
                for region, voxels in solver.voxels(volume)
            )
            loss = error / max(self._problem.total, 1.0)
        else:
            self._rounded = rounded, volume
            error = loss = self._measure.measure(self._problem.whole(solver.voxels(volume)))
        symmetry = self._problem.symmetry
        config = FieldConfig(
            basis.edition,
            basis.block,
            basis.shape,
            tile_side(basis.block, self._problem.shape),
            step,
            self._problem.base,
            () if symmetry is None else symmetry.to_ints(),
            self._codes,
            CUBIC if self._measure is None else self._measure.aspect,
            None if self._reference is None else self._reference[0].number,
        )

        def pack() -> bytes:
            return pack_latents(rounded, solver.window, solver.blocks, config, gains)

        yield self._work.progress("coding", 1, 1, ROUNDING_WORK, loss=loss)
        return Encoding(config, error, not total.latents.any(), rounded.charge / price / 8, pack)

    def _guess(self, step: float) -> tuple[Blocks | None, Int64Array | None]:
        """Return the latents that the reference predicts, in steps, and the gains as stored."""
        if self._reference is None:
            return None, None
        reference, gains = self._reference
        stored = reference.stored_gains(gains, step)
        known = reference.latents.regrid(whole_region(self._solver.blocks), self._solver.window)
        guess = predicted(known.latents, stored, self._basis.block)
        return Blocks(known.grid, known.numbers, guess), stored
