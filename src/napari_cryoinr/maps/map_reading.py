"""Reading density maps from MRC/CCP4 files: what gives a warning, what is refused."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MapError, MapWarning
from .density_map import COMPRESSIONS, DensityMap, check_finite
from .mrc_file import LazyVoxels, open_mrc
from .mrc_header import MrcHeader


def read_map(
    path: str | os.PathLike[str],
    *,
    strict: bool = False,
    finite: bool = True,
    lazy: bool = False,
    memory_limit: int | None = None,
) -> DensityMap:
    """Read an MRC2014/CCP4 density map; plain or compressed by gzip or bzip2.

    Axes are brought to (z, y, x) whatever MAPC, MAPR and MAPS say.

    Parameters
    ----------
    path : str or path
        The file.
    strict : bool
        Refuse what would otherwise be a warning.
    finite : bool
        Refuse voxels that are infinite or NaN.
    lazy : bool
        Leave the voxels of an uncompressed file where they are: `data` is then no array, but
        reads what is indexed. Such voxels are not checked to be finite.
    memory_limit : int, optional
        Bytes that the voxels may take as float32; by default half of the machine's memory.

    Returns
    -------
    DensityMap
        The map, with its header and the file's name without suffix.

    Raises
    ------
    MapError
        If the file is missing, empty, truncated, no MRC file, an image or a stack of images, of a
        mode that holds no densities, holds infinite voxels or NaN, or is larger than the limit.

    Warns
    -----
    MapWarning
        If the header is wrong in a way that still lets the map be read (machine stamp, map string,
        axes, bytes behind the last voxel), or states no voxel size (1 Å is assumed).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import napari_cryoinr as cryoinr
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "molecule.mrc"
    >>> cryoinr.write_map(cryoinr.synthetic_map(20), path)
    >>> cryoinr.read_map(path)
    DensityMap('molecule', shape=(20, 20, 20), voxel_size=(2.0, 2.0, 2.0) Å, float32)
    """
    path = Path(path)
    file = open_mrc(path, _refuse_images, MapError)
    header = file.header
    if lazy and not file.is_compressed:
        file.check_size(path.stat().st_size)
        data: Any = LazyVoxels(file)
    else:
        data = file.voxels(memory_limit).transpose(header.to_zyx)
    complaints = list(file.complaints)
    voxel_size = header.cell_voxel_size
    if not all(np.isfinite(s) and s > 0 for s in voxel_size):
        complaints.append("the header states no voxel size; 1 Å is assumed")
        voxel_size = (1.0, 1.0, 1.0)
    if not header.axes_valid:
        complaints.append("MAPC, MAPR and MAPS name no axes; columns, rows, sections are x, y, z")
    for text in complaints:
        if strict:
            raise MapError(f"{path}: {text} (refused by strict reading)")
        warnings.warn(f"{path.name}: {text}", MapWarning, stacklevel=2)
    if finite and not isinstance(data, LazyVoxels):
        check_finite(data, str(path))
    return DensityMap(data, voxel_size, header.origin(voxel_size), header, map_name(path))


def stored_bytes(path: Path) -> int:
    """Return the bytes of the voxels of an uncompressed file as float32, of others 0.

    Raises `MapError` for what is no density map.
    """
    file = open_mrc(path, _refuse_images, MapError)
    return 0 if file.is_compressed else 4 * math.prod(file.header.file_shape)


def map_name(path: Path) -> str:
    """Return the name of the map in a file: that of the file without suffix."""
    name = path.name
    for suffix in COMPRESSIONS:
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
    if nz == 1 and ispg == 0:
        raise MapError(f"{path}: holds one 2-D image of {ny} × {nx}; a density map is 3-D")
    if ispg == 0 and mz == 1:
        raise MapError(
            f"{path}: holds a stack of {nz} 2-D images (space group 0, MZ = 1), not a density map"
        )
    if 401 <= ispg <= 630:
        raise MapError(
            f"{path}: holds a stack of volumes (space group {ispg}); extract one volume first"
        )
