"""Readers for `.cinr` and MRC/CCP4 files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .layers import LayerData, layer_of
from .running import run

if TYPE_CHECKING:
    from ..archive import Archive, Member

Reader = Callable[[Any], list[LayerData]]

LARGE_BYTES = 256 << 20  # larger volumes come as dask arrays and are read where they are looked at
_MAP_CHUNK_VOXELS = 1 << 22


def get_cinr_reader(path: str | list[str]) -> Reader | None:
    """A reader of `.cinr` files, or None if one of the files is something else; never raises."""
    from ..archive.container import looks_like_cinr

    paths = _paths(path)
    return _read_archives if paths and all(looks_like_cinr(p) for p in paths) else None


def get_map_reader(path: str | list[str]) -> Reader | None:
    """A reader of MRC/CCP4 files, or None if one of the paths is no file; never raises."""
    paths = _paths(path)
    return read_maps if paths and all(p.is_file() for p in paths) else None


def _paths(path: Any) -> list[Path]:
    return [Path(p) for p in (path if isinstance(path, list | tuple) else [path])]


def _read_archives(path: Any) -> list[LayerData]:
    from ..archive import open_archive

    layers = []
    for file in _paths(path):
        archive = open_archive(file)
        for member in archive:
            if member.raw_bytes > LARGE_BYTES:
                data = _lazy(member)
            else:
                data = run(member.read_steps(), f"Opening {member.name}")
            layers.append(member_layer(archive, member, data))
    return layers


def member_layer(archive: Archive, member: Member, data: Any) -> LayerData:
    """The layer of a member of an archive, with its voxels."""
    quality = member.quality
    details = {
        "path": str(archive.path),
        "member": member.name,
        "settings": archive.header.settings,
        "quality": quality.with_size(archive.bytes, archive.raw_bytes).to_dict()
        if quality
        else None,
    }
    return layer_of(
        data,
        member.name,
        member.voxel_size,
        member.origin,
        member.mrc,
        member.contrast_limits,
        member.contour,
        details,
    )


def _lazy(member: Member) -> Any:
    """The member as a dask array of bricks that are decoded when they are looked at."""
    import dask.array as da

    from ..residual import BRICK

    class Volume:
        shape, ndim, dtype = member.shape, 3, np.dtype(np.float32)

        def __getitem__(self, index: Any) -> Any:
            return member.read(index)

    return da.from_array(
        Volume(),
        chunks=BRICK,
        name=f"cinr-{member.header.decoded_checksum}",
        meta=np.empty((0,) * 3, np.float32),
    )


def read_maps(path: Any) -> list[LayerData]:
    """Layers of MRC/CCP4 files, one path or a list of them.

    Raises
    ------
    MapError
        if a file cannot be read as a density map.
    """
    from ..maps import read_map
    from ..threshold import auto_threshold, statistics

    layers = []
    for file in _paths(path):
        large = file.stat().st_size > LARGE_BYTES
        density_map = read_map(file, finite=not large)
        data: Any = density_map.data
        limits, contour = density_map.mrc.density_range, None
        if large:
            import dask.array as da

            planes = max(1, _MAP_CHUNK_VOXELS // data[0].size)
            data = da.from_array(data, chunks=(planes, *data.shape[1:]))
        else:
            stats = statistics(density_map)
            limits = limits or (stats.low, max(stats.high, stats.low + 1.0))
            contour = auto_threshold(stats)
        layers.append(
            layer_of(
                data,
                density_map.name,
                density_map.voxel_size,
                density_map.origin,
                density_map.mrc,
                limits,
                contour,
                {"path": str(file)},
            )
        )
    return layers
