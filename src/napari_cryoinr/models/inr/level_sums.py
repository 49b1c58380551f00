"""Sums of the levels of a pyramid in voxels, exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...support.array_types import Float64Array, Region
from ...support.regions import region_shape
from ..separable_sums import VALUE_BITS, synthesise
from .lattice import Lattice

Read = Callable[[Sequence[Region]], Sequence[Float64Array]]
"""Returns the latents of a window of nodes on each level, 0 beyond the lattice."""


def level_sums(
    lattices: Sequence[Lattice], steps: Sequence[float], part: Region, read: Read, side: int = 1
) -> list[Float64Array]:
    """Return the sums of the levels in voxels, or in means over `side` of them along each axis."""
    matrices, windows = [], []
    for lattice in lattices:
        firsts, own = zip(
            *(lattice.matrix(axis, s.start, s.stop, side) for axis, s in enumerate(part)),
            strict=True,
        )
        z, y, x = (
            slice(first, first + matrix.shape[1]) for first, matrix in zip(firsts, own, strict=True)
        )
        windows.append((z, y, x))
        matrices.append(own)
    sums = []
    for latents, own, step in zip(read(windows), matrices, steps, strict=True):
        voxels = np.zeros(region_shape(part))
        if latents.any():
            synthesise(latents, own, voxels, step * 2.0**-VALUE_BITS)
        sums.append(voxels)
    return sums
