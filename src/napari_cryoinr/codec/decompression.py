"""From an archive to an MRC file."""

from __future__ import annotations

import os

from ..archive import open_archive
from ..maps.density_map import DensityMap
from ..maps.map_writing import check_map_output, write_map
from ..progress import Steps, drain
from ..quality.quality_report import QualityReport


def decompress(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    member: str = "0",
    level: int = 0,
    mode: str | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> DensityMap:
    """Write a member of an archive as an MRC file whose header is that of the original.

    Parameters
    ----------
    archive : str or path
        The `.cinr` file.
    path : str or path
        The MRC file: .mrc, .map, .ccp4, .rec or .st, also with .gz or .bz2 after it.
    member : str
        Name of the map, or its number from 0.
    level : int
        0 is full resolution, whose voxels are compared with the stored checksum; each level halves
        it.
    mode : str, optional
        Voxel mode of the file (float32, float16, ...); by default that of the original.
    device : str
        Where the network runs: cpu, cuda or auto. The voxels are the same everywhere.
    overwrite : bool
        Replace a file that exists; never the archive itself.

    Returns
    -------
    DensityMap
        What was written.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    CinrError
        If the archive cannot be read, or the map not be written.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16)
    >>> _ = cryoinr.compress(m, "a.cinr", cryoinr.Settings(lossless=True))
    >>> back = cryoinr.decompress("a.cinr", "a.mrc")
    >>> bool((back.data == m.data).all())
    True
    """
    steps = decompress_steps(archive, path, member, level, mode, device, overwrite=overwrite)
    return drain(steps)


def decompress_steps(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    member: str = "0",
    level: int = 0,
    mode: str | None = None,
    device: str = "cpu",
    *,
    overwrite: bool = False,
) -> Steps[DensityMap]:
    """`decompress` as a generator of progress; closing it cancels and leaves nothing behind.

    Parameters
    ----------
    archive, path, member, level, mode, device, overwrite
        As for `decompress`.

    Returns
    -------
    DensityMap
        What was written; `drain` returns it.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16)
    >>> _ = cryoinr.compress(m, "a.cinr", cryoinr.Settings(lossless=True))
    >>> cryoinr.drain(cryoinr.decompress_steps("a.cinr", "a.mrc")).data.shape
    (16, 16, 16)
    """
    with open_archive(archive, device=device) as opened:
        check_map_output(path, inputs=[archive], overwrite=overwrite)
        chosen = opened.member(member)
        if level == 0:
            voxels = yield from chosen.verify_steps()
            density_map = DensityMap(
                voxels, chosen.voxel_size, chosen.origin, chosen.mrc, chosen.name
            )
        else:
            density_map = yield from chosen.to_map_steps(level)
    write_map(density_map, path, mode=mode, label=_label(chosen.quality), overwrite=overwrite)
    return density_map


def _label(quality: QualityReport | None) -> str:
    """Return the MRC label that says which tool made the file and how large the error is."""
    from .. import __version__

    if quality is None:
        error = "error not recorded"
    elif quality.psnr is None:
        error = "lossless"
    else:
        error = f"NRMSE {quality.nrmse:.4g} PSNR {quality.psnr:.1f} dB"
    return f"napari-cryoinr {__version__}: decoded from .cinr, {error}"
