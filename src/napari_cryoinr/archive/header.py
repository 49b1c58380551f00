"""The header of an archive: every field, its range and its meaning, in this one place.

Writing and reading walk these declarations (`napari_cryoinr.support.records`), and so does the
page on the file format in the documentation. What a model adds is declared beside the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import models
from ..errors import DamagedArchive
from ..quality.quality_report import QualityReport
from ..support.checksums import VOXEL_CHECKSUM_LETTERS
from ..support.records import checked_field
from .residual import ResidualConfig

MAX_SIDE = 1 << 16
MAX_NAME = 255


@dataclass(frozen=True)
class ModelHeader:
    """The model that all members share."""

    name: str = checked_field("the model", choices=models.NAMES)
    config: dict[str, Any] | None = checked_field(
        "what the decoder must know of the fit: a record of the model", None
    )


@dataclass(frozen=True)
class MemberHeader:
    """One map."""

    name: str = checked_field("name of the map", length=(1, MAX_NAME))
    shape: tuple[int, ...] = checked_field(
        "voxels along z, y, x", low=1, high=MAX_SIDE, length=(3, 3)
    )
    background: float = checked_field("density of the voxels that are not occupied")
    contrast_limits: tuple[float, ...] = checked_field(
        "densities for black and white", length=(2, 2)
    )
    original_checksum: str = checked_field(
        "of the original voxels as float32 (z, y, x)", length=(VOXEL_CHECKSUM_LETTERS,) * 2
    )
    decoded_checksum: str = checked_field(
        "of the decoded voxels as float32 (z, y, x)", length=(VOXEL_CHECKSUM_LETTERS,) * 2
    )
    mode: int = checked_field(
        "MRC mode of the original voxels: 0, 1, 2, 6 or 12", 2, low=0, high=12
    )
    byte_order: str = checked_field("byte order of the original MRC file", "<", choices=("<", ">"))
    density_scale: float = checked_field("density of a normalised density of 1", 1.0, above=0)
    threshold: float | None = checked_field(
        "occupied voxels exceed it; absent: all are occupied", None
    )
    contour: float | None = checked_field("contour level for display; absent: the threshold", None)
    mrc: dict[str, Any] | None = checked_field(
        "fields of the MRC header that differ from a usual one, by the names of the mrcfile"
        " package; absent: the header is a stream",
        None,
    )
    residual: ResidualConfig | None = checked_field("the residual stream, if there is one", None)
    quality: QualityReport | None = checked_field(
        "what was lost, as measured when the file was made", None
    )
    config: dict[str, Any] | None = checked_field(
        "what the decoder must know of this map: a record of the model", None
    )


@dataclass(frozen=True)
class ArchiveHeader:
    """The whole archive."""

    package: str = checked_field("version of napari-cryoinr that wrote it", length=(1, 64))
    settings: dict[str, Any] = checked_field(
        "settings it was made with, where they differ from the defaults: a record of the making,"
        " not needed for decoding"
    )
    model: ModelHeader = checked_field("the model")
    members: tuple[MemberHeader, ...] = checked_field("the maps", length=(1, 65535))

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if len(set(names)) < len(names):
            raise DamagedArchive("two members have one name")
