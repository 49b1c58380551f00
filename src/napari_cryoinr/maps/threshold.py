"""The density above which a voxel counts as structure: from a map's histogram, or as given."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import SettingsError
from ..support.array_types import BoolArray, Float32Array, Float64Array, Int64Array
from .density_map import DensityMap, slabs
from .mrc_header import INTEGER_MODES

_MIN_SHARE = 1e-4
_SIGMA = re.compile(r"^\s*([-+]?\d+(?:\.\d*)?|[-+]?\.\d+)\s*(?:sigma|σ)\s*$", re.IGNORECASE)
_BINS = 8192
# One exact density that fills more than this is a mask's outside, not solvent. Rounded densities
# repeat by themselves, so that integer maps need more of it.
_FLAT_SHARE, _FLAT_SHARE_INTEGERS = 0.05, 0.5
_SAMPLE_SIDE = 48


@dataclass(frozen=True)
class Statistics:
    """Extremes, moments and histogram of a map; `sigma` is the standard deviation."""

    low: float
    high: float
    mean: float
    sigma: float
    flat: float | None  # the density that fills the outside of a masked map, or None
    counts: Int64Array  # histogram of the voxels that are not flat
    centres: Float64Array  # densities of its bins
    size: int  # number of voxels

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
    """Return about the median, from a sparse sample: the outside of a map that was cut out."""
    steps = [max(1, n // _SAMPLE_SIDE) for n in data.shape]
    sample = np.sort(data[:: steps[0], :: steps[1], :: steps[2]], axis=None)
    return np.float32(sample[sample.size // 2])


def otsu(counts: Int64Array, centres: Float64Array) -> float:
    """Return the density that separates a histogram into two classes of greatest variance between.

    Otsu (1979), IEEE Transactions on Systems, Man, and Cybernetics 9, 62-66.
    """
    weight = counts / max(1, counts.sum())
    below = np.cumsum(weight)
    moment = np.cumsum(weight * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below - moment) ** 2 / (below * (1 - below))
    return float(centres[np.argmax(np.nan_to_num(between[:-1]))])


def auto_threshold(stats: Statistics) -> float:
    """Choose a contour from the map's histogram.

    - Masked maps (more than 5 % of the voxels, or half of them in an integer map, are exactly zero
      or exactly the map's median): Otsu's threshold of the other voxels.
    - Other maps: Otsu's threshold too, but at least three robust standard deviations of the noise
      above the median (1.4826 times the median absolute deviation, which the structure's few
      voxels hardly move) and at most three standard deviations of the map above its mean.
    - A bound that would leave less than one voxel in ten thousand is not used, and the threshold
      is never negative for a map that has positive densities.
    """
    threshold = otsu(stats.counts, stats.centres)
    if stats.flat is None:
        median = stats.quantile(0.5)
        distance = np.abs(stats.centres - median)
        order = np.argsort(distance)
        reached = np.searchsorted(np.cumsum(stats.counts[order]), stats.counts.sum() / 2)
        noise = 1.4826 * float(distance[order][reached])
        threshold = _bounded(stats, threshold, median + 3 * noise, max)
        threshold = _bounded(stats, threshold, stats.mean + 3 * stats.sigma, min)
    return max(threshold, 0.0) if stats.high > 0 else threshold


def _bounded(
    stats: Statistics, threshold: float, bound: float, choose: Callable[[float, float], float]
) -> float:
    return choose(threshold, bound) if stats.share_above(bound) >= _MIN_SHARE else threshold


def resolve_threshold(setting: float | str, stats: Statistics) -> float | None:
    """Return the setting as a density; None keeps the whole volume.

    "Nsigma" is N standard deviations above the mean, both over all voxels of the map. The result
    is a float32 number: the comparison "above" means the same everywhere.

    Raises
    ------
    SettingsError
        If no voxel lies above the threshold.
    """
    kind, number = parse_threshold(setting)
    if kind == "none":
        return None
    if kind == "auto":
        if stats.high <= stats.low:
            return None  # a constant map has no structure to cut out
        number = auto_threshold(stats)
    elif kind == "sigma":
        number = stats.mean + number * stats.sigma
    threshold = float(np.float32(number))
    if threshold >= stats.high:
        raise SettingsError(
            f"threshold {threshold:g}: no voxel is above it (the densities are {stats.low:g} to"
            f" {stats.high:g}); choose a lower one, auto or none"
        )
    return threshold


def parse_threshold(text: float | str) -> tuple[str, float]:
    """Return (kind, number): density, sigma, auto or none; 0 where the number has no meaning.

    Raises
    ------
    SettingsError
        If the text is none of these.
    """
    if not isinstance(text, str):
        return "density", float(text)
    word = text.strip().lower()
    if word in ("auto", "none"):
        return word, 0.0
    sigma = _SIGMA.match(text)
    if sigma:
        return "sigma", float(sigma[1])
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number - number != 0:  # NaN and infinities
        raise SettingsError(
            f"threshold {text!r}: give a density (0.4), a multiple of sigma (3sigma), auto or none"
        )
    return "density", number


def occupancy(density_map: DensityMap, threshold: float | None) -> BoolArray:
    """Return the mask of voxels above the threshold, shape (z, y, x); all of them where it is None.

    That mask of all voxels is read-only.
    """
    data = density_map.data
    if threshold is None:
        return np.broadcast_to(np.True_, data.shape)  # takes no memory
    mask = np.empty(data.shape, bool)
    for part in density_map.slabs():
        np.greater(data[part], np.float32(threshold), out=mask[part])
    return mask


def background_density(density_map: DensityMap, mask: BoolArray, always: bool = False) -> float:
    """Return the density that stands for all voxels outside the mask: their median.

    It is exactly zero for a map that is masked by zeros, lies in the middle of the solvent noise
    otherwise, and never lies above the threshold. At most a million voxels are looked at.

    Where all voxels are in the mask it is 0; if `always`, the median of them all.
    """
    outside = density_map.data.size - int(np.count_nonzero(mask))
    if outside == 0:
        if not always:
            return 0.0
        mask, outside = np.zeros(mask.shape, bool), mask.size
    step = -(-outside // 1_000_000)
    seen, sample = 0, []
    for part in slabs(mask.shape):
        values = density_map.data[part][~mask[part]]
        sample.append(values[-seen % step :: step].copy())  # a view would keep all of them
        seen += values.size
    return float(np.sort(np.concatenate(sample))[sum(map(len, sample)) // 2])
