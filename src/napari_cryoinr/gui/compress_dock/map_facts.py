"""What is found of a layer in the background: its map, statistics, and size when compressed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from superqt.utils import qdebounced

from ... import workers
from ...codec.estimation import Estimate
from ...maps.auto_threshold import auto_threshold
from ...maps.density_map import DensityMap
from ...maps.map_statistics import Statistics, statistics
from ...maps.mrc_header import VOXEL_TYPES
from ...progress import Progress, Steps
from ...quality.verdict import size_text
from ...settings import Settings
from ..io.map_layers import MapReader
from ..widgets.resources import Resources

AUTOMATIC_VOXELS = 1 << 24  # of larger maps an estimate takes minutes: it is made on demand
ON_DEMAND, ESTIMATING = "press Estimate", "estimating..."
_PAUSE = 600  # ms without a change before work begins
_KIND = "estimating the size"
_COUNTED_VOXELS = 1 << 24  # in more, shares are read off the histogram


@dataclass(frozen=True, eq=False)
class MapFacts:
    """A layer's map, its statistics and its automatic threshold."""

    map: DensityMap
    stats: Statistics
    auto: float

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
    yield Progress("reading", 0, 2)
    density_map = read()
    yield Progress("reading", 1, 2)
    stats = statistics(density_map)
    return MapFacts(density_map, stats, auto_threshold(stats))


class SizeEstimate:
    """Estimates in the background; a new request ends the work on the one before.

    `show` is called with the estimate, or with why there is none.
    """

    def __init__(self, resources: Resources, show: Callable[[str], None]) -> None:
        self._resources, self._show = resources, show
        self._request: tuple[DensityMap, Settings] | None = None
        self._begin_later = qdebounced(self.begin, timeout=_PAUSE)

    def request(self, density_map: DensityMap, settings: Settings) -> None:
        """Estimate after a pause without other requests; for large maps wait for `begin`."""
        self.stop()
        self._request = density_map, settings
        if density_map.data.size > AUTOMATIC_VOXELS:
            self._show(ON_DEMAND)
            return
        self._show(ESTIMATING)
        self._begin_later()

    def begin(self) -> None:
        """Begin the last request now."""
        self.stop()
        if self._request is None:
            return
        density_map, settings = self._request

        def show_estimate(estimate: Estimate) -> None:
            word = "at least" if estimate.at_least else "about"
            ratio = density_map.raw_bytes / max(estimate.bytes, 1)
            self._show(f"{word} {size_text(estimate.bytes)}, {ratio:,.0f} : 1")

        self._show(ESTIMATING)
        self._resources.start_job(
            _KIND,
            workers.estimate_steps(density_map, settings),
            done=show_estimate,
            failed=lambda error: self._show(f"no estimate: {error}"),
        )

    def stop(self) -> None:
        """End the work without a result."""
        self._begin_later.cancel()
        self._resources.stop_job(_KIND)
