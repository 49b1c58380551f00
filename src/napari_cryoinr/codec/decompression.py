"""From an archive to an MRC file."""

from __future__ import annotations

import math
import os
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..archive import Member, open_archive
from ..archive.member_voxels import MemberVoxels, lazy_map
from ..errors import MapError
from ..maps.density_map import COMPRESSIONS, DensityMap
from ..maps.map_writing import MapWriter, check_map_output, write_map, writing
from ..progress import Clock, Progress, Steps, drain
from ..quality.quality_report import QualityReport
from ..support.array_types import Float32Array
from ..support.regions import pieces

_SECTION_VOXELS = 1 << 24  # that are decoded at a time where sections do not follow z


def decompress(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    member: str = "0",
    level: int = 0,
    mode: str | None = None,
    device: str = "cpu",
    lazy: bool = False,
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
    lazy : bool
        Hold no more of a large volume in memory than a slab: `data` of the result is then no array,
        but decodes what is indexed. Models that decode a volume at once still do.
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
    steps = decompress_steps(
        archive, path, member, level, mode, device, lazy=lazy, overwrite=overwrite
    )
    return drain(steps)


def decompress_steps(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    member: str = "0",
    level: int = 0,
    mode: str | None = None,
    device: str = "cpu",
    *,
    lazy: bool = False,
    overwrite: bool = False,
) -> Steps[DensityMap]:
    """`decompress` as a generator of progress; closing it cancels and leaves nothing behind.

    Parameters
    ----------
    archive, path, member, level, mode, device, lazy, overwrite
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
    opened = open_archive(archive, device=device)
    with ExitStack() as stack:
        stack.callback(opened.close)
        path = check_map_output(path, inputs=[archive], overwrite=overwrite)
        chosen = opened.member(member)
        label = _label(chosen.quality)
        if level == 0:
            result = yield from _write_steps(chosen, path, mode, label, lazy=lazy)
        else:
            result = yield from chosen.to_map_steps(level)
            write_map(result, path, mode=mode, label=label, overwrite=overwrite)
        if isinstance(result.data, MemberVoxels):  # which reads the archive
            stack.pop_all()
    return result


def _write_steps(
    member: Member, path: Path, mode: str | None, label: str, *, lazy: bool
) -> Steps[DensityMap]:
    """Decode a member slab by slab, check it and write it; return what was written."""
    result = lazy_map(member)
    lazy = lazy and len(member.decoder.slabs()) > 1
    writer = MapWriter(result, mode, label)
    # Voxels go into the file as they come, and the header last, where the order allows that.
    at_once = writer.in_order and path.suffix.lower() not in COMPRESSIONS
    if at_once and writer.file_bytes > (free := shutil.disk_usage(path.parent).free):
        raise MapError(
            f"{path}: the map takes {writer.file_bytes:,} bytes and {free:,} are free; write to"
            " another place, a coarser level, or .mrc.gz"
        )
    with writing(path) as temporary, writer.open(temporary, path.suffix) as file:

        def take(part: slice, slab: Float32Array) -> None:
            writer.count(slab)
            if at_once:
                file.write(writer.as_stored(slab))

        if at_once:
            file.write(bytes(writer.start))
        if lazy:
            yield from member.check_steps(take)
        else:
            voxels = yield from member.verify_steps(take)
            result = replace(result, data=voxels)
        if at_once:
            file.seek(0)
        file.write(writer.header.raw)
        file.write(writer.header.extended)
        if not at_once:
            yield from _write_sections_steps(writer, file, result.data)
    return result


def _write_sections_steps(writer: MapWriter, file: Any, voxels: Float32Array) -> Steps[None]:
    """Write voxels in the order of the file's sections."""
    clock, count = Clock(), writer.shape[0]
    planes = max(1, _SECTION_VOXELS // math.prod(writer.shape[1:]))
    parts = pieces(count, planes)
    for part, section in zip(parts, writer.sections(parts), strict=True):
        yield Progress("writing", part.start, count, clock.seconds, share=part.start / count)
        file.write(writer.as_stored(voxels[section]))


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
