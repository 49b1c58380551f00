"""Voxels that a contour or an envelope keeps where they are: what it costs that they are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...maps.density_map import slabs
from ...support.array_types import AnyArray, BoolArray, Float32Array, Region
from ..problem import Problem

# Allowed RMS errors below a contour, where voxels outside it begin to count, and above, inside it.
_MARGIN, _INNER_MARGIN = 1.5, 0.8
_INNER_WEIGHT = 2.0  # of those inside: more of them come to the wrong side
_OFF_SURFACE = 0.017  # by which the overlap of the surfaces may differ from 1


class Surface:
    """Voxels that come to the wrong side of a contour.

    Parameters
    ----------
    level : the contour.
    inside : which voxels lie above it.
    counted : which voxels count at all.
    variance : of the error that is allowed.

    Attributes
    ----------
    count : voxels inside.
    """

    def __init__(
        self, level: float, inside: BoolArray, counted: BoolArray, variance: float, device: str
    ) -> None:
        self._level = level
        self._inside = torch.from_numpy(inside).to(device)
        self._counted = torch.from_numpy(counted).to(device)
        self.count = max(float(inside.sum()), 1.0)
        self._variance = max(variance, 1e-30)

    @classmethod
    def of(
        cls, problem: Problem, box: Region, unit: float, variance: float, device: str
    ) -> Surface | None:
        """Return the surface of a problem, None where it has none."""
        if problem.surface is None:
            return None
        inside = problem.values(box) > np.float32(problem.surface)
        weights = problem.weights(box)
        if weights is not None:
            inside &= weights > 0
        counted = np.isfinite(problem.limits(box))  # no copies of a symmetric map
        return cls(problem.surface / unit, inside, counted | inside, variance, device)

    def __call__(self, voxels: Tensor) -> Tensor:
        """Return what it costs that voxels are on the wrong side, or near it."""
        spread = math.sqrt(self._variance)
        lowest, highest = self._level + _INNER_MARGIN * spread, self._level - _MARGIN * spread

        def wrong(part: slice) -> tuple[Tensor, Tensor]:
            found, inside = voxels[part], self._inside[part]
            weights = torch.where(inside, _INNER_WEIGHT, 1.0) * self._counted[part]
            short, above = (found - lowest).clamp_max(0), (found - highest).clamp_min(0)
            return torch.where(inside, short, above), weights

        return _squares(voxels, wrong) / (2 * self._variance * self.count)

    def off(self, voxels: Tensor) -> Tensor:
        """Return how far the overlap of the surfaces, intersection over union, is from 1."""
        found = (voxels > self._level) & self._counted
        common = (found & self._inside).sum()
        return 1 - common / (found | self._inside).sum().clamp_min(1)


class Outside:
    """What voxels without weight cost where they leave the range that they may have."""

    def __init__(
        self,
        problem: Problem,
        box: Region,
        inside: AnyArray,
        variance: float,
        unit: float,
        device: str,
    ) -> None:
        limits: Float32Array = problem.limits(box) / np.float32(unit)
        limits[inside] = np.inf
        bounded = np.isfinite(limits)
        self._bounded = None
        if bounded.any():
            self._bounded = torch.from_numpy(bounded).to(device)
        self._most = problem.ceiling / unit
        self._span = problem.span / unit
        self._cost = 1 / (2 * max(variance, 1e-30))

    def __call__(self, voxels: Tensor) -> Tensor:
        """Return what it costs that voxels leave their range."""
        if self._bounded is None:
            return voxels.new_zeros(())
        bounded = self._bounded

        def wrong(part: slice) -> tuple[Tensor, Tensor]:
            found = voxels[part]
            return found - found.clamp(self._most - self._span, self._most), bounded[part]

        return _squares(voxels, wrong) * self._cost


class _Squares(torch.autograd.Function):
    """A sum of squares that holds nothing but its slope until that is asked for."""

    @staticmethod
    def forward(ctx: Any, voxels: Tensor, wrong: _Wrong) -> Tensor:
        slope, total = torch.empty_like(voxels), voxels.new_zeros(())
        for part in slabs(voxels.shape):
            distance, weights = wrong(part)
            torch.mul(distance, weights, out=slope[part])
            total += (slope[part] * distance).sum()
        ctx.save_for_backward(slope)
        return total

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return slope * (2 * given[0]), None


_Wrong = Callable[[slice], tuple[Tensor, Tensor]]
"""Returns what is wrong in a slab of voxels, with its sign, and weights of its squares."""


def _squares(voxels: Tensor, wrong: _Wrong) -> Tensor:
    """Return the sum of the weighted squares of what is wrong, a function of each voxel alone."""
    found: Tensor = _Squares.apply(voxels, wrong)
    return found


def with_surface(losses: Tensor, surface: Surface | None, voxels: Tensor) -> Tensor:
    """Return losses with that of the surface behind them, where there is one."""
    return losses if surface is None else torch.cat([losses, surface(voxels)[None]])


def with_overlap(losses: Tensor, surface: Surface | None, voxels: Tensor) -> Tensor:
    """Return the same as it is measured: by the overlap of the surfaces, which has no slope."""
    if surface is None:
        return losses
    return torch.cat([losses, surface.off(voxels)[None] / _OFF_SURFACE])


def with_none(losses: Tensor, surface: Surface | None) -> Tensor:
    """Return losses with none of the surface behind them."""
    return losses if surface is None else torch.cat([losses, losses.new_zeros(1)])
