"""Training of the latents of one map: squared errors and bits together.

While latents are trained they pass through a soft rounding that becomes hard (Agustsson and Theis,
NeurIPS 2020), with noise that fades but never vanishes: without it they settle between two
integers. Where the rounded latents lose too much in a shell its price rises, elsewhere it falls,
and steps follow prices.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...support.launches import Repeated
from .costs import Latents, MapCosts, State

_RATE, _LAST_RATE = 0.24, 0.02  # of Adam, in steps
_NETWORK_RATE = 0.01
_BETAS, _TINY = (0.8, 0.95), 1e-8
_HELD = 0.4  # share of the training before the rates fall
_SHARPNESS = (0.3, 0.07)  # temperature of the soft rounding, at the beginning and at the end
_NOISE = (0.5, 0.3)  # width of the noise
_STRAIGHT = 0.1  # share of the slope that knows of no rounding
_LOOK, _LAST_LOOK = 5, 2  # training steps between looks at the rounded latents
# Powers by which prices follow losses: of many shells, of a single one, at the last rate.
_FOLLOW, _FOLLOW_ONE, _LAST_FOLLOW = 0.2, 0.25, 0.4
_AIM = 0.97  # of what is allowed
# While rounding is soft and the rates are high, more is lost than at the end: what is aimed at
# falls later. Steps are kept then, as new ones would disturb what is nearly rounded.
_EARLY_AIM, _EARLY = 1.25, 0.65
_ONLY_EARLY_AIM = 1.12  # where an error is all that counts
_CORRECTION, _AIMS = 0.15, (0.7, 0.99)  # after the schedule the aim itself follows what is missed
_LEAST_STEPS, _CLOSING = 40, 40  # steps before training can end early, and of the last part then
_SOLVER_STEPS = 12
_RIDGE = 0.3  # bits for a squared step, while a start is sought


class Trained(NamedTuple):
    """Where training stands."""

    step: int  # of the schedule
    latents: Latents
    state: State  # what the latents were worth, rounded, when that was looked at last


def solved(costs: MapCosts) -> Iterator[Latents]:
    """Yield latents that come nearer to those of least squares with a ridge.

    By conjugate gradients, on all levels together.
    """

    def slope(latents: Latents) -> Latents:
        own = [v.detach().requires_grad_() for v in latents]
        return list(torch.autograd.grad(costs.quadratic_price(own), own))

    found = costs.zero()
    start = [-s for s in slope(found)]
    residual, ahead = start, start
    norm = _dot(residual, residual)
    for _ in range(_SOLVER_STEPS):
        product = [
            s + b + 2 * _RIDGE * a for s, b, a in zip(slope(ahead), start, ahead, strict=True)
        ]
        width = norm / max(_dot(ahead, product), 1e-30)
        found = [f + width * a for f, a in zip(found, ahead, strict=True)]
        residual = [r - width * p for r, p in zip(residual, product, strict=True)]
        before, norm = norm, _dot(residual, residual)
        ahead = [r + norm / max(before, 1e-30) * a for r, a in zip(residual, ahead, strict=True)]
        yield found


def trained(
    costs: MapCosts,
    latents: Latents,
    steps: int,
    more: int,
    budget: float | None = None,
    first: int = 0,
) -> Generator[Trained, bool | None, None]:
    """Yield where training stands after every step.

    Once True was sent, the schedule goes on at its last part, so that the goal is met all the same.

    Parameters
    ----------
    steps, more : of training, and so many more at the last rates; the caller may stop earlier.
    budget : bits that the latents may take, where that is the goal.
    first : step to begin with.
    """
    own = [v.detach().clone().requires_grad_() for v in latents]
    weights = [p for p in costs.network.parameters() if p.requires_grad]
    if costs.corrector is not None:
        weights += costs.corrector.parameters
    adam = _Adam([(v, _RATE) for v in own] + [(v, _NETWORK_RATE) for v in weights])
    schedule = torch.zeros(3, device=costs.device)  # sharpness, noise, share of the rates

    def step() -> None:
        costs.backward([_soft(v, schedule[0], schedule[1], costs.dice) for v in own])
        adam.step(schedule[2])

    train = Repeated(step, costs.device, costs.dice)
    state, aim = State(math.inf, math.inf), _AIM
    first_aim = _EARLY_AIM if len(costs.prices) > 1 else _ONLY_EARLY_AIM
    follow = _FOLLOW if costs.goals > 1 else _FOLLOW_ONE
    number, ends = first, False
    while number < steps + more:
        done = min(number / steps, 1.0)
        fall = min(1.0, (1 - done) / (1 - _HELD))
        if number % (_LOOK if done < 1 else _LAST_LOOK) == 0:
            state = costs.look(own)
            if budget is not None:
                costs.scale_prices(min(max(budget / max(state.bits, 1.0), 0.5), 2.0) ** 0.5)
            else:
                if done < 1:
                    early = min(1.0, (1 - done) / (1 - _EARLY))
                    costs.follow(follow, aim + (first_aim - aim) * early)
                else:
                    aim *= (_AIM / max(state.worst, 0.9)) ** _CORRECTION
                    aim = min(max(aim, _AIMS[0]), _AIMS[1])
                    costs.follow(_LAST_FOLLOW, aim)
            if done < _EARLY:
                costs.choose_steps(own)
        schedule.copy_(
            torch.tensor(
                (
                    _SHARPNESS[0] * (_SHARPNESS[1] / _SHARPNESS[0]) ** done,
                    _NOISE[0] + (_NOISE[1] - _NOISE[0]) * done,
                    max(fall, _LAST_RATE / _RATE),
                )
            )
        )
        train()
        number += 1
        ends = bool((yield Trained(number, own, state))) or ends
        if ends and number >= min(_LEAST_STEPS, steps // 2):
            number = max(number, steps - _CLOSING)


class _Adam:
    """Kingma and Ba, ICLR 2015. That of `torch.optim` takes seconds to import a compiler."""

    def __init__(self, values: Sequence[tuple[Tensor, float]]) -> None:
        self._values = [(v, rate, torch.zeros_like(v), torch.zeros_like(v)) for v, rate in values]
        self._betas = torch.tensor(_BETAS, device=values[0][0].device)
        self._powers = torch.ones_like(self._betas)

    @torch.no_grad()
    def step(self, share: Tensor) -> None:
        """Change the values by their slopes, with a share of their rates, and forget the slopes."""
        self._powers *= self._betas
        first, second = 1 - self._powers
        for value, rate, mean, square in self._values:
            if value.grad is None:
                continue
            mean.lerp_(value.grad, 1 - _BETAS[0])
            square.lerp_(value.grad.square(), 1 - _BETAS[1])
            value -= mean / ((square / second).sqrt_() + _TINY) * (share * rate / first)
            value.grad = None


def _soft(values: Tensor, sharp: Tensor, noise: Tensor, dice: torch.Generator) -> Tensor:
    """Round softly, with noise."""
    lots = torch.rand(values.shape, generator=dice, device=values.device)
    around = values + noise * (lots - 0.5)
    whole = torch.floor(around.detach())
    most = 2 * torch.tanh(0.5 / sharp)
    soft = whole + 0.5 + torch.tanh((around - whole - 0.5) / sharp) / most
    return soft + _STRAIGHT * (values - values.detach()) - _STRAIGHT * (soft - soft.detach())


def _dot(one: Latents, other: Latents) -> float:
    return float(sum((a * b).sum() for a, b in zip(one, other, strict=True)))
