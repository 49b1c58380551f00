"""Indices into a volume (z, y, x), as numpy takes them."""

from __future__ import annotations

from typing import Any

from ..errors import CinrError
from .array_types import Region


def as_box(region: Any, shape: tuple[int, int, int]) -> tuple[Region, tuple[Any, ...]]:
    """(box of step 1, what is left to index in it) of a numpy-like index."""
    items = list(region) if isinstance(region, tuple) else [region]
    if region is None:
        items = []
    if any(item is Ellipsis for item in items):
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = [slice(None)] * (len(shape) - len(items) + 1)
    items += [slice(None)] * (len(shape) - len(items))
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
