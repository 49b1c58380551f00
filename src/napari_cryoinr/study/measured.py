"""What is measured of one task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..quality.quality_report import Band, QualityReport
from ..support import records
from ..support.records import checked_field


@dataclass(frozen=True)
class Member:
    """One map as it was decoded, over the voxels above its contour."""

    name: str = checked_field("name of the map")
    points: int = checked_field("voxels above the contour", low=0)
    within: float = checked_field("share of them with a relative error of at most 20 %")
    mean_relative_error: float = checked_field("their mean relative error")
    nrmse: float = checked_field("RMS error over the standard deviation of the original")
    lowest_fsc: float | None = checked_field("lowest FSC of all shells up to the resolution", None)
    fsc_05: float | None = checked_field("Å where the FSC falls below 0.5", None)
    output_range: float = checked_field(
        "range of the decoded densities, 1st to 99th percentile, over that of the original", 1.0
    )
    bands: tuple[Band, ...] = checked_field("the errors by density", ())

    @classmethod
    def of(cls, name: str, report: QualityReport, output_range: float) -> Member:
        """Return the figures that a study uses."""
        return cls(
            name,
            report.kept_voxels,
            report.within_20_percent,
            report.mean_relative_error,
            report.nrmse,
            report.lowest_fsc,
            report.fsc_05,
            output_range,
            report.bands,
        )


@dataclass(frozen=True)
class Measured:
    """One row of a study: a file, and what its maps came back as."""

    bytes: int = checked_field("of the file, or of what another codec gives back", low=1)
    raw_bytes: int = checked_field("of the voxels as float32", low=1)
    seconds: float = checked_field("of encoding, on the clock")
    processor_seconds: float = checked_field("the same of all processors")
    decode_seconds: float = checked_field("of decoding, on the clock")
    members: tuple[Member, ...] = checked_field("the maps in it", ())
    steps: tuple[int, ...] = checked_field("training steps at which the losses were seen", ())
    losses: tuple[float, ...] = checked_field("mean losses of the training since the last", ())
    given: str = checked_field("what another codec was given of the map", "")
    tuned_to: float | None = checked_field("NRMSE that was asked for, or knob of a codec", None)

    @property
    def ratio(self) -> float:
        """Bytes of the voxels over those of the file."""
        return self.raw_bytes / self.bytes

    @property
    def within(self) -> float:
        """Share of the points of all maps within 20 %."""
        return self._mean([member.within for member in self.members])

    @property
    def error(self) -> float:
        """Mean relative error over the points of all maps."""
        return self._mean([member.mean_relative_error for member in self.members])

    def _mean(self, values: Sequence[float]) -> float:
        points = [max(member.points, 1) for member in self.members]
        return sum(v * n for v, n in zip(values, points, strict=True)) / sum(points)

    @classmethod
    def from_dict(cls, data: object) -> Measured:
        """Make a row of plain JSON data; `records.to_dict` is the inverse."""
        return records.from_dict(cls, data)
