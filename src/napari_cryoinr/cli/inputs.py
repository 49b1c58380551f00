"""Maps and archives that commands read, and the comparison of two of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MapWarning, SettingsError
from ..maps.density_map import DensityMap
from ..support.array_types import Float32Array
from .progress_bar import show

if TYPE_CHECKING:
    from ..archive import Archive, Member
    from ..quality import QualityReport


def single_member(
    archive: Archive, key: str | None, remedy: str = "choose one with --member"
) -> Member:
    """Return the member that was named, or the only one; `CinrError` if there is none such."""
    if key is None and len(archive) > 1:
        names = ", ".join(member.name for member in archive)
        raise SettingsError(f"{archive.path} holds {len(archive)} maps ({names}): {remedy}")
    return archive.member(key or "0")


def load_map(path: Path, quiet: bool) -> DensityMap:
    """Return the map of an MRC file, or the only map of a `.cinr`."""
    from ..archive import open_archive
    from ..archive.hdf5_file import looks_like_cinr
    from ..maps.map_reading import read_map

    if not looks_like_cinr(path):
        return read_map(path)
    return show(
        single_member(open_archive(path), None, "decompress one first").to_map_steps(), quiet
    )


def sized_quality(member: Member, archive: Archive) -> QualityReport | None:
    """Return the report that was recorded when a file was made, with the size of the file."""
    if member.quality is None:
        return None
    return member.quality.with_size(archive.bytes, archive.raw_bytes)


def compared(
    original_path: Path, path: Path, member: str | None, threshold: str | None, quiet: bool
) -> tuple[DensityMap, Float32Array, QualityReport]:
    """Return the original, the voxels compared with it, shape (z, y, x), and the report.

    Of several members of an archive, the one that was named counts, or else that was made from the
    original. Without a threshold, the contour is that of the archive, or automatic.
    """
    from ..archive import open_archive
    from ..archive.hdf5_file import looks_like_cinr
    from ..maps.threshold import resolve_threshold, statistics
    from ..quality import compare_steps
    from ..support.checksums import voxel_checksum

    original = load_map(original_path, quiet)
    archive = open_archive(path) if looks_like_cinr(path) else None
    if archive is None:
        voxels, contour, level = load_map(path, quiet).data, None, None
    else:
        checksum = voxel_checksum(original.data)
        same = [item for item in archive if item.header.original_checksum == checksum]
        item = same[0] if same and member is None else single_member(archive, member)
        if item.header.original_checksum != checksum:
            warnings.warn(
                f"{original_path} is not the map that {item.name} was made from",
                MapWarning,
                stacklevel=2,
            )
        voxels = show(item.read_steps(), quiet)
        contour, level = item.threshold, item.contour
    if archive is None or threshold is not None:
        contour, level = resolve_threshold(threshold or "auto", statistics(original)), None
    report = show(compare_steps(original, voxels, contour, level), quiet)
    if archive is not None:
        report = report.with_size(archive.bytes, archive.raw_bytes)
    return original, voxels, report
