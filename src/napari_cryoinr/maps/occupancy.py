"""The occupancy: the boolean mask density > threshold."""

from __future__ import annotations

import numpy as np

from ..support.array_types import BoolArray
from .density_map import DensityMap, slabs


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
