"""The envelope: the soft mask round the density above a threshold, as refinement programs make it.

Voxels above the threshold, in pieces that are no dust, are extended by some voxels, and a
raised-cosine edge of some more follows (as in RELION's mask creation; Scheres, J. Struct. Biol.
180, 2012).
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import MapError
from ..support.array_types import AnyArray, BoolArray, Float32Array
from ..support.regions import bounding_box, grown

DUST = 50  # voxels; smaller pieces above the threshold are noise
EXTEND, EDGE = 3, 3  # voxels
MAX_EDGE = 64  # of each
_MASK_ROUNDING = 1e-3  # what interpolated masks are off by
_WIDEST = 16  # voxels of the soft edge of a mask that is looked for
KEPT = ("envelope", "contour", "volume")
"""What of a map may be promised."""


def soft_mask(
    data: Float32Array, threshold: float, extend: int = EXTEND, edge: int = EDGE
) -> Float32Array:
    """Return 1 within `extend` voxels of the density, falling to 0 over `edge` more.

    Parameters
    ----------
    data : ndarray of float32
        Densities, shape (z, y, x).
    threshold : float
        Density that counts as structure.
    extend, edge : int
        Voxels.

    Returns
    -------
    ndarray of float32
        0 to 1, shape (z, y, x).

    Examples
    --------
    >>> import numpy as np
    >>> data = np.zeros((1, 1, 12), np.float32)
    >>> data[0, 0, :2] = 1
    >>> soft_mask(data, 0.5)[0, 0].round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    core = without_dust(data > np.float32(threshold))
    out = np.zeros(data.shape, np.float32)
    if core.any():
        reach = extend + edge
        box = grown(bounding_box(core), reach, data.shape)
        out[box] = edge_weights(extend, edge)[squared_distances(core[box], reach)]
    return out


def checked_mask(mask: AnyArray, shape: tuple[int, ...], name: str) -> Float32Array:
    """Return a soft mask that was given for a map of some shape, exactly 0 where it hardly counts.

    Raises
    ------
    MapError
        If it has another shape, values that are not 0 to 1, or covers nothing.
    """
    if mask.shape != shape:
        raise MapError(f"the mask has the shape {mask.shape} and {name} {shape}: must be the same")
    out = np.array(mask, np.float32)
    low, high = float(out.min()), float(out.max())
    if not -_MASK_ROUNDING <= low <= high <= 1 + _MASK_ROUNDING:
        raise MapError(
            f"the mask of {name} has values {low:g} to {high:g}: must be 0 outside, 1 inside, and"
            " between them at its edge; scale it first"
        )
    if high < 0.5:
        raise MapError(f"the mask of {name} covers nothing: no voxel of it reaches 0.5")
    out[out < _MASK_ROUNDING] = 0
    return np.minimum(out, 1, out=out)


def edge_of(mask: Float32Array) -> int:
    """Return how many voxels wide the soft edge of a mask is: that of `inward_mask` nearest to it.

    Examples
    --------
    >>> import numpy as np
    >>> data = np.zeros((1, 1, 30), np.float32)
    >>> data[0, 0, 10:20] = 1
    >>> edge_of(soft_mask(data, 0.5, 2, 5)), edge_of(data)
    (5, 1)
    """
    depths = squared_distances(mask == 0, _WIDEST)[mask > 0]
    counts = np.bincount(depths, minlength=(_WIDEST + 1) ** 2 + 1)
    means = np.bincount(depths, mask[mask > 0], counts.size) / np.maximum(counts, 1)
    errors = [
        float((counts * (_inward_weights(edge, _WIDEST) - means) ** 2).sum())
        for edge in range(1, _WIDEST + 1)
    ]
    return 1 + int(np.argmin(errors))


def inward_mask(outline: BoolArray, edge: int) -> Float32Array:
    """Return a soft mask with this outline, shape (z, y, x), that rises inwards over `edge`."""
    return _inward_weights(edge, edge)[squared_distances(~outline, edge)]


def _inward_weights(edge: int, reach: int) -> Float32Array:
    """Return the weight of each squared depth up to (reach + 1)²: 0 outside, 1 from `edge` on."""
    depth = np.sqrt(np.arange((reach + 1) ** 2 + 1))
    phase = np.clip(1 - depth / max(edge, 1), 0, 1)
    return (0.5 + 0.5 * np.cos(math.pi * phase)).astype(np.float32)


def without_dust(mask: BoolArray, least: int = DUST) -> BoolArray:
    """Remove pieces (of face neighbours) below `least` voxels; the largest one stays anyway."""
    from scipy import ndimage  # takes a while to load, and decoding does without

    out = np.zeros_like(mask)
    if mask.any():
        box = bounding_box(mask)
        pieces, count = ndimage.label(mask[box])
        sizes = np.bincount(pieces[mask[box]], minlength=count + 1)
        kept = sizes >= min(least, sizes.max())
        kept[0] = False
        out[box] = kept[pieces]
    return out


def squared_distances(mask: BoolArray, reach: int) -> AnyArray:
    """Return the squared distance of each voxel from the mask; (reach + 1)² stands for any more.

    Exact integers, from shifted copies along one axis at a time.
    """
    far = (reach + 1) ** 2
    kinds = np.uint8, np.uint16, np.int32  # short ones are compared faster
    kind = next(kind for kind in kinds if 2 * far <= np.iinfo(kind).max)
    out = np.full(mask.shape, far, kind)
    if not mask.any():
        return out
    box = grown(bounding_box(mask), reach, mask.shape)
    found = np.where(mask[box], kind(0), kind(far))
    for axis in range(mask.ndim):
        lines = np.moveaxis(found, axis, 0)
        nearest, further = lines.copy(order="K"), np.empty_like(lines)
        for shift in range(1, min(reach, len(lines) - 1) + 1):
            np.add(lines, kind(shift * shift), out=further)
            np.minimum(nearest[shift:], further[:-shift], out=nearest[shift:])
            np.minimum(nearest[:-shift], further[shift:], out=nearest[:-shift])
        found = np.moveaxis(nearest, 0, axis)
    np.minimum(found, kind(far), out=out[box])
    return out


def edge_weights(extend: int, edge: int) -> Float32Array:
    """Return the weight of each squared distance up to (extend + edge + 1)².

    Multiples of 2^-12, so that all machines agree.
    """
    distance = np.sqrt(np.arange((extend + edge + 1) ** 2 + 1))
    phase = np.clip((distance - extend) / max(edge, 1e-9), 0, 1)
    weights = np.rint((0.5 + 0.5 * np.cos(math.pi * phase)) * 4096) / 4096
    return weights.astype(np.float32)
