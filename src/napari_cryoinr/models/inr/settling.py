"""The last pass: rounded latents move by one where that costs least, until the goal is just met."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .costs import Latents, MapCosts, State

_ROUNDS = 8
_ENOUGH = 0.985  # of what is allowed
_FINER, _COARSER = 2.0, 0.5  # factors of the prices for moves to either side
_HALVINGS = 11
# Of what is allowed: shells that are nearly missed. Many moves that each help a shell with few
# coefficients go too far together, so others only say what moves cost; if that is of no use, all
# are helped.
_NEARLY = 0.98
_NEAR = (-2.0, 6.0)  # bits: what neighbours may cost more; slopes promise too much


_Rank = tuple[bool, float]


class _Moves(NamedTuple):
    """A move of each latent of all levels, 1 or -1, and those that win, the best first."""

    ways: Tensor
    order: Tensor


def settled(costs: MapCosts, latents: Latents, allowed: float) -> Iterator[tuple[Latents, State]]:
    """Yield latents, rounded, that come nearer to a largest loss from below, and their state.

    Latents are sorted by what their move wins, and as many of them move as is best.
    """
    now = [torch.round(v.detach()) for v in latents]
    state, rank = _looked(costs, now, allowed)
    finer, coarser, nearly = _FINER, _COARSER, _NEARLY
    for _ in range(_ROUNDS):
        if _ENOUGH * allowed <= state.worst <= allowed:
            break
        missed = state.worst > allowed
        # Shells that lose most are worth most, where too much is lost.
        prices = costs.prices.clone()
        costs.follow(1.0, allowed)
        helped = costs.losses > nearly * allowed if missed else None
        moves = _moves(costs, now, finer if missed else coarser, helped)
        costs.prices.copy_(prices)
        losses = costs.losses
        found = _best(costs, now, rank, moves, allowed)
        costs.losses = losses  # those of what was tried last do not count
        if found is not None:
            now = found
            state, rank = _looked(costs, now, allowed)
            yield now, state
        if missed:
            finer *= _FINER
            if found is None:
                nearly = _NEARLY - nearly
        elif found is None:
            coarser *= _COARSER
    yield now, costs.look(now)


def _best(
    costs: MapCosts, now: Latents, rank: _Rank, moves: _Moves, allowed: float
) -> Latents | None:
    """Return what is best of more and more moves; None if nothing is better."""
    best: tuple[_Rank, Latents] | None = None
    total = len(moves.order)
    counts = sorted({max(1, round(total * 2.0**-halving)) for halving in range(_HALVINGS)})
    for count in counts if total else ():
        moved = _moved(now, moves, count)
        _, found = _looked(costs, moved, allowed)
        if found < (best[0] if best else rank):
            best = found, moved
        elif best is not None and (found[0] or rank[0]):  # more moves lose even more
            break
    return None if best is None else best[1]


def _looked(costs: MapCosts, latents: Latents, allowed: float) -> tuple[State, _Rank]:
    """Return what latents are worth, and their rank: smaller is better."""
    state = costs.look(latents)
    if state.worst <= allowed:
        return state, (False, state.bits)
    # What is missed by all shells together: moves that help most of them may harm one.
    missed = (costs.losses[: costs.goals] / allowed - 1).clamp_min(0)
    return state, (True, float(missed.sum()))


def _moved(latents: Latents, moves: _Moves, count: int) -> Latents:
    change = torch.zeros_like(moves.ways)
    chosen = moves.order[:count]
    change[chosen] = moves.ways[chosen]
    parts = change.split([len(v) for v in latents])
    return [v + part for v, part in zip(latents, parts, strict=True)]


def _moves(costs: MapCosts, now: Latents, factor: float, helped: Tensor | None) -> _Moves:
    """Return the better move of each latent, sorted by what it wins.

    `factor` : of the error's price. `helped` : shells that are to lose less; only moves that help
    them are looked at. None where bits are to be saved.
    """
    improve, prices = helped is not None, costs.prices.clone()
    if helped is not None:
        helped[costs.goals :] = False  # what has no goal waits
        costs.prices *= helped
    latents = [v.detach().requires_grad_() for v in now]
    slopes = torch.autograd.grad(costs.error_price(latents), latents)
    costs.prices.copy_(prices)
    by_values, by_sizes = costs.bit_slopes(now)
    as_is, up, down, above, below = costs.moved_bits(now, (0.0, 1.0, -1.0, 0.05, -0.05))
    gains, ways = [], []
    for level, (value, curve) in enumerate(zip(now, costs.curves(), strict=True)):
        # What others cost changes with the slope of all bits but its own.
        others = by_values[level] - (above[level] - below[level]) / 0.1
        larger = by_sizes[level]
        cost = {}
        for way, own in ((1.0, up), (-1.0, down)):
            near = way * others + larger * ((value + way).abs() - value.abs())
            error = way * slopes[level] + curve
            total = factor * error + own[level] - as_is[level] + near.clamp(*_NEAR)
            cost[way] = torch.where(error < 0, total, 0.0) if improve else total
        gains.append(torch.minimum(cost[1.0], cost[-1.0]))
        ways.append(torch.where(cost[1.0] < cost[-1.0], 1.0, -1.0))
    flat = torch.cat(gains)
    order = torch.argsort(flat)[: int((flat < 0).sum())]
    return _Moves(torch.cat(ways), order)
