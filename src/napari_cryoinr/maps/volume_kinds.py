"""What a volume is: a map with solvent round its structure, labels or a mask, or a full box."""

from __future__ import annotations

import math

import numpy as np

from ..support.array_types import BoolArray, Float32Array, Float64Array
from ..support.regions import region_shape
from .auto_threshold import mirrored_share, otsu, solvent_density
from .density_map import DensityMap
from .map_statistics import Statistics

_FEW = 16  # densities; a mask has two
_EQUAL = 0.5  # share of neighbours in labels that are equal
_EDGE = 4  # voxels of a block
_LEAST_BLOCKS = 4  # along each axis
_LAYERS = 5
_QUIET, _QUIET_SHARE = 1 / 3, 0.05
_UNEVEN = 3.0
_NOISE = 0.5


def kind_of(density_map: DensityMap, stats: Statistics) -> str:
    """Return which of `terms.KINDS` a volume is, but for half-maps, which only another one shows.

    Labels
        are masks and segmentations: at most 16 different densities; or only whole numbers, where
        more than half of the neighbours along x are equal (those that both have the most frequent
        number do not count).
    A tomogram
        has no solvent that could be told from density: Otsu's threshold separates noise from noise
        (see `auto_threshold`), no place is quiet (the spread of the densities in the quietest 5 %
        of the blocks of 4³ voxels is at least a third of that in the median block), and along two
        axes at least the structure is as strong at the faces of the box as in its middle (the
        variances of the blocks' means differ by less than a factor of 3 between layers). Crystals
        may be such volumes too.
    Other volumes
        are densities.
    """
    if _is_labels(density_map, stats):
        return "labels"
    return "tomogram" if _is_full(density_map, stats) else "density"


def _is_labels(density_map: DensityMap, stats: Statistics) -> bool:
    constants = np.array([value for value, _ in stats.constants], np.float32)
    starts = np.flatnonzero(np.diff(stats.sample, prepend=np.float32(np.nan)) != 0)
    values = stats.sample[starts]
    known = np.union1d(values, constants)
    data, parts = density_map.data, density_map.slabs()
    if known.size <= _FEW and all(np.isin(data[part], known).all() for part in parts):
        return True
    if not np.array_equal(known, np.rint(known)):
        return False
    voxels = dict(stats.constants)
    most = float(values[np.argmax(np.diff(starts, append=stats.sample.size))])
    background = max(voxels, key=lambda value: voxels[value], default=most)
    pairs = equal = 0
    for part in parts:
        slab = data[part]
        if not np.array_equal(slab, np.rint(slab)):
            return False
        left, right = slab[..., :-1], slab[..., 1:]
        counted = (left != background) | (right != background)
        pairs += int(np.count_nonzero(counted))
        equal += int(np.count_nonzero(counted & (left == right)))
    return equal > _EQUAL * pairs


def _is_full(density_map: DensityMap, stats: Statistics) -> bool:
    """Return whether no solvent can be told from density."""
    if min(region_shape(stats.box)) < _EDGE * _LEAST_BLOCKS or stats.sample[0] == stats.sample[-1]:
        return False
    threshold = otsu(stats.sample)
    if mirrored_share(stats.sample, solvent_density(stats), threshold) <= _NOISE:
        return False
    means, spreads = _blocks(density_map, stats)
    varied = spreads[spreads > 0]
    if varied.size == 0 or np.quantile(varied, _QUIET_SHARE) < _QUIET * np.median(varied):
        return False
    return sum(_unevenness(means, spreads > 0, axis) < _UNEVEN for axis in range(3)) >= 2


def _blocks(density_map: DensityMap, stats: Statistics) -> tuple[Float64Array, Float64Array]:
    """Return means and standard deviations of the densities in blocks, both as (z, y, x).

    A block with voxels of the outside of a mask has none: its standard deviation is 0.
    """
    sides = [n // _EDGE for n in region_shape(stats.box)]
    z, y, x = (
        slice(part.start, part.start + n * _EDGE) for part, n in zip(stats.box, sides, strict=True)
    )
    low, high = stats.quantile(0.001), stats.quantile(0.999)  # hot voxels count as the next ones
    means, spreads = np.empty(sides), np.empty(sides)
    for number in range(sides[0]):
        start = z.start + number * _EDGE
        slab: Float32Array = density_map.data[start : start + _EDGE][:, y, x]
        scaled = (np.clip(slab, low, high).astype(np.float64) - low) / ((high - low) or 1.0)
        blocks = scaled.reshape(_EDGE, sides[1], _EDGE, sides[2], _EDGE)
        means[number] = blocks.mean((0, 2, 4))
        filled = np.any(slab.reshape(blocks.shape) == stats.flat, (0, 2, 4))
        spreads[number] = np.where(filled, 0.0, blocks.std((0, 2, 4)))
    return means, spreads


def _unevenness(means: Float64Array, counted: BoolArray, axis: int) -> float:
    """Return how much the variances differ between layers, from the middle to the faces."""
    squares = np.where(counted, (means - means[counted].mean()) ** 2, 0.0)
    others = tuple(other for other in range(3) if other != axis)
    sums, counts = squares.sum(others), counted.sum(others)
    n = len(sums)
    depth = np.abs((np.arange(n) + 0.5) / n * 2 - 1)  # 0 in the middle, 1 at the faces
    layer = np.minimum((depth * _LAYERS).astype(int), _LAYERS - 1)
    total = np.bincount(layer, sums, _LAYERS)
    voxels = np.bincount(layer, counts, _LAYERS)
    variances = total[voxels > 0] / voxels[voxels > 0]
    lowest = float(variances.min())
    return float(variances.max()) / lowest if lowest > 0 else math.inf
