"""What two half-maps say of a map: its resolution, and the noise in each Fourier shell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MapError
from ..progress import Clock, Progress, Steps
from ..support.array_types import ComplexArray, Float32Array, Float64Array
from .density_map import DensityMap, check_finite
from .fourier_shells import SILENT, FourierShells, ShellGoal
from .threshold import background_density

HALF_MAP_FSC = 0.143
"""Correlation of half-maps that stands for the resolution (Rosenthal & Henderson, 2003)."""

OF_NOISE = 0.1
"""Of the power of the noise: what the error may have in each shell."""

_LEAST_NOISE = 1e-6  # of the power of a shell: below that a correlation says nothing
_VOXEL_SIZES = 0.01  # relative difference above which they are of another grid
_ALIKE = 0.9  # correlation of the strongest shell before that of their resolution
_POWERS = 2.0  # ratio of what they hold beyond their resolution
_DENSE, _UNEVEN = 0.95, 4.0  # quantile of structure; of the variances of noise there and elsewhere


@dataclass(frozen=True, eq=False)
class HalfMapNoise:
    """The correlation of two half-maps inside a mask, and what follows from it.

    Attributes
    ----------
    shells : those of the maps.
    correlation : Fourier shell correlation for shell 1, 2, ...
    """

    shells: FourierShells
    correlation: Float64Array

    @classmethod
    def measure(
        cls,
        half_maps: tuple[DensityMap, DensityMap],
        weight: Float32Array | None,
        density_map: DensityMap,
    ) -> HalfMapNoise:
        """Correlate the half-maps of a map inside its soft mask, shape (z, y, x), or everywhere.

        Raises
        ------
        MapError
            If they cannot be half-maps of it.
        """
        shells = FourierShells(density_map.data.shape, density_map.voxel_size)
        spectra = []
        for half in half_maps:
            _check_half_map(half, density_map)
            # Less their background, or the mask itself would correlate.
            level = 0.0 if weight is None else background_density(half, weight > 0)
            scaled = (half.data - np.float32(level)) / np.float32(_largest(half.data, level))
            spectra.append(shells.spectrum(scaled if weight is None else scaled * weight))
        correlation = shells.correlation(*spectra)[1:]
        if correlation.min() > 1 - _LEAST_NOISE:
            names = " and ".join(half.name for half in half_maps)
            raise MapError(f"{names} are the same map: give two independent half-maps")
        return cls(shells, correlation)

    @property
    def last_shell(self) -> int:
        """The last shell before the correlation falls below 0.143, at least 1."""
        below = np.flatnonzero(self.correlation < HALF_MAP_FSC)
        return max(1, int(below[0]) if below.size else len(self.correlation))

    @property
    def resolution(self) -> float:
        """The Å where the correlation falls below 0.143, interpolated between shells."""
        last = self.last_shell
        if last == len(self.correlation):
            return self.shells.resolution(last)
        before, after = np.maximum(self.correlation[last - 1 : last + 1], 0)
        part = (before - HALF_MAP_FSC) / (before - after) if before > HALF_MAP_FSC else 0.0
        return float(f"{self.shells.edge / (last + part):.5g}")

    @property
    def noise_share(self) -> Float64Array:
        """The noise of the final map as a share of its power: 1 - 2F / (1 + F), for shell 1, ..."""
        known = np.clip(self.correlation, 0, 1)
        return np.maximum((1 - known) / (1 + known), _LEAST_NOISE)

    def goal(self, last: int) -> ShellGoal:
        """Return the goal for shells up to one: a tenth of the noise of the final map."""
        return ShellGoal(OF_NOISE / 2 * self.noise_share[:last], by_noise=True)

    def with_error(self, share: Float64Array) -> HalfMapNoise:
        """Return the correlation that remains if each half-map had an error of its own.

        Parameters
        ----------
        share : power of the error of the final map as a share of its own, for shell 1, 2, ...

        Notes
        -----
        The final map, the mean of both, holds the signal and half of the noise of each: of the
        power of a half-map that is (1 + F) / 2. The same share of error then leaves
        F / (1 + share (1 + F) / 2).
        """
        known = np.clip(self.correlation, 0, 1)
        left = self.correlation / (1 + share * (1 + known) / 2)
        return HalfMapNoise(self.shells, left)


def are_half_maps_steps(one: DensityMap, other: DensityMap, clock: Clock) -> Steps[bool]:
    """Find whether two maps are independent halves of one data set, as far as they tell.

    They are on one grid. From some Fourier shell on they correlate to less than 0.143, though both
    hold as much there, to a factor of two; they correlate to 0.9 in the strongest before it. They
    differ by noise, which is everywhere: the variance of the difference is at most four times as
    large in the densest 5 % of the voxels as in the others.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from napari_cryoinr import synthetic_map
    >>> from napari_cryoinr.progress import drain
    >>> whole, random = synthetic_map(32), np.random.default_rng(0)
    >>> noise = [np.float32(random.normal(size=(32, 32, 32))) for _ in range(2)]
    >>> one, two = (replace(whole, data=whole.data + part) for part in noise)
    >>> [drain(are_half_maps_steps(one, other, Clock())) for other in (two, one)]
    [True, False]
    """
    if one.data.shape != other.data.shape or not _same_voxels(one, other):
        return False
    largest = max(_largest(half.data, 0.0) for half in (one, other))
    a, b = (half.data / np.float32(largest) for half in (one, other))
    shells = FourierShells(one.data.shape, one.voxel_size)
    spectra: list[ComplexArray] = []
    powers: list[Float64Array] = []
    for volume in (a, b):
        yield Progress("preparing", len(powers), 3, clock.seconds)
        spectra.append(shells.spectrum(volume))
        yield Progress("preparing", len(powers), 3, clock.seconds)
        powers.append(shells.power(spectra[-1])[1:])
    yield Progress("preparing", 2, 3, clock.seconds)
    cross = shells.cross(*spectra)[1:]
    yield Progress("preparing", 3, 3, clock.seconds)
    del spectra
    silent = powers[0] <= SILENT * powers[0].max()
    correlation = cross / np.maximum(np.sqrt(powers[0] * powers[1]), 1e-300)
    below = np.flatnonzero((correlation < HALF_MAP_FSC) & ~silent)
    if not below.size or not below[0]:
        return False
    strongest = int(np.argmax((powers[0] + powers[1])[: below[0]]))
    left, right = (float(power[below[0] :].sum()) for power in powers)
    if (
        correlation[strongest] < _ALIKE
        or float(cross[below[0] :].sum()) >= HALF_MAP_FSC * np.sqrt(left * right)
        or max(left, right) > _POWERS * min(left, right)
    ):
        return False
    dense = a + b
    dense = dense > np.quantile(dense, _DENSE)
    difference = a - b
    inside, outside = (float(difference[part].var(dtype=np.float64)) for part in (dense, ~dense))
    return inside <= _UNEVEN * outside


def _same_voxels(half: DensityMap, density_map: DensityMap) -> bool:
    return np.allclose(half.voxel_size, density_map.voxel_size, rtol=_VOXEL_SIZES)


def _check_half_map(half: DensityMap, density_map: DensityMap) -> None:
    if half.data.shape != density_map.data.shape:
        raise MapError(
            f"half-map {half.name} has the shape {half.data.shape} and {density_map.name}"
            f" {density_map.data.shape}: must be on one grid"
        )
    if not _same_voxels(half, density_map):
        raise MapError(
            f"half-map {half.name} has voxels of {half.voxel_size[0]:.4g} Å and"
            f" {density_map.name} of {density_map.voxel_size[0]:.4g} Å: must be on one grid"
        )
    check_finite(half.data, half.name)
    if half.data.min() == half.data.max():
        raise MapError(f"half-map {half.name} is constant: it holds no signal")


def _largest(data: Float32Array, level: float) -> float:
    """Return the largest distance from a level: no square of what it divides leaves float32."""
    return max(float(data.max()) - level, level - float(data.min())) or 1.0
