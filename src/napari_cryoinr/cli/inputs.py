"""A map from any file that holds one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..maps.density_map import DensityMap
from .progress_bar import show

if TYPE_CHECKING:
    from ..archive import Archive, Member


def single_member(
    archive: Archive, key: str | None, remedy: str = "choose one with --member"
) -> Member:
    """The member that was named, or the only one.

    Raises
    ------
    CinrError
        if there is no such member, or none was named and there are several.
    """
    if key is None and len(archive) > 1:
        names = ", ".join(member.name for member in archive)
        raise SettingsError(f"{archive.path} holds {len(archive)} maps ({names}): {remedy}")
    return archive.member(key or "0")


def load_map(path: Path, quiet: bool) -> DensityMap:
    """The map of an MRC file, or the only map of a `.cinr`."""
    from ..archive import open_archive
    from ..archive.hdf5_file import looks_like_cinr
    from ..maps.map_reading import read_map

    if not looks_like_cinr(path):
        return read_map(path)
    return show(
        single_member(open_archive(path), None, "decompress one first").to_map_steps(), quiet
    )
