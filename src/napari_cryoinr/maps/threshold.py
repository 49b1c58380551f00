"""The density above which a voxel counts as structure."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ..errors import SettingsError
from ..support.array_types import Float64Array, Int64Array
from .statistics import Statistics

_MIN_SHARE = 1e-4


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


_SIGMA = re.compile(r"^\s*([-+]?\d+(?:\.\d*)?|[-+]?\.\d+)\s*(?:sigma|σ)\s*$", re.IGNORECASE)


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
