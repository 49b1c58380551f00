"""What training makes small beside the bits: errors as shares of what the goal allows.

Voxels are less the base, in a unit that makes their magnitudes about 1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...support.array_types import AnyArray, Float32Array, Region
from ...support.regions import region_shape
from ..problem import Problem
from ..shell_measure import ShellMeasure
from .inr_settings import InrSettings
from .shell_spectrum import ShellSpectrum
from .surface_loss import Outside, Surface, with_none, with_overlap, with_surface
from .unfolding import Unfolding, smoothing

_SURFACE_FREEDOM = 2.0  # times that of all voxels: how much the surface counts at the beginning
# Of its price, as parts of that, where an error or where shells are the goal.
_SURFACE_RANGE, _SURFACE_OF_SHELLS = (0.25, 1.0), (0.25, 4.0)
_RANGE = (1e-3, 100.0)  # of all other prices
# Voxels of the map up to which its own Fourier grid is used.
_LARGEST_GRIDS = {"cpu": 1 << 21, "mps": 1 << 25, "cuda": 1 << 28}


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
    exact : whether losses are about those of the whole map.
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
        own = soft_mask(problem, measure, box)
        total = float(own.sum(dtype=np.float64))
        variance = measure.least_variance() / unit**2
        spent = 0.0 if problem.folded is None else problem.folded.spent
        self._unfold: Unfolding | None = None
        outer, weight = box, own
        edge, voxel_size, last = (
            measure.shells.edge,
            measure.shells.voxel_size,
            len(measure.allowed),
        )
        smoothed = np.ones(last)
        if problem.folded is not None and not part:
            outer = problem.folded.whole.box
            weight = measure.weight(outer)
            self._unfold = Unfolding(problem.folded.symmetry, box, outer, weight, device)
            smoothed = smoothing(last, edge, voxel_size)
        self._weight = torch.from_numpy(weight).to(device)
        shape = region_shape(outer)
        grid = problem.shape if math.prod(problem.shape) <= _LARGEST_GRIDS[device] else shape
        self._spectrum = ShellSpectrum(shape, grid, voxel_size, edge, last, device)
        masked = self._masked(torch.from_numpy(problem.values(box) / np.float32(unit)).to(device))
        self._total = masked.sum()
        self._original = self._spectrum(masked)
        self.exact = not part and self._unfold is None and tuple(grid) == problem.shape
        squares = float(np.square(weight, dtype=np.float64).sum())
        counts = self._spectrum.counts
        if part:
            # Of a part of the map, as much as of all of it: its own power may be next to nothing.
            noise = torch.from_numpy(measure.variance() * (1 - spent)).float().to(device) / unit**2
            self._allowed = noise * counts * squares
        else:
            share = np.where(np.isfinite(measure.allowed), measure.allowed, 1e30)
            left = torch.from_numpy(2 * share * (1 - spent) * smoothed).float().to(device)
            self._allowed = left * self._spectrum.power(self._original).clamp_min(1e-30)
        self.freedom = counts * (float(np.square(own, dtype=np.float64).sum()) / math.prod(grid))
        self._outside = Outside(problem, box, own > 0, variance, unit, device)
        error = measure.mean_square() / unit**2
        self._surface = Surface.of(problem, box, unit, error, device)
        self.range, self.goals = [_RANGE] * last, last
        if self._surface is not None:
            self.range.append(_SURFACE_OF_SHELLS)
            # A squared error at the surface counts as much as others do.
            at_surface = _SURFACE_FREEDOM * self._surface.count / max(total, 1.0)
            self.freedom = torch.cat([self.freedom, at_surface * self.freedom.sum()[None]])
        # An offset of a tenth of the noise costs a bit.
        whole = float(weight.sum(dtype=np.float64))
        self._mean_price = 1 / max(0.01 * variance * whole**2, 1e-30)

    def __call__(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (loss of each shell, what voxels outside cost in bits) of voxels of the box."""
        masked = self._masked(voxels)
        outside = self._outside(voxels)
        mean = (masked.sum() - self._total).square() * self._mean_price
        return with_surface(self._noise(masked), self._surface, voxels), outside + mean

    def judged(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell as it is to be measured, which may have no slope."""
        return with_overlap(self._noise(self._masked(voxels)), self._surface, voxels)

    def quadratic(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell that an error of these voxels stands for."""
        power = self._spectrum.power(self._spectrum(self._masked(voxels)))
        return with_none(power / self._allowed, self._surface)

    def lacking(self, voxels: Tensor) -> Tensor:
        """Return the loss of each shell for the whole error, quadratic in the voxels."""
        return with_none(self._noise(self._masked(voxels)), self._surface)

    def _masked(self, voxels: Tensor) -> Tensor:
        whole = voxels if self._unfold is None else self._unfold(voxels)
        return whole * self._weight

    def _noise(self, masked: Tensor) -> Tensor:
        return self._spectrum.power(self._spectrum(masked) - self._original) / self._allowed


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
        positive = int(np.count_nonzero(weighted))
        above = math.ceil(self._own.weight_percentile / 100 * positive)
        self._rank = max(weighted.size - positive + above, 1)  # of the least of the large errors
        self._values = torch.from_numpy(values).to(device)
        self._allowed = max(allowed / unit**2, 1e-30)
        self._lowest = max((float(problem.lowest) - problem.base) / unit, -3e38)
        self.freedom = torch.tensor([float(counted.sum())], device=device)
        variance = self._allowed / max(float(counted.sum()), 1.0)
        self._surface = Surface.of(problem, box, unit, variance, device)
        self._outside: Outside | None = None
        if math.isfinite(problem.span):  # an envelope is kept; with a contour the surface is enough
            self._outside = Outside(problem, box, counted > 0, variance, unit, device)
        self.range, self.goals = [_RANGE], 1
        self.exact = problem.folded is None
        if self._surface is not None:
            self.range.append(_SURFACE_RANGE)
            self.freedom = self.freedom * torch.tensor([1.0, _SURFACE_FREEDOM], device=device)

    def __call__(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """See `ShellLoss`."""
        losses = self._ratio(voxels.clamp_min(self._lowest) - self._values)
        outside = voxels.new_zeros(()) if self._outside is None else self._outside(voxels)
        return with_surface(losses, self._surface, voxels), outside

    def judged(self, voxels: Tensor) -> Tensor:
        """See `ShellLoss`."""
        losses = self._ratio(voxels.clamp_min(self._lowest) - self._values)
        return with_overlap(losses, self._surface, voxels)

    def quadratic(self, voxels: Tensor) -> Tensor:
        """See `ShellLoss`."""
        return with_none(self._ratio(voxels), self._surface)

    def lacking(self, voxels: Tensor) -> Tensor:
        """See `ShellLoss`."""
        return with_none(self._ratio(voxels - self._values), self._surface)

    def _ratio(self, wrong: Tensor) -> Tensor:
        weights = self._weights
        if self._own.weight_factor != 1:
            sizes = (wrong.detach().abs() * (weights > 0)).flatten()
            bound = sizes.kthvalue(self._rank).values
            large = wrong.detach().abs() >= bound
            weights = weights * torch.where(large, self._own.weight_factor, 1.0)
            weights = weights * (self._weights.sum() / weights.sum().clamp_min(1e-30))
        total = (wrong.square() * weights).sum(dtype=torch.float32)
        return (total / self._allowed)[None]
