"""Levels of a pyramid, each made of means over 2 x 2 x 2 voxels of the one before.

They are measured part by part; neither a level nor its means are ever in memory as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..maps.block_means import block_mean
from ..maps.density_map import check_finite
from ..maps.moments import Moments
from ..maps.voxel_types import snap
from ..progress import Clock, Progress, Steps
from ..support.array_types import Float32Array

Shape = tuple[int, int, int]
_AT_A_TIME = 1 << 22  # voxels


class Volume(Protocol):
    """Voxels that are read by an index (z, y, x), as float32."""

    @property
    def shape(self) -> Shape:
        """Voxels along z, y, x."""

    def __getitem__(self, index: Any) -> Float32Array:
        """Return the voxels of an index."""


@dataclass(frozen=True)
class Extent:
    """What goals refer to: lowest and highest value of a level, and its standard deviation."""

    low: float
    high: float
    deviation: float


def coarser(shape: Shape) -> Shape:
    """Return the shape of the next level."""
    z, y, x = (-(-n // 2) for n in shape)
    return z, y, x


def measure_steps(
    volume: Volume, mode: int, name: str, means: Path | None, clock: Clock
) -> Steps[Extent]:
    """Measure a level, and write the means of its voxels to a file of float32.

    Parameters
    ----------
    mode : of MRC; means are rounded to what it can hold.
    name : of the volume, for messages.
    means : the file; None where no level follows.

    Raises
    ------
    MapError
        If a voxel is infinite or NaN.
    """
    depth, rows, columns = volume.shape
    planes = 2 * max(1, _AT_A_TIME // (2 * rows * columns))
    moments = Moments()
    if means is not None:
        means.write_bytes(b"")
    for start in range(0, depth, planes):
        yield Progress("measuring", start, depth, clock.seconds)
        part = volume[start : start + planes, :, :]
        check_finite(part, name, start)
        moments.add(part)
        if means is not None:
            with means.open("ab") as file:
                snap(block_mean(part, 2), mode).tofile(file)
    return Extent(moments.low, moments.high, moments.deviation)


def open_means(path: Path, shape: Shape) -> Volume:
    """Return the means that `measure_steps` wrote, as the level of this shape."""
    return np.memmap(path, np.float32, "r", shape=shape)
