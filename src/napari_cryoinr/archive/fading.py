"""What lies outside what is kept: the background, into which the density fades.

Where no mask is stored, what is kept follows from the density of the model itself: it is never
above the threshold far from the molecule.
"""

from __future__ import annotations

import numpy as np

from ..maps.envelope import edge_weights, inward_mask, soft_mask, squared_distances
from ..support.array_types import AnyArray, BoolArray, Float32Array
from ..support.regions import bounding_box, grown
from .header import MemberHeader

_CONTOUR_WEIGHTS = np.array([1, 1, 1, 1, 0.5, *[0] * 5], np.float32)  # by squared distance
_CONTOUR_REACH = 2
_FADE = 3  # voxels over which the density fades outside the soft mask
RIM_SHARES = (0.02, 0.0)
"""Of the densities at the rim of a soft mask, those at either end that are outliers."""
_CROWD = 2  # voxels around one in which others have to be above the threshold


def reach_of(header: MemberHeader) -> int:
    """Return how many voxels around a region what is kept of it depends on."""
    if header.keep == "contour":
        return _CONTOUR_REACH
    return header.extend + header.edge + _FADE + _CROWD


def faded(values: Float32Array, mask: BoolArray | None, header: MemberHeader) -> Float32Array:
    """Return densities of a model that fade to the background outside what is kept.

    Parameters
    ----------
    values : ndarray of float32
        Densities, shape (z, y, x); those within `reach_of` of a face inside the volume are wrong.
    mask : ndarray of bool or None
        The mask of the archive, of the same shape; None where it follows from the densities.
    """
    background = np.float32(header.background)
    if mask is not None and header.keep == "envelope":
        return np.where(mask, values, background)
    assert header.threshold is not None
    threshold = np.float32(header.threshold)
    inside = values > threshold if mask is None else mask
    outside = values if mask is None else np.full_like(values, threshold)
    if header.keep == "contour":
        # Below the contour nothing was fitted: what is between it and the background may stay.
        low, high = min(background, threshold), threshold
        if header.neighbours == 0:
            return np.where(inside, values, np.clip(outside, low, high))
        weights, reach = _CONTOUR_WEIGHTS, _CONTOUR_REACH
        box = grown(bounding_box(inside), reach, values.shape)
        faint = np.clip(outside[box], low, high)
        kept = np.where(inside[box], values[box], faint)
    else:
        box = bounding_box(inside)
        inside[box] = crowded(inside[box], header.neighbours)
        extend = header.extend + header.edge - 1
        weights, reach = edge_weights(extend, _FADE), extend + _FADE
        box = grown(bounding_box(inside), reach, values.shape)
        # Nothing was fitted where it fades: what the model has there can be dark and bright specks.
        below, above = map(np.float32, header.rim)
        with np.errstate(over="ignore"):  # infinite limits are none
            low, high = background - below, min(background + above, threshold)
        kept = values[box]
        faint = np.clip(kept, low, high)
    out = np.full_like(values, background + np.float32(0))
    if background == 0 and np.signbit(background):  # a negative zero stays one below zero only
        out[np.clip(outside, low, high) < 0] = background
    distances = squared_distances(inside[box], reach)
    # Weights fall with the distance, from 1 to 0.
    first, beyond = np.count_nonzero(weights == 1), np.count_nonzero(weights)
    np.copyto(out[box], kept, where=distances < first)
    fading = (distances >= first) & (distances < beyond)
    shares = weights.take(distances[fading])
    out[box][fading] = _mixed(faint[fading], shares, background)
    return out


def rim_of(
    original: Float32Array, weight: Float32Array, background: float, share: float
) -> tuple[float, float]:
    """Return how far densities at the rim of a soft mask are below and above the background.

    `share` is that of the outliers at either end.
    """
    rim = original[(weight > 0) & (weight < 0.5)]
    if not rim.size:
        return 0.0, 0.0
    low, high = (float(v) - background for v in np.quantile(rim, (share, 1 - share)))
    return max(0.0, float(f"{-low:.2g}")), max(0.0, float(f"{high:.2g}"))


def promised_weight(
    original: Float32Array, mask: BoolArray | None, header: MemberHeader
) -> Float32Array | None:
    """Return the soft mask in which the densities of an original are promised; None: no such mask.

    Of a mask that was given it is made from its outline and the width of its edge, which is near
    it where the edge follows the distance, as refinement programs make it.

    `mask` is that of the archive; both have the shape (z, y, x).
    """
    if header.keep != "envelope":
        return None
    if mask is not None and (header.given_mask or header.threshold is None):
        return inward_mask(mask, header.edge)  # of which the outline is stored
    assert header.threshold is not None
    return soft_mask(original, header.threshold, header.extend, header.edge)


def neighbours_needed(values: Float32Array, threshold: float, kept: BoolArray) -> int | None:
    """Return how many voxels above the threshold make structure, so that all of it is kept.

    None where densities outside `kept` would be taken for structure with any number.
    """
    above = values > np.float32(threshold)
    if not (above & kept).any():
        return None
    count = _counts(above)
    stray = above & ~kept
    needed = 1 + int(count[stray].max(initial=0))
    return needed if needed <= np.median(count[above & kept]) else None


def crowded(above: BoolArray, least: int) -> BoolArray:
    """Return the voxels of a mask with at least so many of it in the 5³ voxels around them."""
    return above if least <= 1 else above & (_counts(above) >= least)


def _counts(above: BoolArray) -> AnyArray:
    counts = above.astype(np.uint8)
    for axis in range(3):
        lines = np.moveaxis(counts, axis, 0)
        total = lines.copy(order="K")
        for shift in range(1, min(_CROWD, len(lines) - 1) + 1):
            total[shift:] += lines[:-shift]
            total[:-shift] += lines[shift:]
        counts = np.moveaxis(total, 0, axis)
    return counts


def _mixed(faint: Float32Array, weights: Float32Array, background: np.float32) -> Float32Array:
    """Return `faint` times the weight over the background."""
    half = faint * np.float32(0.5)
    half -= background * np.float32(0.5)  # no difference leaves float32
    half *= weights
    out = half + background
    out += half
    return out
