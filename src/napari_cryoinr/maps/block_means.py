"""Means over blocks of voxels."""

from __future__ import annotations

import numpy as np

from ..support.array_types import AnyArray, Float32Array


def block_mean(values: AnyArray, side: int) -> Float32Array:
    """Average over blocks of side^3 voxels; blocks at the end may be smaller."""
    total = values.astype(np.float64)
    count = np.ones((1, 1, 1))
    for axis, size in enumerate(values.shape):
        starts = np.arange(0, size, side)
        total = np.add.reduceat(total, starts, axis=axis)
        sizes = np.diff(np.append(starts, size))
        count = count * sizes.reshape([-1 if a == axis else 1 for a in range(3)])
    return (total / count).astype(np.float32)
