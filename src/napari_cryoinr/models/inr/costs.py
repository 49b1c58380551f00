"""What latents of one map cost: the error of what they decode to, and their bits.

Latents are held as one vector for each level, of the nodes that can have any, in steps of their
level. Every Fourier shell, or the only squared error, has a price in bits for a loss of 1, which is
what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...support.array_types import (
    AnyArray,
    BoolArray,
    Float32Array,
    Float64Array,
    Int32Array,
    Region,
)
from ...support.regions import relative_to
from ..separable_sums import MAX_LATENT
from .rate import ContextNetwork, Rate, bits_of
from .synthesis import SumNetwork, Synthesis
from .tiles import Tile

Latents = list[Tensor]

PRICE = 0.15  # of a bit, in squared steps
_CALIBRATION = (0.5, 4.0)  # by which losses are corrected at a time
_COARSER = 0.7  # the few coarse latents have finer steps: low shells depend on them
# With white noise a loss falls as 2^(-2 bits) for each coefficient that is free.
_PER_COEFFICIENT = 1 / (2 * math.log(2))


class Loss(Protocol):
    """What `losses` has: the losses of voxels of a box, by shell."""

    freedom: Tensor
    range: list[tuple[float, float]]
    goals: int
    exact: bool

    def __call__(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (loss of each shell, what voxels outside cost in bits)."""

    def judged(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell as it is to be measured, which may have no slope."""

    def quadratic(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell that an error of these voxels stands for."""

    def lacking(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell for the whole error, quadratic in the voxels."""


@dataclass(frozen=True)
class State:
    """What rounded latents are worth: the largest loss of a shell, and their bits."""

    worst: float
    bits: float


class MapCosts:
    """Costs of the latents of one map.

    Parameters
    ----------
    synthesis, loss : of a box.
    tiles : of the nodes of the windows, cut to them.
    windows : nodes of each level that have arrays.
    active : which of them have latents.
    reach : how much of each one's function counts.
    degree : of the splines.
    network : the context network.
    corrects : whether a network corrects the sums of the levels.
    predicted : what is added to these in the voxels of the box, if anything.
    steps : of the levels, where they are given and do not change.

    Attributes
    ----------
    unit : density that is 1 for the loss.
    prices : of the shells, in bits; they change in place.
    losses : of the shells, of the rounded latents that were looked at last.
    goals : how many of the shells, the first ones, have to lose no more than is allowed.
    exact : whether losses are what is measured of a decoded map, about; else they are corrected.
    steps : of the levels, in the unit of the loss.
    corrector : the network that corrects the sums of the levels, or None.
    """

    def __init__(
        self,
        synthesis: Synthesis,
        loss: Loss,
        tiles: Sequence[Tile],
        windows: Sequence[Region],
        active: Sequence[BoolArray],
        reach: Sequence[Float32Array],
        degree: int,
        network: ContextNetwork,
        device: str,
        seed: int,
        *,
        unit: float = 1.0,
        corrects: bool = False,
        predicted: Float32Array | None = None,
        steps: Sequence[float] | None = None,
    ) -> None:
        self._synthesis, self._loss, self.device = synthesis, loss, device
        self._shapes = synthesis.shapes
        self._places = [torch.from_numpy(np.flatnonzero(a)).to(device) for a in active]
        self.counts = [len(p) for p in self._places]
        self._reach = [
            torch.from_numpy(r[a]).to(device) for r, a in zip(reach, active, strict=True)
        ]
        starts = np.cumsum([0, *self.counts[:-1]])
        numbers = [_numbered(a, int(start)) for a, start in zip(active, starts, strict=True)]
        of_tiles = [
            [
                own[relative_to(region, window)]
                for own, region, window in zip(numbers, tile.regions, windows, strict=True)
            ]
            for tile in tiles
        ]
        self._predicted = 0.0 if predicted is None else torch.from_numpy(predicted).to(device)
        self._rate = Rate(tiles, of_tiles, self.counts, degree, device)
        self.network = network.to(device)
        self.dice = torch.Generator(device=device).manual_seed(seed)
        self.corrector = SumNetwork(len(active), device, self.dice) if corrects else None
        self.goals, self.exact = loss.goals, loss.exact
        self.prices = loss.freedom * _PER_COEFFICIENT
        ranges = torch.tensor(loss.range, device=device).T * self.prices
        self._least, self._most = ranges[0], ranges[1]
        self.unit, self._given = unit, steps is not None
        self.steps = [1.0] * len(self.counts) if steps is None else list(steps)
        self._steps = torch.tensor(self.steps, device=device)
        self.losses = torch.ones_like(self.prices)
        self._factors = torch.ones_like(self.prices)

    def zero(self) -> Latents:
        """Return latents that are all zero."""
        return [torch.zeros(n, device=self.device) for n in self.counts]

    def choose_steps(self, latents: Latents) -> None:
        """Choose the step of each level by the prices; latents change to the new steps in place.

        A squared error of `PRICE` steps costs a bit. Steps that were given stay.
        """
        if self._given:
            return
        steps = []
        for level in range(len(self.counts)):
            curve = float(self._curve(level, 1.0)) / max(self.counts[level], 1)
            steps.append(_COARSER**level / math.sqrt(max(PRICE * curve, 1e-30)))
        with torch.no_grad():
            for values, old, new in zip(latents, self.steps, steps, strict=True):
                values *= old / new
        self.steps = steps
        self._steps.copy_(torch.tensor(steps))

    def curves(self) -> Latents:
        """Return half the second derivative of the error's price by each latent, about."""
        out = []
        for level, reach in enumerate(self._reach):
            curve = self._curve(level, self.steps[level])
            # The same for all but what the mask takes off.
            out.append(curve / reach.sum().clamp_min(1e-9) * reach)
        return out

    def follow(self, power: float, aim: float) -> None:
        """Change the prices by how far the losses are from an aim."""
        change = (self.losses.clamp_min(1e-6) / aim) ** power
        self.prices.mul_(change.clamp(0.5, 2)).clamp_(self._least, self._most)

    def scale_prices(self, factor: float) -> None:
        """Multiply all prices."""
        for own in (self.prices, self._least, self._most):
            own *= factor

    def calibrate(self, latents: Latents, measured: Float64Array) -> None:
        """From now on, let the losses of the goals be what was measured for these latents."""
        self.look(latents)
        found = torch.from_numpy(np.atleast_1d(measured)).to(self.losses)
        change = found / self.losses[: self.goals].clamp_min(1e-6)
        self._factors[: self.goals] *= change.clamp(*_CALIBRATION)

    def look(self, latents: Latents) -> State:
        """Measure latents, rounded."""
        with torch.no_grad():
            hard = [torch.round(v) for v in latents]
            self.losses = self._factors * self._loss.judged(self._voxels(self.dense(hard)))
            bits = self.bits(hard) + self.network.change_bits()
        return State(float(self.losses[: self.goals].max()), float(bits))

    def error_price(self, latents: Latents) -> Tensor:
        """Return what the error of latents costs in bits."""
        losses, outside = self._loss(self._voxels(self.dense(latents)))
        return (self.prices * self._factors * losses).sum() + outside

    def quadratic_price(self, latents: Latents) -> Tensor:
        """Return about the same, quadratic in the latents."""
        total = self._synthesis.total(self.dense(latents), self._steps) + self._predicted
        return (self.prices * self._factors * self._loss.lacking(total)).sum()

    def backward(self, latents: Latents) -> None:
        """Add the slopes of both costs to what the latents depend on, part by part."""
        flat = torch.cat(latents)
        leaf = flat.detach().requires_grad_()
        for bits in self._bits(leaf):
            bits.backward()
        changes = self.network.change_bits()
        if changes.requires_grad:
            changes.backward()
        self.error_price(list(leaf.split(self.counts))).backward()
        flat.backward(leaf.grad)

    def bits(self, latents: Latents) -> Tensor:
        """Return the code length."""
        found = self._bits(torch.cat(latents))
        total: Tensor = sum(found, torch.zeros((), device=self.device))
        return total

    def bit_slopes(self, latents: Latents) -> tuple[Latents, Latents]:
        """Return how the code length changes with the latents, and with their magnitudes alone."""
        flat = torch.cat(latents).detach().requires_grad_()
        sizes = flat.detach().abs().requires_grad_()
        by_values, by_sizes = torch.zeros_like(flat), torch.zeros_like(flat)
        for bits in self._bits(flat, sizes):
            one, other = torch.autograd.grad(bits, [flat, sizes])
            by_values += one
            by_sizes += other
        return list(by_values.split(self.counts)), list(by_sizes.split(self.counts))

    def contexts(self, latents: Latents) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Yield (numbers among the latents of all levels, features, signed means, latents)."""
        with torch.no_grad():
            flat = torch.cat(latents)
            for owners, features, signed in self._rate.contexts(flat):
                yield owners, features, signed, flat[owners]

    def moved_bits(self, latents: Latents, changes: Sequence[float]) -> list[Latents]:
        """Return the code length of each latent moved by each of some changes, alone."""
        out = torch.zeros(len(changes), sum(self.counts), device=self.device)
        with torch.no_grad():
            for owners, features, signed, values in self.contexts(latents):
                outputs = self.network(features)
                for own, change in zip(out, changes, strict=True):
                    own[owners] = bits_of(outputs, signed, values + change)
        return [list(own.split(self.counts)) for own in out]

    def dense(self, latents: Latents) -> Latents:
        """Return latents as arrays of the windows."""
        return [self._dense(level, values) for level, values in enumerate(latents)]

    def from_dense(self, levels: Sequence[AnyArray]) -> Latents:
        """Return the latents of arrays of the windows."""
        return [
            torch.from_numpy(own.ravel().astype(np.float32)).to(self.device)[places]
            for own, places in zip(levels, self._places, strict=True)
        ]

    def rounded(self, latents: Latents) -> list[AnyArray]:
        """Return rounded latents as integer arrays of the windows."""
        # A training that went astray ends with a loss, not in the coder.
        most = float(MAX_LATENT)
        finite = [v.detach().nan_to_num(0.0).clamp(-most, most) for v in latents]
        dense = self.dense([torch.round(v) for v in finite])
        return [d.cpu().numpy().astype(np.int32) for d in dense]

    def _voxels(self, levels: Latents) -> Tensor:
        if self.corrector is None:
            return self._synthesis.total(levels, self._steps) + self._predicted
        sums = self._synthesis.sums(levels, self._steps)
        total: Tensor = sum(sums[1:], sums[0] + self._predicted)
        return total + self.corrector.corrections(sums)

    def _dense(self, level: int, values: Tensor) -> Tensor:
        out = torch.zeros(math.prod(self._shapes[level]), device=self.device)
        return out.index_copy(0, self._places[level], values).view(self._shapes[level])

    def _curve(self, level: int, step: float) -> Tensor:
        """Return the price of an error of one step in all latents of a level, of random signs."""
        shape = (self.counts[level],)
        signs = torch.randint(0, 2, shape, generator=self.dice, device=self.device) * 2.0 - 1
        with torch.no_grad():
            voxels = self._synthesis.level(level, self._dense(level, signs) * step)
            return (self.prices * self._factors * self._loss.quadratic(voxels)).sum()

    def _bits(self, latents: Tensor, sizes: Tensor | None = None) -> Iterator[Tensor]:
        return self._rate.bits(latents, self.network, sizes)


def _numbered(active: BoolArray, start: int) -> Int32Array:
    """Return numbers from a start where an array is true, -1 elsewhere."""
    numbers = np.full(active.shape, -1, np.int32)
    numbers[active] = np.arange(start, start + np.count_nonzero(active))
    return numbers
