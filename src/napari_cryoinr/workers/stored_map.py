"""Maps in temporary files, for child processes."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CinrError
from ..maps.density_map import DensityMap
from ..progress import Clock, Progress, Steps

_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True)
class StoredMap:
    """A density map whose voxels, float32 in C order, are in a file."""

    voxels: Path
    shape: tuple[int, ...]
    rest: dict[str, Any]  # the other fields of the map

    def load(self) -> DensityMap:
        """Return the map; its voxels stay in the file."""
        return DensityMap(np.memmap(self.voxels, np.float32, "r", shape=self.shape), **self.rest)


def store_map_steps(density_map: DensityMap, voxels: Path) -> Steps[StoredMap]:
    """Write the voxels of a map to a file.

    Ordinary writes, not a memory map: where the disk is full, those raise and this kills.

    Raises
    ------
    CinrError
        If there is no room for the file.
    """
    clock, rest = Clock(), dict(vars(density_map))
    data = rest.pop("data")
    with reporting_no_room(voxels.parent), voxels.open("wb") as file:
        for part in density_map.slabs():
            yield Progress("handing over", part.start, len(data), clock.seconds)
            file.write(np.ascontiguousarray(data[part]).data)
    return StoredMap(voxels, data.shape, rest)


@contextlib.contextmanager
def reporting_no_room(folder: Path) -> Iterator[None]:
    """Raise a `CinrError` if there is no room for temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise CinrError(
            f"{folder.parent}: no room for temporary files; free some, or set TMPDIR to a folder"
            " on another disk"
        ) from error
