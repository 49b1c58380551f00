"""The automatic threshold: from the order of a map's densities, not from their extremes."""

from __future__ import annotations

import numpy as np

from ..support.array_types import Float32Array, Float64Array
from .map_statistics import Statistics

_MOLECULE = 12_000.0  # Å³: 10 kDa of protein, at 1.21 Å³ for each Da (0.73 cm³/g)
# Shares of a box that a ball fills whose diameter is an eighth and a third of the box's edge.
_SMALLEST, _THIRD = 0.001, 0.019
_TAIL = 0.001  # share of the voxels at either end whose densities count as the next ones
_NOISE = 0.5
_MAD = 1.4826  # a normal distribution's standard deviation, in median absolute deviations


def auto_threshold(stats: Statistics) -> float:
    """Choose a contour from the distribution of a map's densities.

    It follows the densities where they are scaled and shifted, and what fills the box (a border or
    a mask's outside of one density) has no part in it.

    - Otsu's threshold of the densities; the highest and lowest 0.1 % count as the ones next to
      them, so that a few hot voxels change nothing.
    - Where at least half as many voxels lie as far below the solvent (the median, or the outside of
      a masked map) as lie above that threshold, it separates noise from noise. Then the contour is
      three robust standard deviations (1.4826 times the median absolute deviation) above the
      solvent; or, where nothing is so high since the structure fills the box, Otsu's threshold of
      the voxels above the first one.
    - Never below the solvent, and never so high that less than a molecule is left; see
      `least_voxels`.
    """
    sample = stats.sample
    if sample[0] == sample[-1]:  # a mask, or a constant map
        others = dict(stats.constants)
        rest = max(others, key=lambda value: others[value], default=float(sample[0]))
        return float(sample[0]) / 2 + rest / 2
    solvent = solvent_density(stats)
    threshold = otsu(sample)
    if mirrored_share(sample, solvent, threshold) > _NOISE:
        spread = _MAD * float(np.median(np.abs(sample.astype(np.float64) - solvent)))
        bound = solvent + 3 * spread
        if _count_above(sample, bound) < _SMALLEST * sample.size:
            upper = sample[np.searchsorted(sample, np.float32(threshold), "right") :]
            bound = otsu(upper) if upper[0] < upper[-1] else threshold
        threshold = max(threshold, bound)
    return min(max(threshold, solvent), _highest(stats))


def otsu(ordered: Float32Array) -> float:
    """Return the threshold between two classes of sorted densities of greatest variance between.

    Otsu (1979), IEEE Transactions on Systems, Man, and Cybernetics 9, 62-66; here over the voxels
    themselves, with the two tails cut off.
    """
    cut = max(1, int(_TAIL * ordered.size))
    low, high = ordered[min(cut, ordered.size // 2)], ordered[-1 - min(cut, ordered.size // 2)]
    if low == high:
        low, high = ordered[0], ordered[-1]
    values: Float64Array = np.clip(ordered, low, high).astype(np.float64)
    count = np.arange(1, values.size)
    sums = np.cumsum(values - values[0])
    share = count / values.size
    between = (sums[-1] * share - sums[:-1]) ** 2 / (share * (1 - share))
    best = int(np.argmax(np.where(values[1:] > values[:-1], between, -1.0)))
    return float(values[best] / 2 + values[best + 1] / 2)


def solvent_density(stats: Statistics) -> float:
    """Return the density of the solvent: the outside of a masked map, or else the median.

    An outside beyond Tukey's fences (1.5 times the distance of the quartiles, beyond them) is a
    gap that was filled, as at the corners of a rotated tomogram.
    """
    low, middle, high = (stats.quantile(share) for share in (0.25, 0.5, 0.75))
    fence = 1.5 * (high - low)
    inside = stats.flat is not None and low - fence <= stats.flat <= high + fence
    return float(stats.flat) if inside and stats.flat is not None else middle


def mirrored_share(ordered: Float32Array, solvent: float, threshold: float) -> float:
    """Return how many voxels lie as far below the solvent, for each that lies above a threshold.

    Noise lies on both sides alike, structure on one.
    """
    below = int(np.searchsorted(ordered, _float32(2 * solvent - threshold)))
    return below / max(1, _count_above(ordered, threshold))


def least_voxels(stats: Statistics) -> float:
    """Return how many voxels a molecule has at least.

    A thousandth of those inside the box and mask: a ball whose diameter is an eighth of the box's
    edge. Where the voxel size is known, also the volume of 10 kDa of protein, smaller than any
    molecule of which there is a map, but no more than a ball of a third of the box's edge.
    """
    least = _SMALLEST * stats.varied
    if stats.voxel_volume is not None:
        least = max(least, min(_MOLECULE / stats.voxel_volume, _THIRD * stats.varied))
    return least


def _highest(stats: Statistics) -> float:
    """Return the highest threshold with the voxels of a molecule above it."""
    sample = stats.sample
    least = max(1, int(np.ceil(least_voxels(stats) * sample.size / stats.varied)))
    place = max(1, int(np.searchsorted(sample, sample[-min(least, sample.size)])))
    below, above = sample[place - 1], sample[place]
    return min(float(below) / 2 + float(above) / 2, float(np.nextafter(above, below)))


def _count_above(ordered: Float32Array, threshold: float) -> int:
    return int(ordered.size - np.searchsorted(ordered, _float32(threshold), "right"))


def _float32(density: float) -> np.float32:
    """Return a density as float32, the largest of them where it is beyond."""
    most = float(np.finfo(np.float32).max)
    return np.float32(min(max(density, -most), most))
