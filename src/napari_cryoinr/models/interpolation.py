"""Densities between the voxels, for models that say what the voxels are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..progress import Clock, drain
from .base import Representation

Floats = npt.NDArray[np.float64]

MARGIN = 12  # voxels beyond which one hardly matters: weights fall as 0.27^n


def spline_through(
    representation: Representation, shape: tuple[int, int, int], positions: Floats
) -> Floats:
    """The cubic B-spline through the voxels of a representation, at positions (n, 3) in voxels.

    Only the box that holds the positions, and a margin, is decoded.
    """
    from scipy.ndimage import map_coordinates

    if not len(positions):
        return np.empty(0)
    last = np.array(shape) - 1
    low = np.clip(np.floor(positions.min(axis=0)).astype(int) - MARGIN, 0, last)
    high = np.clip(np.ceil(positions.max(axis=0)).astype(int) + MARGIN, 0, last)
    z, y, x = (slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    voxels = drain(representation.region_steps((z, y, x), None, Clock()))
    return np.asarray(map_coordinates(voxels, (positions - low).T, order=3, mode="mirror"))
