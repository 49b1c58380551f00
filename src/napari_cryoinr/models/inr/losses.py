"""What training makes small beside the bits: errors as shares of what the goal allows.

Voxels are less the base, in a unit that makes their magnitudes about 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...maps.fourier_shells import FourierShells
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
        weight = measure.weight(box)
        given = problem.values(box) / np.float32(unit)
        self._weight = torch.from_numpy(weight).to(device)
        self._grid = problem.shape if math.prod(problem.shape) <= _LARGEST_GRID else shape
        shells = FourierShells(self._grid, measure.shells.voxel_size)
        index = np.rint(shells.radii() * (measure.shells.edge / shells.edge)).astype(np.int64)
        last = len(measure.allowed)
        inside = ((index >= 1) & (index <= last)).ravel()
        self._chosen = torch.from_numpy(np.flatnonzero(inside)).to(device)
        self._index = torch.from_numpy(index.ravel()[inside] - 1).to(device)
        twice = np.full(index.shape, 2.0, np.float32)
        twice[..., 0] = 1
        if self._grid[2] % 2 == 0:
            twice[..., -1] = 1
        counted = torch.from_numpy(twice.ravel()[inside]).to(device)
        self._count = last
        self._twice = counted
        self._values = torch.from_numpy(given).to(device)
        self._original = self._spectrum(self._values)
        power = self._sums(self._original.square().sum(dim=1))
        allowed = torch.from_numpy(measure.allowed).float().to(device)
        self._power = power.clamp_min(1e-30)
        self._allowed = torch.where(torch.isfinite(allowed), allowed, 1e30)
        if part:
            # Of a part of the map, as much as of all of it: its own power may be next to nothing.
            noise = torch.from_numpy(measure.variance()).float().to(device) / unit**2
            squares = float(np.square(weight, dtype=np.float64).sum())
            counts = self._sums(torch.ones_like(counted))
            self._power = noise * counts * squares / (2 * self._allowed)
        share = float(np.square(weight, dtype=np.float64).sum()) / math.prod(self._grid)
        self.freedom = self._sums(torch.ones_like(counted)) * share
        variance = measure.least_variance() / unit**2
        self._outside = _Outside(problem, box, weight > 0, variance, unit, device)
        total = float(weight.sum(dtype=np.float64))
        error = measure.squared_error() / unit**2 / max(total, 1.0)
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
        found = self._spectrum(voxels)
        outside = self._outside(voxels)
        mean = ((voxels - self._values) * self._weight).sum().square() * self._mean_price
        return _with_surface(self._noise(found), self._surface, voxels), outside + mean

    def judged(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell as it is to be measured, which may have no slope."""
        return _with_overlap(self._noise(self._spectrum(voxels)), self._surface, voxels)

    def quadratic(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell that an error of these voxels stands for."""
        found = self._spectrum(voxels)
        power = self._sums(found.square().sum(dim=1))
        return _with_none(power / (2 * self._power * self._allowed), self._surface)

    def lacking(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell for the whole error, quadratic in the voxels."""
        return _with_none(self._noise(self._spectrum(voxels)), self._surface)

    def _noise(self, found: Tensor) -> Tensor:
        power = self._sums((found - self._original).square().sum(dim=1))
        return power / (2 * self._power * self._allowed)

    def _spectrum(self, voxels: Tensor) -> Tensor:
        """Return real and imaginary parts of the coefficients that count, (n, 2)."""
        spectrum = torch.fft.rfftn(voxels * self._weight, s=self._grid)
        return torch.view_as_real(spectrum.flatten()[self._chosen])

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
        short = self._level + _INNER_MARGIN * spread - voxels
        above = voxels - (self._level - _MARGIN * spread)
        wrong = torch.where(self._inside, _INNER_WEIGHT**0.5 * short, above).clamp_min(0)
        return (wrong.square() * self._counted).sum() / (2 * self._variance * self.count)

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
        self._limits = None
        if np.isfinite(limits).any():
            self._limits = torch.from_numpy(limits).to(device)
        self._span = problem.span / unit
        self._cost = 1 / (2 * max(variance, 1e-30))

    def __call__(self, voxels: Tensor) -> Tensor:
        if self._limits is None:
            return voxels.new_zeros(())
        above = (voxels - self._limits).clamp_min(0)
        total = above.square().sum()
        if math.isfinite(self._span):
            below = torch.where(self._limits.isfinite(), self._limits - self._span - voxels, 0)
            total = total + below.clamp_min(0).square().sum()
        return total * self._cost


def _with_surface(losses: Tensor, surface: _Surface | None, voxels: Tensor) -> Tensor:
    return losses if surface is None else torch.cat([losses, surface(voxels)[None]])


def _with_overlap(losses: Tensor, surface: _Surface | None, voxels: Tensor) -> Tensor:
    if surface is None:
        return losses
    return torch.cat([losses, surface.off(voxels)[None] / _OFF_SURFACE])


def _with_none(losses: Tensor, surface: _Surface | None) -> Tensor:
    return losses if surface is None else torch.cat([losses, losses.new_zeros(1)])
