"""What is found of a layer in the background: its map, what it is, and its densities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...maps.auto_threshold import auto_threshold
from ...maps.density_map import DensityMap
from ...maps.map_statistics import Statistics, statistics
from ...maps.mrc_header import VOXEL_TYPES
from ...maps.volume_kinds import kind_of
from ...progress import Progress, Steps
from ...quality.verdict import size_text
from ...support.array_types import Float64Array
from ..io.map_layers import MapReader

_BINS = 160
_COUNTED_VOXELS = 1 << 24  # in more, shares are read off the histogram


@dataclass(frozen=True, eq=False)
class Histogram:
    """Voxels by density: `counts` of each bin, and the `edges` of the bins."""

    counts: Float64Array
    edges: Float64Array


@dataclass(frozen=True, eq=False)
class MapFacts:
    """A layer's map, its statistics, its automatic threshold, and one of `KINDS`, what it is."""

    map: DensityMap
    stats: Statistics
    auto: float
    kind: str
    histogram: Histogram

    @property
    def spread(self) -> float:
        """Range of the densities, never 0."""
        return (self.stats.high - self.stats.low) or 1.0

    def to_sigma(self, density: float) -> float:
        """Return a density as a number of standard deviations above the mean."""
        return (density - self.stats.mean) / (self.stats.sigma or 1.0)

    def from_sigma(self, number: float) -> float:
        """Return the inverse of `to_sigma`."""
        return self.stats.mean + number * self.stats.sigma

    def about(self) -> str:
        """Return the map in a line: its shape, voxel size and bytes."""
        sizes: tuple[float, ...] = self.map.voxel_size
        if max(sizes) - min(sizes) < 1e-4 * max(sizes):
            sizes = sizes[:1]
        shape = " × ".join(map(str, self.map.data.shape))
        size = " × ".join(f"{one:.4g}" for one in sizes)
        voxels = VOXEL_TYPES[self.map.mode]
        stored = size_text(voxels.itemsize * self.map.data.size)
        return f"{shape} voxels of {size} Å, {stored} ({voxels.name})"

    def above(self, density: float | None) -> str:
        """Return what lies above a density, in a line: the share of voxels, and their volume."""
        data, share = self.map.data, 1.0
        if density is not None and data.size > _COUNTED_VOXELS:
            share = self.stats.share_above(density)
        elif density is not None:
            share = int(np.count_nonzero(data > np.float32(density))) / data.size
        volume = share * data.size * math.prod(self.map.voxel_size)
        text = f"{volume:,.0f}" if volume < 1e6 else f"{volume:.3g}".replace("e+0", " × 10^")
        return f"{100 * share:.3g} % of the voxels, {text}\N{NO-BREAK SPACE}Å³"


def facts_steps(read: MapReader) -> Steps[MapFacts]:
    """Read a layer's map and work out its statistics."""
    yield Progress("reading", 0, 3)
    density_map = read()
    yield Progress("reading", 1, 3)
    stats = statistics(density_map)
    yield Progress("reading", 2, 3)
    kind = kind_of(density_map, stats)
    return MapFacts(density_map, stats, auto_threshold(stats), kind, _histogram(stats))


def _histogram(stats: Statistics) -> Histogram:
    """Count the voxels by density; of many, those of the sample stand for all."""
    low, high = stats.low, stats.high
    if not low < high:
        low, high = low - (0.5 * abs(low) or 0.5), low + (0.5 * abs(low) or 0.5)
    counts, edges = np.histogram(stats.sample, _BINS, (low, high))
    found = counts * (stats.varied / stats.sample.size)
    for density, voxels in stats.constants:
        found += voxels * np.histogram([density], edges)[0]
    return Histogram(found, edges)
