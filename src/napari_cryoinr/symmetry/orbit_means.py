"""Means of a map over the orbits of a symmetry that is not one of its grid.

Images of voxels lie between voxels: densities there are interpolated by cubic splines. That is how
the density of the asymmetric unit is found, which is then represented; nothing is interpolated when
a file is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..maps.density_map import slabs
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Float64Array, Int64Array, Region
from ..support.regions import grown, region_shape
from .continuous import Symmetry
from .folding import Weights

MARGIN = 6  # voxels about the asymmetric unit that have means too
_PIECE = 1 << 16  # voxels that are sampled together
_ON_GRID = 0.01  # of a voxel
_LEAST_WEIGHT = 1e-3  # of an orbit's images together


@dataclass(frozen=True, eq=False)
class OrbitMeans:
    """A map folded onto its asymmetric unit, in a box of voxels.

    Attributes
    ----------
    box : of the map.
    mean : weighted mean over the orbit of each voxel of the unit and `MARGIN` voxels about it.
    weight : of all voxels of the map, each shared by the voxels about where it is folded to.
    own : which voxels are in the unit, or next to it.
    rms : weighted root mean square difference of the orbits from their means.
    on_grid : whether voxels are folded to voxels.
    """

    box: Region
    mean: Float32Array
    weight: Float32Array
    own: BoolArray
    rms: float
    on_grid: bool

    def unfolded_steps(
        self, symmetry: Symmetry, support: BoolArray, base: float, clock: Clock
    ) -> Steps[Float32Array]:
        """Return the map that has these means, where a support is true; elsewhere a base."""
        filtered = ndimage.spline_filter(self.mean, 3, np.float32)
        corner = np.array([s.start for s in self.box], float)
        out = np.full(support.shape, np.float32(base))
        for part in slabs(support.shape):
            places = np.argwhere(support[part]).astype(float)
            places[:, 0] += part.start
            inside = symmetry.fold(places) - corner
            found = ndimage.map_coordinates(
                filtered, inside.T, order=3, prefilter=False, mode="mirror"
            )
            out[part][support[part]] = found
            yield Progress("symmetry", part.stop, len(support), clock.seconds)
        return out


def orbit_means_steps(
    symmetry: Symmetry, data: Float32Array, weights: Weights | None, base: float, clock: Clock
) -> Steps[OrbitMeans]:
    """Return the means of a map; what its images leave beyond the map does not count.

    Parameters
    ----------
    data : densities, shape (z, y, x).
    weights : which voxels count, and how much; None for all alike.
    base : density of a unit's voxels of whose images none counts.
    """
    shape = data.shape[0], data.shape[1], data.shape[2]
    low, high, on_grid = np.full(3, np.inf), np.full(3, -np.inf), True
    for folded, _ in _folded_voxels(symmetry, shape, weights):
        low, high = np.minimum(low, folded.min(axis=0)), np.maximum(high, folded.max(axis=0))
        on_grid &= bool(np.abs(folded - np.rint(folded)).max() < _ON_GRID)
        yield Progress("symmetry", 0, 3, clock.seconds)
    z, y, x = (
        slice(max(math.floor(a), 0), min(math.ceil(b) + 1, n))
        for a, b, n in zip(low, high, shape, strict=True)
    )
    box = grown((z, y, x), MARGIN, shape)
    size, corner = region_shape(box), np.array([s.start for s in box], float)
    weight = np.zeros(math.prod(size))
    for folded, counted in _folded_voxels(symmetry, shape, weights):
        for columns, factors in corners(folded - corner, size):
            weight += np.bincount(columns, factors * counted, minlength=len(weight))
        yield Progress("symmetry", 1, 3, clock.seconds)
    places = np.indices(size).reshape(3, -1).T + corner
    own = symmetry.is_own(places).reshape(size)
    near = ndimage.binary_dilation(own | (weight.reshape(size) > 0), iterations=MARGIN)
    wanted = np.flatnonzero(near)
    filtered = ndimage.spline_filter(data, 3, np.float32)
    mean = np.full(len(places), np.float32(base))
    squares = total = 0.0
    reach = math.hypot(*shape)
    for start in range(0, len(wanted), _PIECE):
        chosen = wanted[start : start + _PIECE]
        found, counted, inside = _samples(symmetry, filtered, weights, places[chosen], reach)
        sums = counted.sum(axis=0)
        some = sums > _LEAST_WEIGHT
        # Where no image counts, the map itself goes on: what is interpolated sees it.
        each = counted + _LEAST_WEIGHT * inside
        usual = np.full(len(sums), base)
        np.divide((found * each).sum(axis=0), each.sum(axis=0), out=usual, where=inside.any(axis=0))
        mean[chosen] = usual
        share = np.where(some, weight[chosen] / np.where(some, sums, 1), 0)
        squares += float(((found - usual) ** 2 * counted * share).sum())
        total += float((sums * share).sum())
        yield Progress("symmetry", 2, 3, clock.seconds)
    return OrbitMeans(
        box,
        mean.reshape(size),
        weight.reshape(size).astype(np.float32),
        ndimage.binary_dilation(own),
        math.sqrt(squares / total) if total else 0.0,
        on_grid,
    )


def corners(
    places: Float64Array, shape: tuple[int, int, int]
) -> Iterator[tuple[Int64Array, Float64Array]]:
    """Yield (indices of voxels, factors) of linear interpolation at places of a box, (n, 3)."""
    most = np.array(shape) - 1
    inside = np.clip(places, 0, most)
    first = np.minimum(np.floor(inside), np.maximum(most - 1, 0)).astype(np.int64)
    share = inside - first
    for ahead in np.ndindex(2, 2, 2):
        z, y, x = np.minimum(first + ahead, most).T
        yield ((z * shape[1] + y) * shape[2] + x, np.where(ahead, share, 1 - share).prod(axis=1))


def _samples(
    symmetry: Symmetry,
    filtered: Float32Array,
    weights: Weights | None,
    places: Float64Array,
    reach: float,
) -> tuple[Float64Array, Float64Array, BoolArray]:
    """Return (densities, weights, whether in the map) of images of places, (operations, n)."""
    limits = np.array(filtered.shape) - 1
    values, counted, within = [], [], []
    for images in symmetry.images(places, reach):
        inside = ((images >= 0) & (images <= limits)).all(axis=1)
        share = inside.astype(float)
        if weights is not None:
            share[inside] = ndimage.map_coordinates(
                weights.astype(np.float32, copy=False), images[inside].T, order=1
            )
        own = np.zeros(len(places))
        own[inside] = ndimage.map_coordinates(
            filtered, images[inside].T, order=3, prefilter=False, mode="mirror"
        )
        values.append(own)
        counted.append(share)
        within.append(inside)
    return np.stack(values), np.stack(counted), np.stack(within)


def _folded_voxels(
    symmetry: Symmetry, shape: tuple[int, int, int], weights: Weights | None
) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Yield (where they are folded to, weights) of the voxels that count."""
    for part in slabs(shape):
        counted = np.ones((part.stop - part.start, *shape[1:]), np.float32)
        if weights is not None:
            counted = weights[part].astype(np.float32)
        places = np.argwhere(counted > 0).astype(float)
        if len(places):
            places[:, 0] += part.start
            yield symmetry.fold(places), counted[counted > 0].astype(np.float64)
