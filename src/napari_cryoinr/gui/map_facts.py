"""What widgets know of a layer: its density map and statistics, worked out in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..maps import DensityMap
from ..progress import Progress, Steps
from ..threshold import Statistics, auto_threshold, statistics
from .layers import map_of

_COUNTED_VOXELS = 1 << 24  # in more, shares are read off the histogram


@dataclass(frozen=True, eq=False)
class MapFacts:
    """A layer's map.

    Attributes
    ----------
    auto : the automatic threshold.
    """

    map: DensityMap
    stats: Statistics
    auto: float

    @property
    def spread(self) -> float:
        """Range of the densities, never 0."""
        return (self.stats.high - self.stats.low) or 1.0

    def to_sigma(self, density: float) -> float:
        """A density as a number of standard deviations above the mean."""
        return (density - self.stats.mean) / (self.stats.sigma or 1.0)

    def from_sigma(self, number: float) -> float:
        """The inverse of `to_sigma`."""
        return self.stats.mean + number * self.stats.sigma

    def share_above(self, density: float) -> float:
        """Share of the voxels above a density."""
        data = self.map.data
        if data.size > _COUNTED_VOXELS:
            return self.stats.share_above(density)
        return int(np.count_nonzero(data > np.float32(density))) / data.size


def facts_steps(data: Any, meta: dict[str, Any]) -> Steps[MapFacts]:
    """The facts of a layer's data and description; see `layers.map_of` for what it raises."""
    yield Progress("reading", 0, 2)
    density_map = map_of(data, meta)
    yield Progress("reading", 1, 2)
    stats = statistics(density_map)
    return MapFacts(density_map, stats, auto_threshold(stats))
