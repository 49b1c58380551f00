"""The header of an archive: every field, its range and its meaning, in this one place.

Writing and reading walk these declarations (`napari_cryoinr.support.records`), and so does the
page on the file format in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import models
from ..quality.quality_report import QualityReport
from ..support.records import checked_field
from .residual import ResidualConfig

MAX_SIDE = 1 << 16
MAX_BYTES = 1 << 50
MAX_NAME = 255


@dataclass(frozen=True)
class StreamEntry:
    """One stream. Streams follow each other without gaps, in the order of the header."""

    name: str = checked_field(
        "what the stream holds",
        choices=(
            "network",
            "latent",
            "latents",
            "lossless",
            "mask",
            "mrc",
            "mrc_header",
            "mrc_extended",
            "residual_tables",
            "residual_index",
            "residual",
        ),
    )
    length: int = checked_field("bytes", low=0, high=MAX_BYTES)
    checksum: str = checked_field("BLAKE2b of the bytes, 8 bytes in hexadecimal", length=(16, 16))


@dataclass(frozen=True)
class ModelHeader:
    """The model that all members share."""

    name: str = checked_field("the model", choices=models.NAMES)
    streams: tuple[StreamEntry, ...] = checked_field("streams that all members use", length=(0, 16))
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
    mode: int = checked_field("MRC mode of the original voxels: 0, 1, 2, 6 or 12", low=0, high=12)
    byte_order: str = checked_field("byte order of the original MRC file", choices=("<", ">"))
    streams: tuple[StreamEntry, ...] = checked_field("streams of this map alone", length=(0, 16))
    background: float = checked_field("density of the voxels that are not occupied")
    density_scale: float = checked_field("density of a normalised density of 1", above=0)
    contrast_limits: tuple[float, ...] = checked_field(
        "densities for black and white", length=(2, 2)
    )
    original_checksum: str = checked_field(
        "BLAKE2b of the original voxels as float32 (z, y, x), in hexadecimal", length=(16, 32)
    )
    decoded_checksum: str = checked_field(
        "BLAKE2b of the decoded voxels as float32 (z, y, x), in hexadecimal", length=(16, 32)
    )
    threshold: float | None = checked_field(
        "occupied voxels exceed it; absent: all are occupied", None
    )
    contour: float | None = checked_field(
        "contour level for display and for the quality report", None
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
        "settings it was made with: a record of the making, not needed for decoding"
    )
    model: ModelHeader = checked_field("the model")
    members: tuple[MemberHeader, ...] = checked_field("the maps", length=(1, 65535))

    def entries(self) -> list[StreamEntry]:
        """All streams in file order: those of the model, then those of each member."""
        out = list(self.model.streams)
        for member in self.members:
            out += member.streams
        return out
