"""Extremes, moments and the distribution of a map's densities, without what only fills the box."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..support.array_types import Float32Array, Region
from ..support.regions import region_shape, whole_region
from .density_map import DensityMap

_SAMPLE = 1 << 20  # voxels; all of them in smaller maps
# One exact density that fills more than this share, and this many times more voxels than its
# neighbours in the order of densities, is a mask's outside. Integers repeat by themselves, but
# neighbours about as often.
_FLAT_SHARE, _FLAT_EXCESS = 0.01, 4


@dataclass(frozen=True, eq=False)
class Statistics:
    """Extremes, moments and distribution of a map.

    Attributes
    ----------
    low, high, mean, sigma : extremes, mean and standard deviation over all voxels.
    size : number of voxels.
    box : the map without a border of one density.
    flat : the density that fills most of the outside of a masked map, inside the box, or None.
    constants : (density, voxels) of the border and of what is flat.
    sample : densities of the other voxels, sorted: all of them, or evenly spaced ones of many.
    voxel_volume : Å³; None where the voxel size is not known.
    """

    low: float
    high: float
    mean: float
    sigma: float
    size: int
    box: Region
    flat: float | None
    constants: tuple[tuple[float, int], ...]
    sample: Float32Array
    voxel_volume: float | None

    @property
    def varied(self) -> int:
        """Number of voxels that the sample stands for."""
        return self.size - sum(voxels for _, voxels in self.constants)

    def quantile(self, share: float) -> float:
        """Return the density below which this share of the sample lies."""
        return float(self.sample[min(int(share * self.sample.size), self.sample.size - 1)])

    def share_above(self, density: float) -> float:
        """Return the share of all voxels above a density; of large maps, as sampled."""
        limit = np.float32(density)
        share = 1 - np.searchsorted(self.sample, limit, "right") / self.sample.size
        constant = sum(voxels for value, voxels in self.constants if value > limit)
        return float((constant + share * self.varied) / self.size)


def statistics(density_map: DensityMap) -> Statistics:
    """Measure a map: one pass for extremes and moments, one for the distribution."""
    data = density_map.data
    low, high, total, squares = np.inf, -np.inf, 0.0, 0.0
    for part in density_map.slabs():
        slab = data[part]
        low, high = min(low, float(slab.min())), max(high, float(slab.max()))
        total += float(slab.sum(dtype=np.float64))
        squares += float(np.square(slab, dtype=np.float64).sum())
    mean = total / data.size
    box, border = whole_region(data.shape), Counter[float]()
    if low < high:
        box, border = _inside_border(data)
    filling, sample = without_flats(_sample(density_map, box), set(border))
    inside = math.prod(region_shape(box))
    flats = {value: round(share * inside) for value, share in filling.items()}
    return Statistics(
        low=low,
        high=high,
        mean=mean,
        sigma=math.sqrt(max(squares / data.size - mean**2, 0.0)),
        size=data.size,
        box=box,
        flat=max(flats, key=lambda value: flats[value], default=None),
        constants=tuple((border + Counter(flats)).items()),
        sample=sample,
        voxel_volume=voxel_volume(density_map),
    )


def voxel_volume(density_map: DensityMap) -> float | None:
    """Return the Å³ of a voxel; None where its size is not known."""
    unknown = density_map.voxel_size == (1.0, 1.0, 1.0)  # what a map without a size is given
    return None if unknown else math.prod(density_map.voxel_size)


def _inside_border(data: Float32Array) -> tuple[Region, Counter[float]]:
    """Return the box that is left without outer planes of one density, and their voxels by it."""
    box = list(whole_region(data.shape))
    border = Counter[float]()
    before = None
    while before != box:  # there may be another border inside of one
        before = list(box)
        for axis, last in itertools.product(range(3), (False, True)):
            while box[axis].stop - box[axis].start > 1:
                place = box[axis].stop - 1 if last else box[axis].start
                face = list(box)
                face[axis] = slice(place, place + 1)
                plane = data[face[0], face[1], face[2]]
                value = plane.flat[0]
                if not (plane == value).all():
                    break
                border[float(value)] += plane.size
                box[axis] = slice(box[axis].start + (not last), box[axis].stop - last)
    return (box[0], box[1], box[2]), border


def _sample(density_map: DensityMap, box: Region) -> Float32Array:
    """Return densities of the voxels in a box, sorted; evenly spaced ones where there are many."""
    step, seen, found = sample_step(region_shape(box)), 0, []
    for part in density_map.slabs():
        planes = slice(max(part.start, box[0].start), min(part.stop, box[0].stop))
        if planes.start < planes.stop:
            values = density_map.data[planes][:, box[1], box[2]].ravel()
            found.append(values[-seen % step :: step].copy())  # a view would keep all of them
            seen += values.size
    return np.sort(np.concatenate(found))


def sample_step(shape: tuple[int, int, int]) -> int:
    """Return the distance between the voxels of a volume that a sample holds."""
    depth, height, width = shape
    step = -(-depth * height * width // _SAMPLE)
    while math.gcd(step, height * width) > 1:  # or only some rows or columns were looked at
        step += 1
    return step


def without_flats(
    sample: Float32Array, border: set[float]
) -> tuple[dict[float, float], Float32Array]:
    """Return the densities of a sorted sample that only fill, with their shares, and the others.

    The highest density is not among them, unless a border has it too: it is the inside of a mask,
    or saturated.
    """
    starts = np.flatnonzero(np.concatenate([[True], sample[1:] != sample[:-1]]))
    runs = np.diff(starts, append=sample.size)
    around = np.zeros_like(runs)
    around[1:] = runs[:-1]
    around[:-1] = np.maximum(around[:-1], runs[1:])
    flat = (runs > _FLAT_SHARE * sample.size) & (runs > _FLAT_EXCESS * around)
    flat[-1] &= float(sample[-1]) in border
    if flat.all():
        return {}, sample
    shares = {
        float(sample[start]): int(run) / sample.size
        for start, run in zip(starts[flat], runs[flat], strict=True)
    }
    return shares, sample[~np.repeat(flat, runs)]
