"""From a score map to particles: local maxima that keep their distance."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..support.array_types import Float64Array, Int64Array
from .networks.network_base import ScoreMap

_SMOOTHING = 0.06  # sigma, in boxes: half of how well a centre is known
_FIRST_WINDOW = 0.25  # side of the first pass's window, as a share of the distance


def maxima(score_map: ScoreMap, box: float, distance: float) -> tuple[Float64Array, Float64Array]:
    """Local maxima of a score map that are at least `distance` apart, the highest first.

    Two passes, as in DeepEM (Zhu, Ouyang and Mao 2017, "Particle selection"), the narrow one
    first, for that finds the same maxima with less work: what is highest in a small window, and of
    these, from the highest score down, what has no higher one within the distance.

    Parameters
    ----------
    box, distance : pixels of the micrograph.

    Returns
    -------
    Places, shape (n, 2), x then y, pixels of the micrograph, between the places of the map by a
    parabola; and their values, shape (n,).
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
    """From each maximum to that of the parabola through its neighbours, (y, x), at most 0.5."""
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
    """Indices of places, of which none is nearer than the distance to one before it."""
    if not len(places):
        return np.empty(0, np.intp)
    neighbours = cKDTree(places).query_ball_point(places, distance)
    free = np.ones(len(places), bool)
    for number, near in enumerate(neighbours):
        if free[number]:
            later = [other for other in near if other > number]
            free[later] = False
    return np.flatnonzero(free)
