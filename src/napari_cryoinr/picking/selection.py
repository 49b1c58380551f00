"""From a score map to particles: local maxima at a distance from each other, without ice.

DeepEM (Zhu, Ouyang and Mao 2017, "Particle verification") asks the user for the least and the
largest standard deviation of a box. Here both are estimated from the known particles, in units of
the noise level of their micrograph, so that they apply to other micrographs too.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..support.array_types import BoolArray, Float64Array, Int64Array
from .networks.network_base import ScoreMap

_SMOOTHING = 0.06  # sigma, in boxes: half the precision of a centre
_FIRST_WINDOW = 0.25  # side of the first pass's window, as a share of the distance
_WIDTH = 5.0  # greatest distance of a particle's spread from the median, in standard deviations
_LEAST = 1.35  # times the median spread is never too large
_TO_SIGMA = 1.4826

Limits = tuple[float, float]


def maxima(score_map: ScoreMap, box: float, distance: float) -> tuple[Float64Array, Float64Array]:
    """Find local maxima of a score map that are at least `distance` apart, the highest first.

    Two passes, as in DeepEM (Zhu, Ouyang and Mao 2017, "Particle selection"), but the narrow one
    first, which finds the same maxima with less work: the highest in a small window, and of these,
    from the highest score down, those without a higher one within the distance.

    Box and distance are in pixels of the micrograph, as are the places, shape (n, 2), x then y,
    interpolated by a parabola. The second result are their values, shape (n,).
    """
    step = np.array(score_map.step)
    values = ndimage.gaussian_filter(
        score_map.values.astype(np.float64), _SMOOTHING * box / step, mode="nearest"
    )
    sides = [2 * int(_FIRST_WINDOW * distance / s / 2 + 0.5) + 1 for s in step]
    sides = [max(3, side) for side in sides]
    rows, columns = np.nonzero(ndimage.maximum_filter(values, sides, mode="nearest") == values)
    heights = values[rows, columns]
    order = np.argsort(-heights, kind="stable")
    rows, columns, heights = rows[order], columns[order], heights[order]
    finer = np.column_stack([rows, columns]) + _offsets(values, rows, columns)
    places = np.array(score_map.start) + finer * step
    kept = _apart(places, distance)
    return places[kept][:, ::-1].copy(), heights[kept]


def _offsets(values: Float64Array, rows: Int64Array, columns: Int64Array) -> Float64Array:
    """Return the offset of the parabola's maximum from each maximum, (y, x), at most 0.5."""
    padded = np.pad(values, 1, mode="reflect")
    rows, columns = rows + 1, columns + 1
    middle = padded[rows, columns]
    offsets = []
    for down, right in ((1, 0), (0, 1)):
        before, after = padded[rows - down, columns - right], padded[rows + down, columns + right]
        bend = before - 2 * middle + after
        with np.errstate(divide="ignore", invalid="ignore"):
            offset = 0.5 * (before - after) / bend
        offsets.append(np.where(bend < 0, np.clip(offset, -0.5, 0.5), 0.0))
    return np.column_stack(offsets)


def _apart(places: Float64Array, distance: float) -> Int64Array:
    """Return the indices of places that are not within the distance of an earlier one."""
    if not len(places):
        return np.empty(0, np.intp)
    neighbours = cKDTree(places).query_ball_point(places, distance)
    free = np.ones(len(places), bool)
    for number, near in enumerate(neighbours):
        if free[number]:
            later = [other for other in near if other > number]
            free[later] = False
    return np.flatnonzero(free)


def limits_of(spread: Float64Array) -> Limits:
    """Return the least and the largest spread of a particle, estimated from known particles.

    The lower limit excludes dead regions only, because in a noisy micrograph the spread of
    particles is hardly above that of their surroundings.
    """
    middle = float(np.median(spread))
    width = _WIDTH * _TO_SIGMA * float(np.median(np.abs(spread - middle)))
    return 0.5 * min(middle, 1.0), max(middle + width, _LEAST * middle)


def verified(spread: Float64Array, limits: Limits) -> BoolArray:
    """Return which of the spreads can be a particle's."""
    low, high = limits
    return (spread >= low) & (spread <= high)
