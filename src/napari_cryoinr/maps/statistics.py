"""Extremes, moments and histogram of a map's densities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..support.array_types import Float32Array, Float64Array, Int64Array
from .density_map import DensityMap
from .mrc_header import INTEGER_MODES

_BINS = 8192
# One exact density that fills more than this is a mask's outside, not solvent. Rounded densities
# repeat by themselves, so that integer maps need more of it.
_FLAT_SHARE, _FLAT_SHARE_INTEGERS = 0.05, 0.5
_SAMPLE_SIDE = 48


@dataclass(frozen=True)
class Statistics:
    """Extremes, moments and histogram of a map.

    Attributes
    ----------
    low, high, mean, sigma : extremes, mean and standard deviation over all voxels.
    flat : the density that fills the outside of a masked map, or None.
    counts, centres : histogram of the voxels that are not flat.
    size : number of voxels.
    """

    low: float
    high: float
    mean: float
    sigma: float
    flat: float | None
    counts: Int64Array
    centres: Float64Array
    size: int

    def quantile(self, share: float) -> float:
        """Return the density below which this share of the voxels that are not flat lies."""
        total = np.cumsum(self.counts)
        return float(self.centres[np.searchsorted(total, share * total[-1])])

    def share_above(self, density: float) -> float:
        """Return the share of all voxels above a density, to the histogram's resolution."""
        above = int(self.counts[self.centres > density].sum())
        if self.flat is not None and self.flat > density:
            above += self.size - int(self.counts.sum())
        return above / self.size


def statistics(density_map: DensityMap) -> Statistics:
    """Measure a map: one pass for extremes and moments, one for the histogram."""
    data = density_map.data
    low, high, total, squares = np.inf, -np.inf, 0.0, 0.0
    candidates = (np.float32(0), _middle(data))
    repeats = [0, 0]
    for part in density_map.slabs():
        slab = data[part]
        low, high = min(low, float(slab.min())), max(high, float(slab.max()))
        total += float(slab.sum(dtype=np.float64))
        squares += float(np.square(slab, dtype=np.float64).sum())
        for index, candidate in enumerate(candidates):
            repeats[index] += int(np.count_nonzero(slab == candidate))
    mean = total / data.size
    sigma = float(np.sqrt(max(squares / data.size - mean**2, 0.0)))
    rounded = density_map.mode in INTEGER_MODES
    enough = (_FLAT_SHARE_INTEGERS if rounded else _FLAT_SHARE) * data.size
    flat = float(candidates[int(np.argmax(repeats))]) if max(repeats) > enough else None
    counts = np.zeros(_BINS, np.int64)
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    for part in density_map.slabs():
        slab = data[part]
        values = slab[slab != flat] if flat is not None else slab
        counts += np.histogram(values, bins=edges)[0]
    centres = (edges[:-1] + edges[1:]) / 2
    return Statistics(low, high, mean, sigma, flat, counts, centres, data.size)


def _middle(data: Float32Array) -> np.float32:
    """Return a density near the middle of the map's distribution, from a sparse sample.

    For a map that was cut out at a threshold it is the density that stands for all the rest.
    """
    steps = [max(1, n // _SAMPLE_SIDE) for n in data.shape]
    sample = np.sort(data[:: steps[0], :: steps[1], :: steps[2]], axis=None)
    return np.float32(sample[sample.size // 2])
