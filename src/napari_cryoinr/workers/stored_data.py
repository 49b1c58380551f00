"""Maps and micrographs as files in the folder of a task, and records that say where they are."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CinrError
from ..maps.density_map import DensityMap
from ..maps.mrc_header import HEADER_BYTES, ByteOrder, MrcHeader
from ..picking.micrographs import Micrograph, read_micrograph
from ..progress import Clock, Progress, Steps

_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True)
class StoredMap:
    """A density map whose voxels, float32 in C order, and header are in files.

    Attributes
    ----------
    voxels : path of the file of voxels.
    header : path of the MRC header and its extended header; None for a map without.
    byte_order : of the header.
    """

    voxels: str
    shape: tuple[int, ...]
    voxel_size: tuple[float, ...]
    origin: tuple[float, ...]
    name: str
    header: str | None = None
    byte_order: str = "<"

    def load(self) -> DensityMap:
        """The map; its voxels stay in the file."""
        header = None
        if self.header is not None:
            data = Path(self.header).read_bytes()
            order: ByteOrder = ">" if self.byte_order == ">" else "<"
            header = MrcHeader(data[:HEADER_BYTES], data[HEADER_BYTES:], order)
        voxels = np.memmap(self.voxels, np.float32, "r", shape=self.shape)
        (z, y, x), (z0, y0, x0) = self.voxel_size, self.origin
        return DensityMap(voxels, (z, y, x), (z0, y0, x0), header, self.name)


def store_map_steps(density_map: DensityMap, stem: Path) -> Steps[StoredMap]:
    """Write a map to files whose names begin with `stem`.

    Ordinary writes, not a memory map: where the disk is full, those raise and this kills.

    Raises
    ------
    CinrError
        If there is no room for the files.
    """
    clock, data, header = Clock(), density_map.data, density_map.header
    voxels, header_path = Path(f"{stem}.voxels"), None
    with reporting_no_room(stem.parent):
        with voxels.open("wb") as file:
            for part in density_map.slabs():
                yield Progress("handing over", part.start, len(data), clock.seconds)
                file.write(np.ascontiguousarray(data[part]).data)
        if header is not None:
            header_path = f"{stem}.header"
            Path(header_path).write_bytes(header.raw + header.extended)
    return StoredMap(
        str(voxels),
        data.shape,
        density_map.voxel_size,
        density_map.origin,
        density_map.name,
        header_path,
        "<" if header is None else header.byte_order,
    )


@dataclass(frozen=True, eq=False)
class MicrographSource:
    """A micrograph to work on: its file, or the pixels of one that is in no file."""

    name: str
    source: Path | Micrograph


@dataclass(frozen=True)
class StoredMicrograph:
    """A micrograph in a file: one that the user has, or an `.npy` file of its pixels."""

    path: str
    name: str
    pixels_only: bool
    pixel_size: float | None = None

    def load(self) -> Micrograph:
        """Read the micrograph."""
        if self.pixels_only:
            return Micrograph(np.load(self.path), self.pixel_size, self.name)
        return read_micrograph(self.path)


def store_micrograph(micrograph: MicrographSource, stem: Path) -> StoredMicrograph:
    """Write the pixels of a micrograph that is in no file; others stay where they are.

    Raises
    ------
    CinrError
        If there is no room for the file.
    """
    source, name = micrograph.source, micrograph.name
    if isinstance(source, Path):
        return StoredMicrograph(os.path.abspath(source), name, pixels_only=False)
    path = f"{stem}.npy"
    with reporting_no_room(stem.parent):
        np.save(path, source.data)
    return StoredMicrograph(path, name, pixels_only=True, pixel_size=source.pixel_size)


@contextlib.contextmanager
def reporting_no_room(folder: Path) -> Iterator[None]:
    """Say in a line that there is no room for temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise CinrError(
            f"{folder.parent}: no room for temporary files; free some, or set TMPDIR to a folder"
            " on another disk"
        ) from error
