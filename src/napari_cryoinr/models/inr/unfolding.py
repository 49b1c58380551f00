"""The whole map of an asymmetric unit while it is trained: copies, by linear interpolation.

Errors of copies add up in Fourier shells, and not as independent ones do. What linear interpolation
smooths is known by its transfer function; what is stored, and measured, has none of it.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...support.array_types import Float32Array, Float64Array, Region, Triple
from ...support.regions import pieces, region_shape
from ...symmetry.continuous import Symmetry
from ...symmetry.orbit_means import corners
from .context_sums import Rows, SumMatrix

_PIECE = 1 << 16  # voxels that are listed together
_DIRECTIONS = 200


class Unfolding:
    """Voxels of a map as sums of those of a box.

    Parameters
    ----------
    symmetry : of the map.
    box : voxels that hold the asymmetric unit and one voxel about it.
    outer : voxels that are wanted.
    weight : shape of `outer`; 0 where no value is needed.
    """

    def __init__(
        self, symmetry: Symmetry, box: Region, outer: Region, weight: Float32Array, device: str
    ) -> None:
        shape = region_shape(box)
        corner = np.array([s.start for s in box], float)
        self._shape = region_shape(outer)
        used = (weight > 0).ravel()
        rows: list[Rows] = []
        for part in pieces(len(used), _PIECE):
            columns = np.full((part.stop - part.start, 8), -1, np.int32)
            factors = np.zeros(columns.shape)
            own = np.flatnonzero(used[part])
            places = np.stack(np.unravel_index(own + part.start, self._shape), axis=1)
            folded = symmetry.fold(places + [float(s.start) for s in outer]) - corner
            for number, (index, share) in enumerate(corners(folded, shape)):
                columns[own, number], factors[own, number] = index, share
            rows.append((columns, factors))
        self._sums = SumMatrix(rows, int(np.prod(shape)), device)

    def __call__(self, voxels: Tensor) -> Tensor:
        """Return the voxels that are wanted."""
        return self._sums(voxels.flatten()).view(self._shape)


def smoothing(count: int, edge: float, voxel_size: Triple) -> Float64Array:
    """Return by what linear interpolation multiplies the power in shells 1 to `count`, about."""
    height = (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS
    angle = np.arange(_DIRECTIONS) * np.pi * (np.sqrt(5) + 1)
    across = np.sqrt(1 - height**2)
    ways = np.stack([height, across * np.sin(angle), across * np.cos(angle)], axis=1)
    frequency = np.arange(1, count + 1)[:, None, None] / edge * (ways * voxel_size)
    return np.asarray((np.sinc(frequency) ** 4).prod(axis=2).mean(axis=1))
