"""Boxes of a volume: slices along z, y and x, each with a start and a stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import CinrError
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


def grown(region: Region, margin: int, shape: Sequence[int]) -> Region:
    """Return a region with a margin all around, as far as a volume reaches."""
    z, y, x = (
        slice(max(0, part.start - margin), min(n, part.stop + margin))
        for part, n in zip(region, shape, strict=True)
    )
    return z, y, x


def pieces(count: int, size: int) -> list[slice]:
    """Return slices of `size`, the last one perhaps shorter, that cover 0 to `count`."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def bounding_box(mask: BoolArray) -> Region:
    """Return the smallest region that holds a mask; an empty one for an empty mask."""
    z = _span(mask, (1, 2))
    seen = np.logical_or.reduce(mask[z], axis=0)  # of all planes, which takes less time
    return z, _span(seen, 1), _span(seen, 0)


def _span(mask: BoolArray, others: int | tuple[int, ...]) -> slice:
    where = np.flatnonzero(mask.any(axis=others))
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0, 0)


def as_box(region: Any, shape: tuple[int, int, int]) -> tuple[Region, tuple[Any, ...]]:
    """(box of step 1, what is left to index in it) of a numpy-like index."""
    items: list[Any] = [... if region is None else region]
    if isinstance(region, tuple):
        items = list(region)
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    items[at : at + 1] = [slice(None)] * (len(shape) - len(items) + (at < len(items)))
    if len(items) != len(shape):
        raise CinrError(f"{len(items)} indices for three axes (z, y, x)")
    box: list[slice] = []
    rest: list[slice | int] = []
    for item, size in zip(items, shape, strict=True):
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            if step < 1:
                raise CinrError(f"step {step}: must be positive")
            box.append(slice(start, max(start, stop)))
            rest.append(slice(None, None, step))
        else:
            number = int(item)
            if not -size <= number < size:
                raise CinrError(f"index {number} is outside an axis of {size}")
            box.append(slice(number % size, number % size + 1))
            rest.append(0)
    return (box[0], box[1], box[2]), tuple(rest)
