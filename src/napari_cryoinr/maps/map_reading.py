"""Reading density maps from MRC/CCP4 files: what is forgiven, what is refused."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from ..errors import MapError, MapWarning
from . import mrc_file
from .density_map import DensityMap, check_finite
from .mrc_header import MrcHeader


def read_map(
    path: str | os.PathLike[str], *, strict: bool = False, finite: bool = True
) -> DensityMap:
    """Read an MRC2014/CCP4 density map; plain or compressed by gzip or bzip2.

    Plain float32 files are memory-mapped. Axes are brought to (z, y, x) whatever MAPC, MAPR and
    MAPS say.

    Parameters
    ----------
    path : the file.
    strict : refuse what would otherwise be a warning (wrong machine stamp, wrong map string,
        bytes behind the last voxel, no voxel size).
    finite : look at every voxel and refuse infinite ones and NaN.

    Raises
    ------
    MapError
        if the file is missing, empty, truncated, no MRC file, an image or a stack of images, of a
        mode that holds no densities, or holds infinite voxels or NaN.

    Warns
    -----
    MapWarning
        if the header is wrong in a way that still lets the map be read, or states no voxel size
        (1 Å is assumed).
    """
    density_map = _read(Path(path), strict)
    if finite:
        check_finite(density_map.data, density_map.name)
    return density_map


def _read(path: Path, strict: bool) -> DensityMap:
    content = mrc_file.read(path, _refuse_images, MapError)
    header, complaints = content.header, list(content.complaints)

    voxel_size = header.cell_voxel_size
    if not all(np.isfinite(s) and s > 0 for s in voxel_size):
        complaints.append("the header states no voxel size; 1 Å is assumed")
        voxel_size = (1.0, 1.0, 1.0)
    if not header.axes_valid:
        complaints.append("MAPC, MAPR and MAPS name no axes; columns, rows, sections are x, y, z")
    for text in complaints:
        if strict:
            raise MapError(f"{path}: {text} (refused by strict reading)")
        warnings.warn(f"{path.name}: {text}", MapWarning, stacklevel=3)
    data = content.voxels.transpose(header.to_zyx)
    return DensityMap(data, voxel_size, header.origin(voxel_size), header, _stem(path))


def _stem(path: Path) -> str:
    name = path.name
    for suffix in mrc_file.COMPRESSED:
        name = name.removesuffix(suffix)
    return Path(name).stem


def _refuse_images(path: Path, header: MrcHeader) -> None:
    nz, ny, nx = header.file_shape
    if min(nz, ny, nx) < 1:
        raise MapError(f"{path}: the shape {nz} × {ny} × {nx} is impossible; not an MRC file?")
    try:
        _ = header.voxel_type
    except MapError as error:
        raise MapError(f"{path}: {error}") from None
    ispg, mz = int(header.record.ispg), int(header.record.mz)
    if nz == 1:
        raise MapError(f"{path}: holds one 2-D image of {ny} × {nx}; a density map is 3-D")
    if ispg == 0 and mz == 1:
        raise MapError(
            f"{path}: holds a stack of {nz} 2-D images (space group 0, MZ = 1), not a density map"
        )
    if 401 <= ispg <= 630:
        raise MapError(
            f"{path}: holds a stack of volumes (space group {ispg}); extract one volume first"
        )
