"""Means of a map over the orbits of a symmetry that is not one of its grid.

Images of voxels lie between voxels: densities there are interpolated by cubic splines. That is how
the density of the asymmetric unit is found, which is then represented; nothing is interpolated when
a file is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..maps.density_map import slabs
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Float64Array, Region
from ..support.regions import grown, region_shape
from .continuous import Symmetry
from .folding import Weights

MARGIN = 6  # voxels about the asymmetric unit that have means too
_PIECE = 1 << 16  # voxels that are sampled together
_LEAST_WEIGHT = 1e-3  # of an orbit's images together


@dataclass(frozen=True, eq=False)
class OrbitMeans:
    """A map folded onto its asymmetric unit, in a box of voxels.

    Attributes
    ----------
    box : of the map.
    mean : weighted mean over the orbit of each voxel of the unit and `MARGIN` voxels about it.
    weight : sum of the weights of the orbit; 0 outside the unit.
    own : which voxels are in the unit.
    rms : weighted root mean square difference of the orbits from their means.
    """

    box: Region
    mean: Float32Array
    weight: Float32Array
    own: BoolArray
    rms: float

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
    shape = data.shape
    box = yield from _unit_box_steps(symmetry, shape, weights, clock)
    near = grown(box, MARGIN, (shape[0], shape[1], shape[2]))
    places = np.stack(
        [
            axis.ravel()
            for axis in np.meshgrid(*(np.arange(s.start, s.stop) for s in near), indexing="ij")
        ],
        axis=1,
    ).astype(float)
    own = symmetry.is_own(places).reshape(region_shape(near))
    wanted = np.flatnonzero(ndimage.binary_dilation(own, iterations=MARGIN))
    filtered = ndimage.spline_filter(data, 3, np.float32)
    mean = np.full(own.size, np.float32(base))
    weight = np.zeros(own.size, np.float32)
    squares = total = 0.0
    flat = own.ravel()
    reach = math.hypot(*shape)
    for start in range(0, len(wanted), _PIECE):
        chosen = wanted[start : start + _PIECE]
        found, counted = _samples(symmetry, filtered, weights, places[chosen], reach)
        sums = counted.sum(axis=0)
        usual = np.divide(
            (found * counted).sum(axis=0),
            sums,
            out=np.full(len(sums), base),
            where=sums > _LEAST_WEIGHT,
        )
        sums[sums <= _LEAST_WEIGHT] = 0
        mean[chosen] = usual
        inside = flat[chosen]
        weight[chosen[inside]] = sums[inside]
        squares += float(((found - usual) ** 2 * counted)[:, inside].sum())
        total += float(sums[inside].sum())
        yield Progress("symmetry", start, len(wanted), clock.seconds)
    size = region_shape(near)
    return OrbitMeans(
        near,
        mean.reshape(size),
        weight.reshape(size),
        own,
        math.sqrt(squares / total) if total else 0.0,
    )


def _samples(
    symmetry: Symmetry,
    filtered: Float32Array,
    weights: Weights | None,
    places: Float64Array,
    reach: float,
) -> tuple[Float64Array, Float64Array]:
    """Return (densities, weights) of the images of places, shape (operations, n)."""
    limits = np.array(filtered.shape) - 1
    values, counted = [], []
    for images in symmetry.images(places, reach):
        inside = ((images >= 0) & (images <= limits)).all(axis=1)
        share = inside.astype(float)
        if weights is not None:
            share[inside] = ndimage.map_coordinates(
                weights.astype(np.float32, copy=False), images[inside].T, order=1
            )
        some = share > 0
        own = np.zeros(len(places))
        own[some] = ndimage.map_coordinates(
            filtered, images[some].T, order=3, prefilter=False, mode="mirror"
        )
        values.append(own)
        counted.append(share)
    return np.stack(values), np.stack(counted)


def _unit_box_steps(
    symmetry: Symmetry, shape: tuple[int, ...], weights: Weights | None, clock: Clock
) -> Steps[Region]:
    """Return the box of the voxels that those which count are folded to."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for part in slabs(shape):
        counted = np.ones((part.stop - part.start, *shape[1:]), bool)
        if weights is not None:
            counted = weights[part] > 0
        places = np.argwhere(counted).astype(float)
        if not len(places):
            continue
        places[:, 0] += part.start
        folded = symmetry.fold(places)
        low, high = np.minimum(low, folded.min(axis=0)), np.maximum(high, folded.max(axis=0))
        yield Progress("symmetry", part.stop, shape[0], clock.seconds)
    z, y, x = (
        slice(max(math.floor(a), 0), min(math.ceil(b) + 1, n))
        for a, b, n in zip(low, high, shape, strict=True)
    )
    return z, y, x
