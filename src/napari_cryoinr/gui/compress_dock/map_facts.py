"""What is found of a layer in the background: its map, what it is, and its densities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import MapError
from ...maps.auto_threshold import auto_threshold
from ...maps.density_map import DensityMap
from ...maps.half_maps import are_half_maps_steps
from ...maps.map_statistics import Statistics, statistics
from ...maps.mrc_header import VOXEL_TYPES
from ...maps.repair import find_no_density
from ...maps.volume_kinds import kind_of
from ...progress import Clock, Progress, Steps
from ...quality.verdict import size_text
from ...support.array_types import Float64Array
from ..io.layer_kinds import LABELS, recognise
from ..io.map_layers import MapReader, MapsReader, map_reader, maps_reader, raw_volumes

_BINS = 160
_COUNTED_VOXELS = 1 << 24  # in more, shares are read off the histogram


@dataclass(frozen=True, eq=False)
class Histogram:
    """Voxels by density: `counts` of each bin, and the `edges` of the bins."""

    counts: Float64Array
    edges: Float64Array


@dataclass(frozen=True, eq=False)
class MapFacts:
    """What a layer holds; of a stack, all but `volumes` and `read_all` is of its first volume.

    Attributes
    ----------
    name : of the layer.
    map : the map, with its statistics, its automatic threshold and a histogram.
    kind : one of `KINDS`, what it is.
    read_all : reads all volumes of the layer.
    volumes : how many there are.
    partner : the other half-map, where its name says that there is one.
    alike : whether the noise of both says so too.
    """

    name: str
    map: DensityMap
    stats: Statistics
    auto: float
    kind: str
    histogram: Histogram
    read_all: MapsReader
    volumes: int = 1
    partner: DensityMap | None = None
    alike: bool = False

    def reader(self, together: bool) -> MapsReader:
        """Return what reads the maps of a file; `together`: with the partner, in order of names."""
        if together and self.partner is not None:
            pair = sorted((self.map, self.partner), key=lambda half: half.name.lower())
            return lambda: pair
        return self.read_all if self.volumes > 1 else lambda: [self.map]

    @property
    def spread(self) -> float:
        """Range of the densities, never 0."""
        return (self.stats.high - self.stats.low) or 1.0

    def to_sigma(self, density: float) -> float:
        """Return a density as a number of standard deviations above the mean."""
        return (density - self.stats.mean) / (self.stats.sigma or 1.0)

    def from_sigma(self, number: float) -> float:
        """Return the inverse of `to_sigma`."""
        return self.stats.mean + number * self.stats.sigma

    def about(self) -> str:
        """Return the map in a line: its shape, voxel size and bytes."""
        sizes: tuple[float, ...] = self.map.voxel_size
        if max(sizes) - min(sizes) < 1e-4 * max(sizes):
            sizes = sizes[:1]
        shape = " × ".join(map(str, self.map.data.shape))
        size = " × ".join(f"{one:.4g}" for one in sizes)
        voxels = VOXEL_TYPES[self.map.mode]
        stored = size_text(voxels.itemsize * self.map.data.size)
        text = f"{shape} voxels of {size} Å, {stored} ({voxels.name})"
        return text if self.volumes == 1 else f"{self.volumes} volumes, each {text}"

    def above(self, density: float | None) -> str:
        """Return what lies above a density, in a line: the share of voxels, and their volume."""
        data, share = self.map.data, 1.0
        if density is not None and data.size > _COUNTED_VOXELS:
            share = self.stats.share_above(density)
        elif density is not None:
            share = int(np.count_nonzero(data > np.float32(density))) / data.size
        volume = share * data.size * math.prod(self.map.voxel_size)
        text = f"{volume:,.0f}" if volume < 1e6 else f"{volume:.3g}".replace("e+0", " × 10^")
        return f"{100 * share:.3g} % of the voxels, {text}\N{NO-BREAK SPACE}Å³"


class NoDensityError(MapError):
    """Voxels of a layer hold no density: infinite ones or NaN."""


def facts_steps(layer: Any, partner: Any = None) -> Steps[MapFacts]:
    """Read a layer and work out its statistics; `partner` is the layer of the other half-map.

    The layers may be changed or removed meanwhile. Raises `NoDensityError` where voxels are
    infinite or NaN, and `MapError` for what is no map.
    """
    read, read_all, volumes = map_reader(layer), maps_reader(layer), raw_volumes(layer)
    read_partner = None if partner is None else map_reader(partner)
    labels = recognise(layer).kind == LABELS or layer._type_string == "labels"
    return _facts_steps(layer.name, read, read_all, volumes, read_partner, labels)


def _facts_steps(
    name: str,
    read: MapReader,
    read_all: MapsReader,
    volumes: Sequence[Any],
    read_partner: MapReader | None,
    labels: bool,
) -> Steps[MapFacts]:
    yield Progress("reading", 0, 4)
    try:
        density_map = read()
    except MapError:
        yield from _check_steps(volumes)
        raise
    yield Progress("reading", 1, 4)
    if len(volumes) > 1:
        yield from _check_steps(volumes)
    yield Progress("reading", 2, 4)
    stats = statistics(density_map)
    yield Progress("reading", 3, 4)
    kind = "labels" if labels else kind_of(density_map, stats)
    other, alike = None, False
    if read_partner is not None and kind == "density":
        try:
            other = read_partner()
        except MapError:  # which says why, when it is chosen
            pass
        else:
            alike = yield from are_half_maps_steps(density_map, other, Clock())
    facts = name, density_map, stats, auto_threshold(stats), kind, _histogram(stats)
    return MapFacts(*facts, read_all, len(volumes), other, alike)


def _check_steps(volumes: Sequence[Any]) -> Steps[None]:
    for number, volume in enumerate(volumes, 1):
        yield Progress("looking for NaN", number, len(volumes))
        found = find_no_density(volume) if volume.dtype.kind == "f" else None
        if found is not None:
            where = f"Volume {number}: " if len(volumes) > 1 else ""
            raise NoDensityError(f"{where}{found.text}")


def _histogram(stats: Statistics) -> Histogram:
    """Count the voxels by density; of many, those of the sample stand for all."""
    low, high = stats.low, stats.high
    if not low < high:
        low, high = low - (0.5 * abs(low) or 0.5), low + (0.5 * abs(low) or 0.5)
    counts, edges = np.histogram(stats.sample, _BINS, (low, high))
    found = counts * (stats.varied / stats.sample.size)
    for density, voxels in stats.constants:
        found += voxels * np.histogram([density], edges)[0]
    return Histogram(found, edges)
