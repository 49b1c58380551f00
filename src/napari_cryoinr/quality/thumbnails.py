"""Small pictures for tables of many maps."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from ..maps.density_map import DensityMap
from ..support.array_types import Float32Array
from .pictures import centre_planes, grey_range

_SIDE = 128  # pixels of the longer side of a plane, at most
_GAP = 4  # pixels between both planes


def thumbnail_png(
    original: DensityMap, read: Callable[[Any], Float32Array], contour: float | None
) -> bytes:
    """Draw a plane along z of a map beside the same plane as decoded; return a PNG file.

    The plane passes through the centre of mass above the contour; both have one grey scale.

    Parameters
    ----------
    original : DensityMap
        The map.
    read : callable
        Returns decoded voxels for an index as numpy takes it, such as `Member.read`.
    contour : float or None
        The level that counts as structure; without one the plane is in the middle of the box.
    """
    from matplotlib.image import imsave

    z = centre_planes(original, contour)[0]
    planes = [_reduced(original.data[z]), _reduced(read(np.s_[z]))]
    low, high, _ = grey_range(np.concatenate([plane.ravel() for plane in planes]))
    gap = np.full((planes[0].shape[0], _GAP), high)
    buffer = io.BytesIO()
    imsave(
        buffer,
        np.hstack([planes[0], gap, planes[1]]),
        vmin=low,
        vmax=high,
        cmap="gray",
        origin="lower",
        format="png",
    )
    return buffer.getvalue()


def _reduced(plane: Float32Array) -> Float32Array:
    """Return means of square blocks, so that the longer side has few pixels."""
    side = -(-max(plane.shape) // _SIDE)
    high, wide = (min(side, length) for length in plane.shape)
    rows, columns = plane.shape[0] // high, plane.shape[1] // wide
    blocks = plane[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)
