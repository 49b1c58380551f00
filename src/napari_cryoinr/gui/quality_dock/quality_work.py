"""What Compare maps does in the background: reading layers, measuring, counting, saving."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CinrError, MapError
from ...maps.density_map import DensityMap
from ...maps.envelope import checked_mask
from ...maps.map_statistics import statistics
from ...maps.threshold import resolve_threshold
from ...progress import Clock, Progress, Steps
from ...quality import QualityReport, compare_steps, two_maps
from ...quality.comparison import kept_weight
from ...quality.csv_report import write_csv, write_likeness_csv
from ...quality.histograms import (
    DensityHistogram,
    ErrorHistogram,
    density_histogram,
    error_histogram,
)
from ...quality.quality_report import DERIVED
from ...quality.two_maps import Likeness
from ...support import records
from ...support.array_types import Float32Array
from ..io.layer_matching import details_of, placement_of
from ..io.map_layers import LayerData, MapReader, voxels_like
from ..widgets.colours import signed_colours

Pair = tuple[MapReader, MapReader]  # original, decoded

_ERROR_BINS = 56  # a dock is too narrow for more


@dataclass(frozen=True, eq=False)
class Measured:
    """A report with what its charts show; None for `errors` where no voxel is above the contour."""

    report: QualityReport
    errors: ErrorHistogram | None
    densities: DensityHistogram


@dataclass(frozen=True)
class GivenMask:
    """A layer that is the mask in which maps are compared."""

    name: str
    read: MapReader
    labels: bool  # then every label counts

    def weight(self, density_map: DensityMap) -> Float32Array:
        """Read it as a soft mask, 0 to 1, of a map; `MapError` if it is none."""
        mask = self.read().data
        values = (mask > 0).astype(np.float32) if self.labels else mask
        return checked_mask(values, density_map.data.shape, density_map.name)


@dataclass(frozen=True, eq=False)
class ShownReport:
    """A report, and where it comes from."""

    report: QualityReport
    note: str  # where it comes from, in a sentence
    measured: Measured | None = None  # what was counted for its charts
    original: Any = None  # layer; None where it is not known, or removed
    decoded: Any = None
    recorded: bool = False  # read from the archive, not measured here

    @property
    def name(self) -> str:
        """Name of the map."""
        layer = self.original if self.decoded is None else self.decoded
        return "map" if layer is None else str(layer.name)

    @property
    def pictured(self) -> bool:
        """Whether pictures can be made."""
        return None not in (self.measured, self.original, self.decoded)

    @property
    def text(self) -> str:
        """The numbers in aligned lines."""
        return self.report.text()

    def write_csv(self, path: Path) -> None:
        """Write the numbers as a table, in place of a file that is there."""
        write_csv(path, self.report, {"map": self.name, "note": self.note}, overwrite=True)


@dataclass(frozen=True, eq=False)
class ShownLikeness:
    """How alike two maps are, and which."""

    likeness: Likeness
    note: str
    original: Any  # layers
    decoded: Any

    @property
    def name(self) -> str:
        """Name of the file that it may be saved to."""
        return f"{self.decoded.name}-{self.original.name}"

    @property
    def text(self) -> str:
        """The numbers in aligned lines."""
        return self.likeness.text()

    def write_csv(self, path: Path) -> None:
        """Write the numbers as a table, in place of a file that is there."""
        write_likeness_csv(path, self.likeness, {"note": self.note}, overwrite=True)


def recorded_report(layer: Any) -> QualityReport | None:
    """Return what an archive recorded of a layer's quality; None for other layers."""
    noted = details_of(layer).get("quality") if layer is not None else None
    if not isinstance(noted, dict):
        return None
    fields = {name: value for name, value in noted.items() if name not in DERIVED}
    try:
        return records.from_dict(QualityReport, fields)
    except CinrError:  # metadata of another program
        return None


def measure_steps(
    original: MapReader,
    decoded: MapReader,
    contour: float | str,
    recorded: QualityReport | None,
    mask: GivenMask | None = None,
) -> Steps[Measured]:
    """Measure one layer against another.

    `contour` is a density, "Nsigma", "auto" or "none"; the envelope round it counts, or the voxels
    above it if the archive keeps those, or a mask that is given. `recorded` is from the archive of
    the decoded layer, and has the size of its file. Raises `CinrError` if a layer is no density
    map, the shapes differ, or no voxel is above the contour.
    """
    clock = Clock()
    a, b = yield from _read_steps((original, decoded), clock)
    chosen = resolve_threshold(contour, statistics(a))
    level = recorded.level if chosen is None and recorded is not None else None
    keep = "envelope" if recorded is None or recorded.keep == "volume" else recorded.keep
    weight = kept_weight(a, chosen, keep) if mask is None else mask.weight(a)
    report = yield from compare_steps(a, b.data, chosen, level, clock, weight=weight, places=True)
    if recorded is not None and recorded.bytes and recorded.raw_bytes:
        report = report.with_size(recorded.bytes, recorded.raw_bytes)
    return (yield from _count_steps(a, b, report, clock))


def likeness_steps(
    one: MapReader, other: MapReader, contour: float | str, mask: GivenMask | None
) -> Steps[Likeness]:
    """Measure how alike two layers are, in a mask: one that is given, or round a contour.

    `contour` is a density of the mean of both, "Nsigma", "auto" or, for no mask, "none".
    """
    clock = Clock()
    a, b = yield from _read_steps((one, other), clock)
    if mask is not None:
        words, weight = f"mask {mask.name!r}", mask.weight(a)
        return (yield from two_maps.likeness_steps(a, b, weight, words, clock))
    mean = replace(a, data=(a.data + b.data) * np.float32(0.5))
    chosen = resolve_threshold(contour, statistics(mean))
    soft = kept_weight(mean, chosen, "envelope")
    words = "" if chosen is None else f"soft mask round {chosen:.4g}"
    return (yield from two_maps.likeness_steps(a, b, soft, words, clock))


def difference_steps(one: Any, other: Any) -> Steps[LayerData]:
    """Subtract from a layer another one, where they lie in space: one less other, as a layer.

    Raises `MapError` if the layers are not parallel.
    """
    yield Progress("subtracting", 0, 1)
    # In float32: integers without a sign would wrap.
    a, b = (np.asarray(voxels_like(layer, one), np.float32) for layer in (one, other))
    difference = a - b
    reach = float(np.percentile(np.abs(difference[:: max(1, len(difference) // 32)]), 99.5))
    meta = placement_of(one) | {
        "name": f"{one.name} - {other.name}",
        "colormap": signed_colours(),
        "contrast_limits": (-(reach or 1.0), reach or 1.0),
        "rendering": "translucent",
        "blending": "translucent_no_depth",
    }
    return difference, meta, "image"


def count_steps(original: MapReader, decoded: MapReader, report: QualityReport) -> Steps[Measured]:
    """Count the voxels for the charts of a report that was measured elsewhere."""
    clock = Clock()
    a, b = yield from _read_steps((original, decoded), clock)
    return (yield from _count_steps(a, b, report, clock))


def html_steps(
    path: Path, name: str, report: QualityReport, note: str, pair: Pair | None
) -> Steps[Path]:
    """Write a report as HTML; with pictures if there is a pair of layers."""
    from ...quality.html_report import Section, report_steps

    a = b = None
    if pair is not None:
        a, decoded = yield from _read_steps(pair, Clock())
        b = decoded.data
    section = Section(name, a, b, report, note)
    yield from report_steps(path, [section], f"Quality report of {name}", overwrite=True)
    return path


def _read_steps(pair: Pair, clock: Clock) -> Steps[tuple[DensityMap, DensityMap]]:
    maps = []
    for number, read in enumerate(pair):
        yield Progress("reading layers", number, 2, clock.seconds)
        maps.append(read())
    a, b = maps
    if a.data.shape != b.data.shape:
        raise MapError(f"shapes differ: {a.data.shape} and {b.data.shape}; choose maps on one grid")
    return a, b


def _count_steps(
    original: DensityMap, decoded: DensityMap, report: QualityReport, clock: Clock
) -> Steps[Measured]:
    yield Progress("counting voxels", 0, 2, clock.seconds)
    errors = error_histogram(original, decoded.data, report.contour, _ERROR_BINS)
    yield Progress("counting voxels", 1, 2, clock.seconds)
    densities = density_histogram(original, decoded.data, report.contour)
    return Measured(report, errors, densities)
