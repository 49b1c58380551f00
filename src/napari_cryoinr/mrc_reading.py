"""Reading density maps from MRC/CCP4 files: what is forgiven, what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from . import mrc_file
from .errors import MapError, MapWarning
from .maps import DensityMap
from .mrc_header import MrcHeader


def read(path: Path, strict: bool) -> DensityMap:
    """See `napari_cryoinr.read_map`."""
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
        warnings.warn(f"{path.name}: {text}", MapWarning, stacklevel=4)
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
