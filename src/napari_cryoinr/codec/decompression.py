"""From an archive to an MRC file."""

from __future__ import annotations

import os

from ..archive import open_archive
from ..archive.member import Member
from ..maps.density_map import DensityMap
from ..maps.map_writing import write_map
from ..progress import Steps, drain


def decompress(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    member: str = "0",
    level: int = 0,
    mode: str | None = None,
    device: str = "cpu",
) -> DensityMap:
    """Write a member of an archive as an MRC file, and return it; see `decompress_steps`."""
    return drain(decompress_steps(archive, path, member, level, mode, device))


def decompress_steps(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    member: str,
    level: int,
    mode: str | None,
    device: str,
) -> Steps[DensityMap]:
    """Write a member as an MRC file whose header is that of the original.

    Parameters
    ----------
    member : its name or number.
    level : 0 is full resolution, whose voxels are compared with the stored checksum.
    mode : voxel mode of the file (float32, float16, ...); by default that of the original.

    Raises
    ------
    CinrError
        if the archive cannot be read, or the map not be written.
    """
    chosen = open_archive(archive, device=device).member(member)
    if level == 0:
        voxels = yield from chosen.verify_steps()
        density_map = DensityMap(voxels, chosen.voxel_size, chosen.origin, chosen.mrc, chosen.name)
    else:
        density_map = yield from chosen.to_map_steps(level)
    write_map(density_map, path, mode=mode, label=label_for(chosen), overwrite=True)
    return density_map


def label_for(member: Member) -> str:
    """The MRC label that says which tool made the file and how large the error is."""
    quality = member.quality
    error = "error not recorded"
    if quality is not None:
        error = (
            "lossless"
            if quality.psnr is None
            else f"NRMSE {quality.nrmse:.4g} PSNR {quality.psnr:.1f} dB"
        )
    from .. import __version__

    return f"napari-cryoinr {__version__}: decoded from .cinr, {error}"
