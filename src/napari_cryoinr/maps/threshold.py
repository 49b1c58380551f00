"""The density above which a voxel counts as structure, as it is given, and those voxels."""

from __future__ import annotations

import re

import numpy as np

from ..errors import SettingsError
from ..support.array_types import BoolArray
from .auto_threshold import auto_threshold
from .density_map import DensityMap, slabs
from .map_statistics import Statistics

_SIGMA = re.compile(r"^\s*([-+]?\d+(?:\.\d*)?|[-+]?\.\d+)\s*(?:sigma|σ)\s*$", re.IGNORECASE)


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
        below = np.nextafter(np.float32(stats.high), np.float32(-np.inf))
        number = min(auto_threshold(stats), float(below))
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
