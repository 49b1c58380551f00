"""Training of latents on one map: squared errors and bits together, then rounding by cost.

Latents are in steps of their level. While they are trained they pass through a soft rounding that
becomes hard (Agustsson and Theis, NeurIPS 2020), with noise that fades. Every shell, or the only
squared error, has a price that follows how far it is from what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...support.array_types import AnyArray, BoolArray, Float32Array, Int64Array, Region
from ...support.regions import relative_to
from .contexts import level_magnitudes
from .rate import ContextNetwork, TileRate, bits_of
from .synthesis import Synthesis
from .tiles import Tile

import os

_E = lambda k, v: float(os.environ.get(k, v))
_PRICE = _E("PRICE", 0.15)  # of a bit, in squared steps
_BITS = 2 * math.log(2)  # a coefficient of a shell costs -1 / so many bits for each log(loss)
_RATE, _LAST_RATE = _E("RATE", 0.24), _E("LAST", 0.02)  # of Adam, in steps
_HELD = _E("HELD", 0.4)  # share of the steps before the rate falls
import os

N0, N1, HARD = (float(os.environ.get(k, v)) for k, v in (("N0", ".5"), ("N1", ".3"), ("HARD", "2")))
_SHARPNESS = (
    _E("T0", 0.3),
    float(os.environ.get("T1", "0.07")),
)  # temperature of the soft rounding, at the beginning and at the end
_NOISE = 0.25  # its amplitude at the beginning
_SOLVER_STEPS = 12  # of conjugate gradients
_RIDGE = _E("RIDGE", 0.3)  # bits for a squared step, while a start is sought
_FOLLOW = _E("FOLLOW", 0.2)  # power of a loss by which its price changes
_LOOK = 5  # steps between looks at the rounded latents
_LEAST_PRICE = 1e-3
_RENEWED = (
    0.05,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
)  # shares of the steps after which steps are chosen anew


class Loss(Protocol):
    """What `losses` has."""

    freedom: Tensor

    def __call__(self, voxels: Tensor) -> tuple[Tensor, Tensor]: ...
    def quadratic(self, voxels: Tensor) -> Tensor: ...
    def lacking(self, voxels: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class State:
    """Where training stands, with latents rounded: losses by shell, and bits."""

    worst: float
    bits: float


class Training:
    """Latents of one map, and what they cost.

    Parameters
    ----------
    synthesis, loss : of a box.
    tiles : of the nodes of the windows, cut to them.
    windows : nodes of each level that have arrays.
    active : which of them have latents.
    reach : how much of each one's function counts.
    degree : of the splines.
    network : the context network.
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
    ) -> None:
        self._synthesis, self._loss, self._device = synthesis, loss, device
        self._shapes = synthesis.shapes
        self._places = [torch.from_numpy(np.flatnonzero(a)).to(device) for a in active]
        self._count = [len(p) for p in self._places]
        self._reach = [
            torch.from_numpy(r[a]).to(device) for r, a in zip(reach, active, strict=True)
        ]
        self._parts = [
            [relative_to(region, window) for region, window in zip(t.regions, windows, strict=True)]
            for t in tiles
        ]
        numbers = [np.where(a, np.cumsum(a).reshape(a.shape) - 1, -1) for a in active]
        self._rates = [
            TileRate(tile, [n[p] for n, p in zip(numbers, parts, strict=True)], degree, device)
            for tile, parts in zip(tiles, self._parts, strict=True)
        ]
        self.network = network.to(device)
        self._dice = torch.Generator(device=device).manual_seed(seed)
        self.prices = loss.freedom / _BITS
        self._least = _LEAST_PRICE * self.prices
        self.latents = [torch.zeros(n, device=device) for n in self._count]
        self.steps = [1.0] * len(self._count)
        self.losses = torch.ones_like(self.prices)

    # ------------------------------------------------------------------ where training begins

    def set_steps(self) -> None:
        """Choose the step of each level: an error of so many steps costs so many bits."""
        steps = []
        for level, count in enumerate(self._count):
            signs = torch.randint(0, 2, (count,), generator=self._dice, device=self._device)
            dense = self._dense(level, signs * 2.0 - 1)
            with torch.no_grad():
                found = self._loss.quadratic(self._synthesis.level(level, dense))
            curve = float((self.prices * found).sum()) / max(count, 1)
            steps.append(1 / math.sqrt(max(_PRICE * curve, 1e-30)))
        for latents, old, new in zip(self.latents, self.steps, steps, strict=True):
            latents.data *= old / new
        self.steps = steps

    def solve(self) -> Iterator[None]:
        """Find latents by least squares with a ridge, by conjugate gradients; yields each step."""
        zero = [torch.zeros_like(v) for v in self.latents]
        residual = [-g for g in self._slope(zero)]
        start = residual
        ahead = [r.clone() for r in residual]
        found = zero
        norm = _dot(residual, residual)
        for _ in range(_SOLVER_STEPS):
            yield
            slope = self._slope(ahead)
            product = [g + r + 2 * _RIDGE * v for g, r, v in zip(slope, start, ahead, strict=True)]
            width = norm / max(_dot(ahead, product), 1e-30)
            found = [f + width * a for f, a in zip(found, ahead, strict=True)]
            residual = [r - width * p for r, p in zip(residual, product, strict=True)]
            before, norm = norm, _dot(residual, residual)
            ahead = [r + norm / before * a for r, a in zip(residual, ahead, strict=True)]
        self.latents = found

    def _slope(self, latents: Sequence[Tensor]) -> list[Tensor]:
        """Return the slopes of the quadratic loss."""
        own = [v.detach().requires_grad_() for v in latents]
        total = (self.prices * self._loss.lacking(self._voxels(own))).sum()
        return list(torch.autograd.grad(total, own))

    # ------------------------------------------------------------------------------- training

    def train(self, steps: int) -> Iterator[State]:
        """Train; yields where it stands after every step."""
        latents = [v.detach().clone().requires_grad_() for v in self.latents]
        self.latents = latents
        groups = [{"params": latents, "lr": _RATE}]
        trained = [p for p in self.network.parameters() if p.requires_grad]
        if trained:
            groups.append({"params": trained, "lr": _E("NETRATE", 0.01)})
        adam = torch.optim.Adam(groups, betas=(_E("B1", 0.8), _E("B2", 0.95)))
        rates = [group["lr"] for group in groups]
        state = State(math.inf, math.inf)
        renewed = {round(share * steps) for share in _RENEWED}
        for number in range(steps):
            done = number / steps
            fall = min(1.0, (1 - done) / (1 - _HELD))
            for group, rate in zip(adam.param_groups, rates, strict=True):
                group["lr"] = rate * (
                    _LAST_RATE / _RATE + (1 - _LAST_RATE / _RATE) * fall ** _E("FALL", 1)
                )
            if number % _LOOK == 0:
                state = self.look()
                self._follow(_FOLLOW)
            if number in renewed:
                with torch.no_grad():
                    self.set_steps()
            self.done = done
            sharp = _SHARPNESS[0] * (_SHARPNESS[1] / _SHARPNESS[0]) ** done
            adam.zero_grad(set_to_none=True)
            soft = [self._soft(v, sharp, N0 + (N1 - N0) * done) for v in latents]
            self._backward(soft)
            adam.step()
            yield state
        self.latents = [v.detach() for v in latents]

    def look(self) -> State:
        """Measure the rounded latents."""
        with torch.no_grad():
            hard = [torch.round(v) for v in self.latents]
            losses, _ = self._loss(self._voxels(hard))
            self.losses = losses
            bits = self._bits(self._dense_levels(hard))
        return State(float(losses.max()), float(bits))

    def _follow(self, power: float, aim: float = 0.97) -> None:
        """Change the prices by how far the losses are from the aim."""
        change = (self.losses.clamp_min(1e-6) / aim) ** power
        self.prices = torch.maximum(self.prices * change.clamp(0.5, 2), self._least)

    def _backward(self, latents: Sequence[Tensor]) -> None:
        """Add the slopes of all costs to what the latents depend on."""
        dense = self._dense_levels(latents)
        leaves = [d.detach().requires_grad_() for d in dense]
        magnitudes = self._magnitudes(leaves)
        for rate, parts in zip(self._rates, self._parts, strict=True):
            own = [leaf[part] for leaf, part in zip(leaves, parts, strict=True)]
            rate.bits(own, self.network, magnitudes).backward()
        losses, outside = self._loss(self._synthesis.voxels(leaves, self.steps))
        ((self.prices * losses).sum() + outside).backward()
        torch.autograd.backward(dense, [leaf.grad for leaf in leaves])

    def _soft(self, values: Tensor, sharp: float, noise: float) -> Tensor:
        """Round softly; half of the slope is that of no rounding at all."""
        around = values
        if noise:
            dice = torch.rand(values.shape, generator=self._dice, device=self._device)
            around = values + noise * (dice - 0.5)
        whole = torch.floor(around.detach())
        soft = (
            whole + 0.5 + torch.tanh((around - whole - 0.5) / sharp) / (2 * math.tanh(0.5 / sharp))
        )
        if self.done >= HARD:
            soft = soft + (torch.round(values) - soft).detach()
        k = _E("STE", 0.1)
        return soft + k * (values - values.detach()) - k * (soft - soft.detach())

    # ------------------------------------------------------------------------------ refinement

    def rounded(self) -> list[AnyArray]:
        """Return the rounded latents of each level, shapes of the windows."""
        return [
            self._dense(level, torch.round(v.detach())).cpu().numpy().astype(np.int64)
            for level, v in enumerate(self.latents)
        ]

    def samples(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return what the context network sees of rounded latents: features, means, latents."""
        out = []
        with torch.no_grad():
            dense = self._dense_levels([torch.round(v.detach()) for v in self.latents])
            magnitudes = self._magnitudes(dense)
            for rate, parts in zip(self._rates, self._parts, strict=True):
                own = [d[part] for d, part in zip(dense, parts, strict=True)]
                for _, features, signed, latents in rate.features(own, magnitudes):
                    out.append((features, signed.T, latents))
        return out

    def refine(self, passes: int) -> Iterator[State]:
        """Move rounded latents by one where that lowers the cost; yields after every pass."""
        curves = self._curves()
        now = [torch.round(v.detach()) for v in self.latents]
        self.latents = now
        state, cost = self._cost(now)
        share = _E("SHARE", 0.1)
        for _ in range(passes):
            gains, ways = self._gains(now, curves)
            lots = [torch.rand(g.shape, generator=self._dice, device=self._device) for g in gains]
            moved = [
                v + torch.where((g < 0) & (lot < share), w, 0.0)
                for v, g, w, lot in zip(now, gains, ways, lots, strict=True)
            ]
            new_state, new_cost = self._cost(moved)
            if os.environ.get("DBG"):
                print(
                    "   share %.3f cost %.0f -> %.0f" % (share, cost, new_cost),
                    sum(int((g < 0).sum()) for g in gains),
                    new_state,
                )
            if new_cost < cost:
                now, state = moved, new_state
                share = min(1.3 * share, 0.3)
            else:
                share *= 0.4
            self.latents = now
            self.losses = self._loss(self._voxels(now))[0].detach()
            self._follow(_E("RF", 0.5), _E("RA", 0.985))
            state, cost = self._cost(now)
            yield state

    def _cost(self, latents: Sequence[Tensor]) -> tuple[State, float]:
        with torch.no_grad():
            losses, outside = self._loss(self._voxels(latents))
            bits = self._bits(self._dense_levels(latents))
            cost = float((self.prices * losses).sum() + outside + bits)
        return State(float(losses.max()), float(bits)), cost

    def _gains(
        self, now: Sequence[Tensor], curves: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return what the cost changes by the better move of each latent, and that move."""
        latents = [v.detach().requires_grad_() for v in now]
        dense = self._dense_levels(latents)
        losses, outside = self._loss(self._synthesis.voxels(dense, self.steps))
        slopes = torch.autograd.grad((self.prices * losses).sum() + outside, latents)
        own_sizes = [v.detach().abs().requires_grad_() for v in now]
        bits = self._bits(self._dense_levels(latents), self._dense_levels(own_sizes))
        found = torch.autograd.grad(bits, [*latents, *own_sizes])
        costs, weights = found[: len(latents)], found[len(latents) :]
        gains, ways = [], []
        for value, slope, cost, weight, curve, own in zip(
            now, slopes, costs, weights, curves, self._own_bits(latents), strict=True
        ):
            as_is, up, down, direct = own
            # What others cost changes with the slope of all bits but its own.
            others, size = cost - direct, value.abs()
            more = (others + weight * ((value + 1).abs() - size)).clamp(-2, 6)
            less = (weight * ((value - 1).abs() - size) - others).clamp(-2, 6)
            rise = slope + curve + up - as_is + more
            fall = -slope + curve + down - as_is + less
            gains.append(torch.minimum(rise, fall))
            ways.append(torch.where(rise < fall, 1.0, -1.0))
        return gains, ways

    def _curves(self) -> list[Tensor]:
        """Return half the second derivative of the error cost by latent, in steps, about."""
        out = []
        for level, reach in enumerate(self._reach):
            signs = torch.randint(0, 2, reach.shape, generator=self._dice, device=self._device)
            dense = self._dense(level, signs * 2.0 - 1) * self.steps[level]
            with torch.no_grad():
                found = self._loss.quadratic(self._synthesis.level(level, dense))
            # The same for all but what the mask takes off.
            out.append((self.prices * found).sum() / reach.sum().clamp_min(1e-9) * reach)
        return out

    def _own_bits(self, latents: Sequence[Tensor]) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Return the code length of each latent as it is, one more, one less, and its slope."""
        with torch.no_grad():
            dense = self._dense_levels(latents)
            magnitudes = self._magnitudes(dense)
            out = [torch.zeros((4, n), device=self._device) for n in self._count]
            for rate, parts in zip(self._rates, self._parts, strict=True):
                tile = [d[part] for d, part in zip(dense, parts, strict=True)]
                for level, features, signed, values in rate.features(tile, magnitudes):
                    outputs, at = self.network(features), rate.owners[level]
                    for row, change in enumerate((0.0, 1.0, -1.0)):
                        out[level][row, at] = bits_of(outputs, signed, values + change)
                    near = [bits_of(outputs, signed, values + c) for c in (0.05, -0.05)]
                    out[level][3, at] = (near[0] - near[1]) / 0.1
        return [(o[0], o[1], o[2], o[3]) for o in out]

    # --------------------------------------------------------------------------------- helpers

    def _dense(self, level: int, values: Tensor) -> Tensor:
        out = torch.zeros(math.prod(self._shapes[level]), device=self._device)
        return out.index_copy(0, self._places[level], values).view(self._shapes[level])

    def _dense_levels(self, latents: Sequence[Tensor]) -> list[Tensor]:
        return [self._dense(level, values) for level, values in enumerate(latents)]

    def _voxels(self, latents: Sequence[Tensor]) -> Tensor:
        return self._synthesis.voxels(self._dense_levels(latents), self.steps)

    def _magnitudes(self, levels: Sequence[Tensor]) -> Int64Array:
        sums = np.array([float(v.detach().abs().sum()) for v in levels])
        return level_magnitudes(sums, np.array(self._count))

    def _bits(self, levels: Sequence[Tensor], sizes: Sequence[Tensor] | None = None) -> Tensor:
        magnitudes = self._magnitudes(levels)
        total = torch.zeros((), device=self._device)
        for rate, parts in zip(self._rates, self._parts, strict=True):
            own = [level[part] for level, part in zip(levels, parts, strict=True)]
            large = sizes and [size[part] for size, part in zip(sizes, parts, strict=True)]
            total = total + rate.bits(own, self.network, magnitudes, large)
        return total


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    return float(sum((a * b).sum() for a, b in zip(one, other, strict=True)))
