"""Options that make maps smaller before they are compressed: a box of them, binned voxels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from ..errors import MapError, SettingsError
from ..maps.auto_threshold import auto_threshold
from ..maps.density_map import DensityMap
from ..maps.framing import bin_map, crop_map, structure_box
from ..maps.map_statistics import statistics
from ..maps.threshold import resolve_threshold
from ..support.array_types import Region
from ..support.regions import whole_region

F = TypeVar("F", bound=Callable[..., Any])

_STRUCTURE = "structure"
_RANGE = re.compile(r"\s*(\d*)\s*:\s*(\d*)\s*")


def framing_options(function: F) -> F:
    """Add the options."""
    crop = click.option(
        "--crop",
        metavar="structure|Z0:Z1,Y0:Y1,X0:X1",
        help="Compress a box of the map: round the density above the threshold, or the voxels from"
        " Z0 up to but not including Z1, and so on. It stays where it was in space.",
    )
    binned = click.option(
        "--bin",
        "factor",
        type=int,
        help="Compress the means of blocks of this many voxels along each axis, after --crop.",
    )
    return crop(binned(function))


Halves = Sequence[tuple[DensityMap, DensityMap]]


def framed(
    maps: Sequence[DensityMap],
    masks: Sequence[DensityMap],
    halves: Halves,
    crop: str | None,
    factor: int | None,
    threshold: float | str,
) -> tuple[list[DensityMap], list[DensityMap], Halves]:
    """Return what the options ask for of maps, and the same of their masks and half-maps.

    There is one mask, and one pair of half-maps, for each map, or none at all. Masks and half-maps
    have the same box as their map in voxels, wherever their files say that it lies.

    Raises
    ------
    SettingsError
        If `crop` has no such form, or is a box that is not inside a map.
    MapError
        If a mask or half-map has another shape than its map.
    """
    boxes = [_box(one, crop, threshold) for one in maps]

    def parts(of: Sequence[DensityMap]) -> list[DensityMap]:
        found = []
        for other, whole, box in zip(of, maps, boxes, strict=True):
            if other.data.shape != whole.data.shape:
                raise MapError(
                    f"{other.name}: shape {other.data.shape}, and {whole.name} has"
                    f" {whole.data.shape}: --crop and --bin need the same"
                )
            part = crop_map(other, box)
            found.append(part if factor is None else bin_map(part, factor))
        return found

    one, other = ([pair[number] for pair in halves] for number in (0, 1))
    pairs = list(zip(parts(one), parts(other), strict=True)) if halves else []
    return parts(maps), parts(masks) if masks else [], pairs


def _box(density_map: DensityMap, crop: str | None, threshold: float | str) -> Region:
    if crop is None:
        return whole_region(density_map.data.shape)
    if crop != _STRUCTURE:
        return _parsed(crop, density_map.data.shape)
    stats = statistics(density_map)
    contour = resolve_threshold(threshold, stats)
    return structure_box(density_map, auto_threshold(stats) if contour is None else contour)


def _parsed(text: str, shape: tuple[int, ...]) -> Region:
    found = [_RANGE.fullmatch(part) for part in text.split(",")]
    if len(found) != len(shape) or not all(found):
        raise SettingsError(
            f"--crop {text}: must be {_STRUCTURE} or three ranges of voxels like 10:90,0:64,0:64,"
            " along z, y and x"
        )
    box = []
    for match, count, axis in zip(found, shape, "zyx", strict=True):
        assert match is not None
        start, stop = int(match[1] or 0), int(match[2] or count)
        if not start < stop <= count:
            raise SettingsError(
                f"--crop {text}: {start}:{stop} along {axis} is not inside 0:{count}"
            )
        box.append(slice(start, stop))
    z, y, x = box
    return z, y, x
