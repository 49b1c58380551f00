"""What training makes small beside the bits: errors as shares of what the goal allows.

Voxels are less the base, in a unit that makes their magnitudes about 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...maps.density_map import slabs
from ...support.array_types import AnyArray, BoolArray, Float32Array, Region
from ...support.regions import region_shape
from ..problem import Problem
from ..shell_measure import ShellMeasure
from .inr_settings import InrSettings

# Allowed RMS errors below a contour, where voxels outside it begin to count, and above, inside it.
_MARGIN, _INNER_MARGIN = 1.5, 0.8
_INNER_WEIGHT = 2.0  # of those inside: more of them come to the wrong side
_OFF_SURFACE = 0.017  # by which the overlap of the surfaces may differ from 1
_SURFACE_FREEDOM = 2.0  # times that of all voxels: how much the surface counts at the beginning
# Of its price, as parts of that, where an error or where shells are the goal.
_SURFACE_RANGE, _SURFACE_OF_SHELLS = (0.25, 1.0), (0.25, 4.0)
_RANGE = (1e-3, 100.0)  # of all other prices
_LARGEST_GRID = 1 << 21  # voxels of the map up to which its own Fourier grid is used


def soft_mask(problem: Problem, measure: ShellMeasure, box: Region) -> Float32Array:
    """Return the soft mask of a measure in a box, 0 for copies of other voxels."""
    weight, own = measure.weight(box), problem.own(box)
    return weight if own is None else weight * own


class ShellLoss:
    """The power of the error in each Fourier shell, as a share of what is allowed there.

    The correlation itself would let the scale of each shell drift, and surfaces with it. An offset,
    which no shell sees, has a price of its own.

    Attributes
    ----------
    freedom : coefficients in each shell that the mask leaves independent, about.
    range : of the price of each shell, as parts of that at the beginning.
    goals : shells that have to lose no more than is allowed: the first ones.
    """

    def __init__(
        self,
        problem: Problem,
        measure: ShellMeasure,
        box: Region,
        unit: float,
        device: str,
        *,
        part: bool = False,
    ) -> None:
        shape = region_shape(box)
        weight = soft_mask(problem, measure, box)
        part = part or problem.folded is not None
        given = problem.values(box) / np.float32(unit)
        self._weight = torch.from_numpy(weight).to(device)
        self._grid = problem.shape if math.prod(problem.shape) <= _LARGEST_GRID else shape
        last = len(measure.allowed)
        edge = measure.shells.edge
        radii = [
            np.abs(np.fft.fftfreq(n, voxel)) * edge
            for n, voxel in zip(self._grid, measure.shells.voxel_size, strict=True)
        ]
        rows, columns, places = (np.flatnonzero(own <= last + 0.5) for own in radii)
        places = places[places <= self._grid[2] // 2]
        z, y, x = radii[0][rows], radii[1][columns], radii[2][places]
        index = np.rint(np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)).astype(np.int64)
        self._rows, self._columns = (torch.from_numpy(v).to(device) for v in (rows, columns))
        # Along x a product with cosines and sines is as fast, and takes less memory.
        angles = np.outer(np.arange(shape[2]), places) * (-2 * np.pi / self._grid[2])
        waves = np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(shape[2], -1)
        self._waves = torch.from_numpy(waves.astype(np.float32)).to(device)
        inside = ((index >= 1) & (index <= last)).ravel()
        self._chosen = torch.from_numpy(np.flatnonzero(inside)).to(device)
        self._index = torch.from_numpy(index.ravel()[inside] - 1).to(device)
        alone = (places == 0) | (2 * places == self._grid[2])
        twice = np.broadcast_to(np.where(alone, 1, 2).astype(np.float32), index.shape)
        counted = torch.from_numpy(twice.ravel()[inside]).to(device)
        self._count = last
        self._twice = counted
        values = torch.from_numpy(given).to(device)
        self._total = (values * self._weight).sum()
        self._original = self._spectrum(values * self._weight)
        power = self._sums(self._original.square().sum(dim=1))
        allowed = torch.from_numpy(measure.allowed).float().to(device)
        self._power = power.clamp_min(1e-30)
        self._allowed = torch.where(torch.isfinite(allowed), allowed, 1e30)
        if part:
            # Of a part of the map, as much as of all of it: its own power may be next to nothing.
            spent = 0.0 if problem.folded is None else problem.folded.spent
            noise = torch.from_numpy(measure.variance() * (1 - spent)).float().to(device) / unit**2
            squares = float(np.square(weight, dtype=np.float64).sum())
            counts = self._sums(torch.ones_like(counted))
            self._power = noise * counts * squares / (2 * self._allowed)
        share = float(np.square(weight, dtype=np.float64).sum()) / math.prod(self._grid)
        self.freedom = self._sums(torch.ones_like(counted)) * share
        variance = measure.least_variance() / unit**2
        self._outside = _Outside(problem, box, weight > 0, variance, unit, device)
        total = float(weight.sum(dtype=np.float64))
        error = measure.mean_square() / unit**2
        self._surface = _Surface.of(problem, box, unit, error, device)
        self.range, self.goals = [_RANGE] * last, last
        if self._surface is not None:
            self.range.append(_SURFACE_OF_SHELLS)
            # A squared error at the surface counts as much as others do.
            at_surface = _SURFACE_FREEDOM * self._surface.count / max(total, 1.0)
            self.freedom = torch.cat([self.freedom, at_surface * self.freedom.sum()[None]])
        # An offset of a tenth of the noise costs a bit.
        self._mean_price = 1 / max(0.01 * variance * total**2, 1e-30)

    def __call__(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (loss of each shell, what voxels outside cost in bits) of voxels of the box."""
        masked = voxels * self._weight
        outside = self._outside(voxels)
        mean = (masked.sum() - self._total).square() * self._mean_price
        return _with_surface(self._noise(masked), self._surface, voxels), outside + mean

    def judged(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell as it is to be measured, which may have no slope."""
        return _with_overlap(self._noise(voxels * self._weight), self._surface, voxels)

    def quadratic(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell that an error of these voxels stands for."""
        found = self._spectrum(voxels * self._weight)
        power = self._sums(found.square().sum(dim=1))
        return _with_none(power / (2 * self._power * self._allowed), self._surface)

    def lacking(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell for the whole error, quadratic in the voxels."""
        return _with_none(self._noise(voxels * self._weight), self._surface)

    def _noise(self, masked: Tensor) -> Tensor:
        power = self._sums((self._spectrum(masked) - self._original).square().sum(dim=1))
        return power / (2 * self._power * self._allowed)

    def _spectrum(self, masked: Tensor) -> Tensor:
        """Return real and imaginary parts of the coefficients that count, (n, 2)."""
        planes = torch.view_as_complex((masked @ self._waves).unflatten(-1, (-1, 2)))
        found = torch.fft.fft(planes, n=self._grid[1], dim=1)[:, self._columns]
        found = torch.fft.fft(found, n=self._grid[0], dim=0)[self._rows]
        return torch.view_as_real(found.flatten()[self._chosen])

    def _sums(self, values: Tensor) -> Tensor:
        out = torch.zeros(self._count, device=values.device)
        return out.index_add(0, self._index, values * self._twice)


class PlainLoss:
    """The weighted squared error, as a share of what is allowed; an only shell.

    Above a contour the surface is another one: voxels on its wrong side.

    `own` says which errors have more weight than others: those of high densities, and the largest
    ones (arXiv 2512.12975). All weights together stay what they are without.
    """

    def __init__(
        self,
        problem: Problem,
        allowed: float,
        box: Region,
        unit: float,
        device: str,
        own: InrSettings | None = None,
    ) -> None:
        weights = problem.weights(box)
        values = problem.values(box) / np.float32(unit)
        counted: AnyArray = np.ones(values.shape, np.float32) if weights is None else weights
        counted = counted.astype(np.float32)
        self._own = own or InrSettings()
        weighted = counted
        if self._own.weight_exponent:
            sizes = np.abs(values + np.float32(problem.base / unit)) * (counted > 0)
            powers = (sizes / max(float(sizes.max()), 1e-30)) ** self._own.weight_exponent
            weighted = counted * powers
            weighted *= counted.sum() / max(float(weighted.sum()), 1e-30)
        self._weights = torch.from_numpy(weighted).to(device)
        self._values = torch.from_numpy(values).to(device)
        self._allowed = max(allowed / unit**2, 1e-30)
        self._lowest = max((float(problem.lowest) - problem.base) / unit, -3e38)
        self.freedom = torch.tensor([float(counted.sum())], device=device)
        variance = self._allowed / max(float(counted.sum()), 1.0)
        self._surface = _Surface.of(problem, box, unit, variance, device)
        self._outside: _Outside | None = None
        if math.isfinite(problem.span):  # an envelope is kept; with a contour the surface is enough
            self._outside = _Outside(problem, box, counted > 0, variance, unit, device)
        self.range, self.goals = [_RANGE], 1
        if self._surface is not None:
            self.range.append(_SURFACE_RANGE)
            self.freedom = self.freedom * torch.tensor([1.0, _SURFACE_FREEDOM], device=device)

    def __call__(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """See `ShellLoss`."""
        losses = self._ratio(voxels.clamp_min(self._lowest) - self._values)
        outside = voxels.new_zeros(()) if self._outside is None else self._outside(voxels)
        return _with_surface(losses, self._surface, voxels), outside

    def judged(self, voxels: Tensor) -> Tensor:
        """See `ShellLoss`."""
        losses = self._ratio(voxels.clamp_min(self._lowest) - self._values)
        return _with_overlap(losses, self._surface, voxels)

    def quadratic(self, voxels: Tensor) -> Tensor:
        """See `ShellLoss`."""
        return _with_none(self._ratio(voxels), self._surface)

    def lacking(self, voxels: Tensor) -> Tensor:
        """See `ShellLoss`."""
        return _with_none(self._ratio(voxels - self._values), self._surface)

    def _ratio(self, wrong: Tensor) -> Tensor:
        weights = self._weights
        if self._own.weight_factor != 1:
            sizes = (wrong.detach().abs() * (weights > 0)).flatten()
            counted = int((weights > 0).sum())
            rank = len(sizes) - counted + math.ceil(self._own.weight_percentile / 100 * counted)
            bound = sizes.kthvalue(min(max(rank, 1), len(sizes))).values
            large = wrong.detach().abs() >= bound
            weights = weights * torch.where(large, self._own.weight_factor, 1.0)
            weights = weights * (self._weights.sum() / weights.sum().clamp_min(1e-30))
        total = (wrong.square() * weights).sum(dtype=torch.float32)
        return (total / self._allowed)[None]


class _Surface:
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
    ) -> _Surface | None:
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


class _Outside:
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


def _with_surface(losses: Tensor, surface: _Surface | None, voxels: Tensor) -> Tensor:
    return losses if surface is None else torch.cat([losses, surface(voxels)[None]])


def _with_overlap(losses: Tensor, surface: _Surface | None, voxels: Tensor) -> Tensor:
    if surface is None:
        return losses
    return torch.cat([losses, surface.off(voxels)[None] / _OFF_SURFACE])


def _with_none(losses: Tensor, surface: _Surface | None) -> Tensor:
    return losses if surface is None else torch.cat([losses, losses.new_zeros(1)])
