"""The loss of a decoded map in each Fourier shell, as a share of what is allowed there."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..maps.density_map import slabs
from ..maps.fourier_shells import FourierShells, silent_shells
from ..support.array_types import Float32Array, Float64Array, Region, Triple
from ..support.regions import region_shape
from .base import Target

_TAPER = 8  # voxels


def _taper(count: int) -> Float32Array:
    """Return weights that rise from 0 to 1 at both ends of an axis."""
    depth = np.minimum(np.arange(count), np.arange(count)[::-1]) + 0.5
    return np.sin(0.5 * math.pi * np.minimum(depth / _TAPER, 1)).astype(np.float32) ** 2


class ShellMeasure:
    """Measures decoded maps against the goal of one original, inside its soft mask.

    Attributes
    ----------
    losses : of the map that was measured last, by shell from shell 1.
    aspect : how fine the voxels are along (z, y, x), as a share of the finest.
    """

    def __init__(self, target: Target) -> None:
        assert target.shells is not None
        self._goal, self._weight = target.shells, target.weight
        self._background = np.float32(target.background)
        voxels = target.map.voxel_size
        self.shells = FourierShells(target.map.data.shape, voxels, len(target.shells.allowed))
        z, y, x = (float(f"{min(voxels) / size:.4g}") for size in voxels)
        self.aspect: Triple = (z, y, x)
        data = target.map.data
        self._spectrum = self.shells.spectrum_of(
            (part, self._masked(data[part], part)) for part in slabs(data.shape)
        )
        self._part = slice(1, len(self._goal.allowed) + 1)
        power = self.shells.power(self._spectrum)
        self._power = power[self._part]
        # Shells without any power are as they were if hardly any appears there.
        silent = silent_shells(power)[self._part]
        self._power = np.maximum(self._power, 1e-300)
        self._allowed = np.where(silent, np.inf, self._goal.allowed)
        self.losses = np.full(len(self._goal.allowed), np.inf)

    @property
    def allowed(self) -> Float64Array:
        """The largest loss of each shell from shell 1; infinite where there is no power."""
        return self._allowed

    def weight(self, region: Region) -> Float32Array:
        """Return the soft mask in a region of the map."""
        if self._weight is None:
            return np.ones(region_shape(region), np.float32)
        return np.ascontiguousarray(self._weight[region])

    def least_variance(self) -> float:
        """Return the variance of white noise that no shell forbids."""
        return float(self.variance().min())

    def measure(self, decoded: Float32Array) -> float:
        """Return the largest loss of a decoded map of the shape of the original."""
        return self.measure_slabs((part, decoded[part]) for part in slabs(decoded.shape))

    def measure_slabs(self, parts: Iterable[tuple[slice, Float32Array]]) -> float:
        """Return the same of slabs along z, (z, voxels), of which no more than one is held."""
        found = self.shells.spectrum_of((z, self._masked(slab, z)) for z, slab in parts)
        self.losses = self._goal.losses(self.shells, self._spectrum, found)
        return float(self.losses.max())

    def noise(self, error: Float32Array) -> Float64Array:
        """Return the loss in each shell that an error alone stands for, where it is small."""
        masked = error if self._weight is None else error * self._weight
        power = self.shells.power(self.shells.spectrum(masked))
        return power[self._part] / (2 * self._power * self._allowed)

    def noise_in(self, error: Float32Array, region: Region) -> Float64Array:
        """Return by shell, up to a factor of each shell, the same of the error of a region alone.

        Its own shells are wider, and between them the power is interpolated.
        """
        masked = error * self.weight(region)
        for axis, (part, n) in enumerate(zip(region, self.shells.shape, strict=True)):
            if part.stop - part.start < n:  # else what is cut off would leak into all shells
                sides = [1] * 3
                sides[axis] = -1
                masked *= _taper(part.stop - part.start).reshape(sides)
        voxels, last = self.shells.voxel_size, len(self._allowed)
        edge = self.shells.edge
        longest = FourierShells(region_shape(region), voxels).edge
        wanted = np.arange(1, last + 1) * (longest / edge)
        own = FourierShells(region_shape(region), voxels, math.ceil(wanted[-1]))
        power = own.power(own.spectrum(masked)) / np.maximum(own.counts, 1)
        return np.interp(wanted, np.arange(1, len(power)), power[1:])

    def variance(self) -> Float64Array:
        """Return the variance of white noise that is allowed by each shell, from shell 1."""
        counts = self.shells.counts[self._part]
        variance = 2 * self._power * self._allowed / (counts * self._voxels)
        loud = np.isfinite(self._allowed)
        return np.where(loud, variance, variance[loud].max(initial=1e-30))

    def squared_error(self) -> float:
        """Return the sum of the squared errors that is allowed over all shells."""
        size = float(np.prod(self.shells.shape))
        loud = np.isfinite(self._allowed)
        return float((2 * self._power * self._allowed)[loud].sum()) / size

    def mean_square(self) -> float:
        """Return the same over the sum of the soft mask."""
        weight = self._weight
        total = (
            float(np.prod(self.shells.shape)) if weight is None else float(weight.sum(dtype=float))
        )
        return self.squared_error() / max(total, 1.0)

    @property
    def _voxels(self) -> float:
        if self._weight is None:
            return float(np.prod(self.shells.shape))
        return float(np.square(self._weight, dtype=np.float64).sum())

    def _masked(self, slab: Float32Array, part: slice) -> Float32Array:
        if self._weight is None:
            return slab
        masked = slab - self._background  # else the mask itself would correlate
        masked *= self._weight[part]
        return masked
