"""A map from any file that holds one."""

from __future__ import annotations

from pathlib import Path

from ..errors import SettingsError
from ..maps import DensityMap
from .progress_bar import show


def load(path: Path, quiet: bool, member: str | None = None) -> DensityMap:
    """The map of an MRC file, or a member of a `.cinr` (its only one, unless it is named)."""
    from ..archive import open_archive
    from ..archive.container import looks_like_cinr
    from ..maps import read_map

    if not looks_like_cinr(path):
        return read_map(path)
    archive = open_archive(path)
    if member is None and len(archive) > 1:
        names = ", ".join(m.name for m in archive)
        raise SettingsError(f"{path} holds {len(archive)} maps ({names}); decompress one first")
    return show(archive.member(member or "0").to_map_steps(), quiet)
