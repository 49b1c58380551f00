"""Maps and archives that commands read, and the comparison of two of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MapWarning, SettingsError
from .progress_bar import show

if TYPE_CHECKING:
    from ..archive import Archive, Member
    from ..maps.density_map import DensityMap
    from ..quality import ModelReport, QualityReport
    from ..support.array_types import Float32Array


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


@dataclass(frozen=True, eq=False)
class Compared:
    """Two maps and what separates them."""

    original: DensityMap
    decoded: Float32Array  # shape (z, y, x)
    report: QualityReport
    model: ModelReport | None  # where an atomic model was given


def compared(
    original_path: Path,
    path: Path,
    *,
    member: str | None,
    threshold: str | None,
    keep: str | None,
    mask: Path | None,
    resolution: float | None,
    model: Path | None,
    quiet: bool,
) -> Compared:
    """Compare a map or an archive with its original.

    Of several members of an archive, the one that was named counts, or else that was made from the
    original. Without a threshold or mask, what counts is what the archive keeps, or the envelope
    round the automatic threshold.
    """
    from ..archive import open_archive
    from ..archive.hdf5_file import looks_like_cinr
    from ..maps.envelope import checked_mask
    from ..maps.map_statistics import statistics
    from ..maps.resolution import Resolution
    from ..maps.threshold import resolve_threshold
    from ..quality import compare_steps
    from ..quality.comparison import kept_weight, shell_mask
    from ..quality.map_pairs import check_same_shape
    from ..support.checksums import voxel_checksum

    original = load_map(original_path, quiet)
    archive = open_archive(path) if looks_like_cinr(path) else None
    contour = level = weight = recorded = None
    as_promised = False  # whether what counts is what was recorded
    known = None if resolution is None else Resolution(resolution, "given")
    if archive is None:
        voxels = load_map(path, quiet).data
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
        check_same_shape(original.data.shape, voxels.shape)
        contour, level = item.threshold, item.contour
        recorded = item.quality
        if known is None and recorded is not None and recorded.resolution is not None:
            known = Resolution(recorded.resolution, recorded.resolution_source or "given")
        if threshold is None and keep is None and mask is None:
            weight = item.promised_weight(original.data)
            as_promised = recorded is not None and item.header.original_checksum == checksum
    if (archive is None and mask is None) or threshold is not None:
        contour, level = resolve_threshold(threshold or "auto", statistics(original)), None
    if mask is None and (archive is None or threshold is not None or keep is not None):
        weight = kept_weight(original, contour, keep or "envelope")
    if mask is not None:
        weight = checked_mask(load_map(mask, quiet).data, original.data.shape, original.name)
    steps = compare_steps(
        original, voxels, contour, level, weight=weight, resolution=known, places=True
    )
    report = show(steps, quiet)
    if archive is not None:
        report = report.with_size(archive.bytes, archive.raw_bytes)
        report = replace(report, kind="density" if recorded is None else recorded.kind)
    if as_promised and resolution is None and recorded is not None:
        report = replace(
            report,
            half_map_resolution=recorded.half_map_resolution,
            half_map_resolution_after=recorded.half_map_resolution_after,
            error_of_noise=recorded.error_of_noise,
        )
    fit = None
    if model is not None:
        from ..quality.atomic_model import model_steps

        shells = shell_mask(original, contour, weight)
        fit = show(model_steps(original, voxels, model, shells, report.resolution), quiet)
    return Compared(original, voxels, report, fit)
