"""How alike two maps are, neither of them an original: half-maps, refinements, conformations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..maps.density_map import DensityMap
from ..maps.half_maps import HALF_MAP_FSC, are_half_maps_steps
from ..maps.masked_volume import MaskedVolume
from ..maps.threshold import background_density
from ..progress import Clock, Progress, Steps, drain
from ..support.array_types import Float32Array
from .fsc import ShellCorrelation, shell_correlation_steps
from .map_pairs import check_same_shape

LEVELS = (HALF_MAP_FSC, 0.5)
"""Correlations at which a resolution is read off: of half-maps, and of two whole maps."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike two maps are.

    Attributes
    ----------
    whole : the Fourier shell correlation of the whole volumes.
    masked : that of both maps, less their background, times the soft mask; None without one.
    mask : what the mask is, in words: "soft mask round 0.4"; empty without one.
    voxels, mask_voxels : voxels of the volume, and those where the mask is at least 0.5.
    correlation, mask_correlation : Pearson correlation over those voxels.
    difference, mask_difference : standard deviation of the difference over those voxels, density.
    half_maps : whether they are independent halves of one data set, as far as they tell.
    nyquist : finest resolution of the grid, Å.
    """

    whole: ShellCorrelation
    masked: ShellCorrelation | None
    mask: str
    voxels: int
    mask_voxels: int
    correlation: float
    mask_correlation: float
    difference: float
    mask_difference: float
    half_maps: bool
    nyquist: float

    def verdict(self) -> str:
        """Return what the maps are and the resolution up to which they agree, in a sentence."""
        level = HALF_MAP_FSC if self.half_maps else 0.5
        curve, where = (self.whole, "the whole volume")
        if self.masked is not None:
            curve, where = self.masked, f"the {self.mask}"
        what = "Half-maps, which" if self.half_maps else "Two maps, which"
        return f"{what} agree (FSC above {level}) to {self._text(curve, level)} in {where}"

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, value) of every number, with what it is measured over."""
        parts = [(self.whole, self.voxels, self.correlation, self.difference, "whole volume")]
        if self.masked is not None:
            inside = self.masked, self.mask_voxels, self.mask_correlation, self.mask_difference
            parts.insert(0, (*inside, self.mask))
        out = []
        for curve, voxels, correlation, difference, where in parts:
            for level in LEVELS:
                out.append((f"Resolution at FSC {level}, {where}", self._text(curve, level)))
            out.append((f"Correlation of densities, {where}", f"{correlation:.4f}"))
            out.append((f"Standard deviation of the difference, {where}", f"{difference:.4g}"))
            out.append((f"Voxels, {where}", f"{voxels:,}"))
        noise = "independent above their resolution" if self.half_maps else "no half-maps"
        return [*out, ("Noise, whole volume", noise)]

    def text(self) -> str:
        """Return the verdict and all rows, in aligned lines."""
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        return "\n".join([self.verdict(), *(f"{name:{width}}  {value}" for name, value in rows)])

    def curves(self) -> list[tuple[str, ShellCorrelation]]:
        """Return (where, curve) of each Fourier shell correlation."""
        whole = [("whole volume", self.whole)]
        return whole if self.masked is None else [(self.mask, self.masked), *whole]

    def _text(self, curve: ShellCorrelation, level: float) -> str:
        resolution = curve.resolution_below(level)
        if resolution is None:
            return f"{self.nyquist:.2f} Å, the finest of the grid"
        return f"{resolution:.2f} Å"


def likeness(
    one: DensityMap, other: DensityMap, weight: Float32Array | None = None, mask: str = "mask"
) -> Likeness:
    """Measure how alike two maps are; see `likeness_steps`.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(24)
    >>> likeness(m, m).verdict()
    'Two maps, which agree (FSC above 0.5) to 4.00 Å, the finest of the grid in the whole volume'
    """
    return drain(likeness_steps(one, other, weight, mask))


def likeness_steps(
    one: DensityMap,
    other: DensityMap,
    weight: Float32Array | None = None,
    mask: str = "mask",
    clock: Clock | None = None,
) -> Steps[Likeness]:
    """Measure how alike two maps are, as a generator of progress.

    Parameters
    ----------
    one, other : DensityMap
        Maps of one shape (z, y, x).
    weight : ndarray of float32, optional
        A soft mask, 0 to 1, of the same shape.
    mask : str
        What the mask is, in words.
    clock : Clock, optional
        Gives the seconds of the records.

    Raises
    ------
    MapError
        If the shapes differ.
    """
    clock = clock or Clock()
    check_same_shape(one.data.shape, other.data.shape)
    half_maps = yield from are_half_maps_steps(one, other, clock)
    inside = None if weight is None else weight >= 0.5
    yield Progress("measuring", 0, 2, clock.seconds)
    correlation, difference = _agreement(one.data, other.data)
    yield Progress("measuring", 1, 2, clock.seconds)
    mask_correlation, mask_difference, mask_voxels = correlation, difference, one.data.size
    if inside is not None:
        mask_voxels = int(np.count_nonzero(inside))
        mask_correlation, mask_difference = _agreement(one.data[inside], other.data[inside])
    common = one.voxel_size, clock
    whole = yield from shell_correlation_steps(one.data, other.data, *common)
    masked = None
    if weight is not None:  # less the background, or the mask itself would correlate
        a, b = (
            MaskedVolume(m.data, background_density(m, weight > 0), weight) for m in (one, other)
        )
        masked = yield from shell_correlation_steps(a, b, *common)
    return Likeness(
        whole,
        masked,
        "" if weight is None else mask,
        one.data.size,
        mask_voxels,
        correlation,
        mask_correlation,
        difference,
        mask_difference,
        half_maps,
        2 * max(one.voxel_size),
    )


def _agreement(a: Float32Array, b: Float32Array) -> tuple[float, float]:
    """Return the Pearson correlation and the standard deviation of the difference."""
    if a.size == 0:
        return 0.0, 0.0
    x, y = (np.asarray(v, np.float64).ravel() for v in (a, b))
    x, y = x - x.mean(), y - y.mean()
    spread = math.sqrt(float(x @ x) * float(y @ y))
    correlation = float(x @ y) / spread if spread > 0 else 0.0
    return min(max(correlation, -1.0), 1.0), float((x - y).std())
