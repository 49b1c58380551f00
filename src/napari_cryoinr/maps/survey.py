"""What is known of a map before it is compressed slab by slab: one pass over its voxels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..progress import Clock, Progress, Steps
from ..support.checksums import VoxelDigest
from ..support.regions import whole_region
from . import voxel_types
from .density_map import DensityMap, check_finite
from .map_statistics import Statistics, sample_step, voxel_volume, without_flats
from .moments import Moments


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over a map found.

    Attributes
    ----------
    map : with a mode that can hold its densities.
    statistics : without a border of one density, which is not looked for.
    median : of a sample of all voxels.
    checksum : of the voxels.
    """

    map: DensityMap
    statistics: Statistics
    median: float
    checksum: str


def survey_steps(density_map: DensityMap, clock: Clock) -> Steps[Survey]:
    """Read a map once, slab by slab.

    Raises
    ------
    MapError
        If a voxel is infinite or NaN.
    """
    data, shape = density_map.data, density_map.data.shape
    moments, digest, fits = Moments(), VoxelDigest(), True
    step, seen, found = sample_step(shape), 0, []
    for part in density_map.slabs():
        yield Progress(
            "preparing", part.start, len(data), clock.seconds, share=part.start / len(data)
        )
        slab = np.ascontiguousarray(data[part])
        check_finite(slab, density_map.name, part.start)
        moments.add(slab)
        digest.add(slab)
        fits = fits and voxel_types.holds(slab, density_map.mode)
        found.append(slab.ravel()[-seen % step :: step].copy())  # a view would keep all of them
        seen += slab.size
    sample = np.sort(np.concatenate(found))
    filling, varied = without_flats(sample, set())
    flats = {value: round(share * seen) for value, share in filling.items()}
    statistics = Statistics(
        low=moments.low,
        high=moments.high,
        mean=moments.mean,
        sigma=moments.deviation,
        size=seen,
        box=whole_region(shape),
        flat=max(flats, key=lambda value: flats[value], default=None),
        constants=tuple(flats.items()),
        sample=varied,
        voxel_volume=voxel_volume(density_map),
    )
    if not fits:
        density_map = replace(density_map, header=density_map.mrc.with_mode(2))
    return Survey(density_map, statistics, float(sample[len(sample) // 2]), digest.text)
