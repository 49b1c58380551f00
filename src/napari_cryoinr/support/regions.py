"""Boxes of a volume: slices along z, y and x, each with a start and a stop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .array_types import BoolArray, Region


def whole_region(shape: Sequence[int]) -> Region:
    """Return the region of a whole volume."""
    z, y, x = (slice(0, n) for n in shape)
    return z, y, x


def region_shape(region: Region) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of a region."""
    z, y, x = (s.stop - s.start for s in region)
    return z, y, x


def relative_to(part: Region, frame: Region) -> Region:
    """Return a region as seen from the first voxel of another one."""
    z, y, x = (slice(p.start - f.start, p.stop - f.start) for p, f in zip(part, frame, strict=True))
    return z, y, x


def intersection(one: Region, other: Region) -> Region:
    """Return what two regions have in common; along some axis of length 0 if nothing."""
    starts = [max(a.start, b.start) for a, b in zip(one, other, strict=True)]
    stops = [min(a.stop, b.stop) for a, b in zip(one, other, strict=True)]
    z, y, x = (slice(a, max(a, b)) for a, b in zip(starts, stops, strict=True))
    return z, y, x


def bounding_box(mask: BoolArray) -> Region:
    """Return the smallest region that holds a mask; an empty one for an empty mask."""
    spans = []
    for others in ((1, 2), (0, 2), (0, 1)):
        where = np.flatnonzero(mask.any(axis=others))
        spans.append(slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0))
    return spans[0], spans[1], spans[2]
