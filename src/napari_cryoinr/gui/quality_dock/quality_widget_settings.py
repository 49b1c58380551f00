"""State of the Quality widget."""

from __future__ import annotations

from dataclasses import dataclass

from ...support import records
from ...support.records import checked_field

TABS = ("numbers", "fsc", "error", "densities")


@dataclass(frozen=True)
class QualityWidgetSettings(records.Record):
    """State of the Quality widget; layers are known by their names."""

    decoded: str | None = checked_field("name of the decoded layer", None)
    original: str | None = checked_field("name of the layer it is measured against", None)
    contour: str = checked_field(
        "voxels of the original above it count: a density, Nsigma, auto or none", "auto"
    )
    all_voxels: bool = checked_field("every voxel counts, whatever the contour", False)
    tab: str = checked_field("which part of the report is in front", TABS[0], choices=TABS)

    def __post_init__(self) -> None:
        records.check(self)
