"""Comparison of a map with its decoded voxels as these come, slab by slab."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..maps.density_map import DensityMap
from ..maps.resolution import Resolution
from ..progress import Clock, Steps
from ..support.array_types import Float32Array, Region
from ..support.regions import region_shape
from .comparison import ComparedSums, resolution_in_steps, with_lowest
from .fsc import shell_correlation_steps
from .quality_report import QualityReport

_SIDE = 192  # voxels along each axis of the box whose Fourier shells are compared


class SlabComparison:
    """What separates a decoded map from its original, over all voxels.

    Fourier shells alone are those of a box in the middle, and so is the resolution that is found.

    Parameters
    ----------
    original : the map; its voxels are given slab by slab.
    level : density of the iso-surface.
    peak : the largest magnitude of the original.
    """

    def __init__(self, original: DensityMap, level: float, peak: float) -> None:
        self._original = original
        self._sums = ComparedSums(None, level, peak or 1.0)
        z, y, x = (
            slice((n - min(n, _SIDE)) // 2, (n + min(n, _SIDE)) // 2) for n in original.data.shape
        )
        self._box: Region = (z, y, x)
        self._pair = np.empty((2, *region_shape(self._box)), np.float32)

    def add(self, part: slice, original: Float32Array, decoded: Float32Array) -> None:
        """Count a slab of both maps, a slice along z."""
        self._sums.add(original, decoded, None)
        z, y, x = self._box
        start, stop = max(part.start, z.start), min(part.stop, z.stop)
        if start < stop:
            own = slice(start - part.start, stop - part.start)
            place = slice(start - z.start, stop - z.start)
            self._pair[0, place] = original[own, y, x]
            self._pair[1, place] = decoded[own, y, x]

    def report_steps(self, resolution: Resolution | None, clock: Clock) -> Steps[QualityReport]:
        """Return the report; the resolution is found in the box where none is given."""
        one, other = self._pair
        size = self._original.voxel_size
        curve = yield from shell_correlation_steps(one, other, size, clock)
        report = self._sums.report(self._original, "volume", curve)
        if resolution is None and report.max_error > 0:
            middle = replace(self._original, data=one)
            resolution = yield from resolution_in_steps(middle, None, clock)
        report = with_lowest(report, curve, resolution)
        if one.shape == self._original.data.shape:
            return report
        return replace(report, shells_box=one.shape)
