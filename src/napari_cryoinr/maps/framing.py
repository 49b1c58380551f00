"""Smaller maps before they are compressed: a box of one, or one voxel for several.

Every voxel stays where it is in space: the origin moves with the first voxel, which of a binned
map lies in the middle of the first block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import MapError, SettingsError
from ..support.array_types import AnyArray, Float32Array, Region, Triple
from ..support.regions import bounding_box, grown, region_shape
from .block_means import block_mean
from .density_map import DensityMap
from .envelope import without_dust
from .mrc_header import MrcHeader

MARGIN = 12
"""Voxels round the structure: the soft mask, and some solvent that the resolution is told by."""

_LARGEST_BIN = 16


def crop_map(density_map: DensityMap, box: Region) -> DensityMap:
    """Return a box of a map.

    Parameters
    ----------
    density_map : DensityMap
    box : three slices
        Voxels along z, y and x, as in numpy, without a step.

    Returns
    -------
    DensityMap
        At the same place in space; with the labels and the extended header of the map.

    Raises
    ------
    MapError
        If no voxel is in the box.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(24)
    >>> part = cryoinr.crop_map(m, np.s_[4:20, 4:20, 6:20])
    >>> part.data.shape, part.origin
    ((16, 16, 14), (8.0, 8.0, 12.0))
    """
    z, y, x = (
        slice(*one.indices(n)[:2]) for one, n in zip(box, density_map.data.shape, strict=True)
    )
    if min(region_shape((z, y, x))) < 1:
        raise MapError(f"{density_map.name}: no voxel is in the box {_text((z, y, x))}")
    data: Float32Array = np.ascontiguousarray(density_map.data[z, y, x])
    start = np.array([z.start, y.start, x.start])
    return _placed(density_map, data, start, 1)


def structure_box(density_map: DensityMap, threshold: float, margin: int = MARGIN) -> Region:
    """Return the box round the density above a threshold, in pieces that are no dust.

    Parameters
    ----------
    density_map : DensityMap
    threshold : float
        Density that counts as structure.
    margin : int
        Voxels that are added on each side, as far as the map reaches.

    Returns
    -------
    Three slices, along z, y and x.

    Raises
    ------
    MapError
        If no voxel is above the threshold.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(32)
    >>> box = cryoinr.structure_box(m, 4.0, margin=2)
    >>> bool(cryoinr.crop_map(m, box).data.max() == m.data.max())
    True
    """
    inside = without_dust(density_map.data > np.float32(threshold))
    if not inside.any():
        raise MapError(
            f"{density_map.name}: no voxel is above {threshold:g}; choose a lower threshold"
        )
    return grown(bounding_box(inside), margin, density_map.data.shape)


def bin_map(density_map: DensityMap, factor: int) -> DensityMap:
    """Return a map with one voxel, the mean, for each block of `factor` voxels along each axis.

    What is left of a block at the end of an axis is cut off.

    Parameters
    ----------
    density_map : DensityMap
    factor : int
        2 to 16.

    Returns
    -------
    DensityMap
        Its voxels are `factor` times as large, and each lies in the middle of its block.

    Raises
    ------
    SettingsError
        If the factor is out of its range.
    MapError
        If no whole block fits into the map.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(24)
    >>> half = cryoinr.bin_map(m, 2)
    >>> half.data.shape, half.voxel_size
    ((12, 12, 12), (4.0, 4.0, 4.0))
    >>> m.origin[0], half.origin[0]
    (0.0, 1.0)
    """
    check_factor(factor, density_map.data.shape, density_map.name)
    data = block_means(density_map.data, factor)
    return _placed(density_map, data, np.zeros(3), factor)


def check_factor(factor: int, shape: tuple[int, ...], name: str) -> None:
    """Raise unless volumes of this shape can be binned by a factor."""
    if not 2 <= factor <= _LARGEST_BIN:
        raise SettingsError(f"bin by {factor}: must be 2 to {_LARGEST_BIN}")
    if min(shape) < factor:
        raise MapError(f"{name}: no block of {factor} voxels fits into the shape {shape}")


def block_means(data: Any, factor: int) -> Float32Array:
    """Return the means of whole blocks of voxels (z, y, x), plane by plane of blocks."""
    nz, ny, nx = (n // factor for n in data.shape)
    out = np.empty((nz, ny, nx), np.float32)
    for number in range(nz):
        start = number * factor
        planes = np.asarray(data[start : start + factor, : ny * factor, : nx * factor])
        out[number] = block_mean(planes, factor)[0]
    return out


def first_voxel(start: AnyArray, factor: int) -> AnyArray:
    """Return where the first voxel of a box, binned, lies, in indices of the voxels before."""
    return start + (factor - 1) / 2


def _placed(
    density_map: DensityMap, data: Float32Array, start: AnyArray, factor: int
) -> DensityMap:
    size = np.array(density_map.voxel_size)
    voxel_size = _triple(size * factor)
    origin = _triple(density_map.origin + first_voxel(start, factor) * size)
    header = _reshaped(density_map.mrc, data.shape, voxel_size, origin)
    return DensityMap(data, voxel_size, origin, header, density_map.name).with_fitting_mode()


def _reshaped(
    header: MrcHeader, shape: tuple[int, ...], voxel_size: Triple, origin: Triple
) -> MrcHeader:
    """Return a header for a volume of another shape and place, with all else as it was."""
    sections, rows, columns = (shape[axis] for axis in header.from_zyx)
    lengths = [n * size for n, size in zip(shape, voxel_size, strict=True)]
    return header.changed(
        nx=columns,
        ny=rows,
        nz=sections,
        mx=shape[2],
        my=shape[1],
        mz=shape[0],
        **dict.fromkeys(("nxstart", "nystart", "nzstart"), 0),
        cella=lengths[::-1],
        origin=origin[::-1],
    )


def _triple(values: AnyArray) -> Triple:
    z, y, x = values.tolist()
    return z, y, x


def _text(box: Region) -> str:
    return ", ".join(f"{part.start}:{part.stop}" for part in box)
