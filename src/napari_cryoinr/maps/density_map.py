"""Density maps.

Axis order is (z, y, x) everywhere; lengths are in Å.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import MapError
from ..support.array_types import AnyArray, Float32Array, Triple
from ..support.memory import default_memory_limit
from ..support.regions import pieces
from . import voxel_types
from .mrc_header import MODE_NAMES, MrcHeader, new_header
from .voxel_source import VoxelSource

MAP_SUFFIXES = (".mrc", ".map", ".ccp4", ".rec", ".st")
COMPRESSIONS = (".gz", ".bz2")  # after such a suffix
SLAB_VOXELS = 1 << 18  # a few copies of a slab fit into the cache


@dataclass(frozen=True, eq=False)
class DensityMap:
    """A cryo-EM density map.

    Parameters
    ----------
    data : ndarray
        Densities, shape (z, y, x); kept as float32. Of a map that was read with ``lazy=True``, an
        object that reads what is indexed.
    voxel_size : tuple of float
        Å per voxel, (z, y, x).
    origin : tuple of float
        Position of the first voxel, Å, (z, y, x).
    header : MrcHeader, optional
        The MRC header that the map came with; one is made where there was none.
    name : str
        A short name.

    Raises
    ------
    MapError
        For data that is not three-dimensional, is empty, or sizes that are not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_cryoinr as cryoinr
    >>> cryoinr.DensityMap(np.zeros((20, 24, 28)), (1.5, 1.5, 1.5), name="empty")
    DensityMap('empty', shape=(20, 24, 28), voxel_size=(1.5, 1.5, 1.5) Å, float32)
    """

    data: Float32Array
    voxel_size: Triple = (1.0, 1.0, 1.0)
    origin: Triple = (0.0, 0.0, 0.0)
    header: MrcHeader | None = None
    name: str = "map"

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise MapError(
                f"{self.name}: the data has {self.data.ndim} dimensions; a density map has three"
            )
        if self.data.size == 0:
            raise MapError(f"{self.name}: the shape {self.data.shape} holds no voxel")
        if not all(np.isfinite(s) and s > 0 for s in self.voxel_size):
            raise MapError(
                f"{self.name}: voxel size {self.voxel_size} Å: must be positive on each axis"
            )
        if self.data.dtype != np.float32:
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and found
                object.__setattr__(self, "data", self.data.astype(np.float32))

    @property
    def mrc(self) -> MrcHeader:
        """The header it came with, or a plain one for its shape, voxel size and origin."""
        return self.header or new_header(self.data.shape, self.voxel_size, self.origin)

    @property
    def mode(self) -> int:
        """MRC mode of its voxels (2, float32, where it did not come from a file)."""
        return self.header.mode if self.header else 2

    @property
    def raw_bytes(self) -> int:
        """Bytes of the voxels as float32."""
        return 4 * self.data.size

    def slabs(self) -> list[slice]:
        """Return slices along z, for passes that need little memory."""
        return slabs(self.data.shape)

    def in_memory(self) -> DensityMap:
        """Return the same map with its voxels in memory.

        Raises
        ------
        MapError
            If they take more than half of the machine's memory.
        """
        if not isinstance(self.data, VoxelSource):
            return self
        limit = default_memory_limit()
        if self.raw_bytes > limit:
            raise MapError(
                f"{self.name}: its voxels need {self.raw_bytes:,} bytes of memory and the limit is"
                f" {limit:,}; maps of any size are compressed by keep = volume and target_psnr or"
                " target_nrmse, or lossless"
            )
        return replace(self, data=self.data[...])

    def moved(self, voxel_size: Triple, origin: Triple) -> DensityMap:
        """Return the same densities with another voxel size and origin, in the header too."""
        if np.allclose(voxel_size, self.voxel_size, rtol=1e-6) and np.allclose(
            origin, self.origin, rtol=1e-6, atol=1e-4
        ):
            return self
        header = self.mrc
        names = ("mz", "my", "mx")
        counts = [int(header.record[name]) for name in names]
        sampling = [c if c > 0 else n for c, n in zip(counts, self.data.shape, strict=True)]
        header = header.changed(
            **dict(zip(names, sampling, strict=True)),
            **dict.fromkeys(("nxstart", "nystart", "nzstart"), 0),
            cella=[n * size for n, size in zip(sampling, voxel_size, strict=True)][::-1],
            origin=origin[::-1],
        )
        return replace(self, voxel_size=voxel_size, origin=origin, header=header)

    def with_fitting_mode(self) -> DensityMap:
        """Return the same map, as float32 if the mode in its header cannot hold its densities.

        That happens to maps that were changed after they were read.
        """
        if all(
            voxel_types.holds(np.ascontiguousarray(self.data[p]), self.mode) for p in self.slabs()
        ):
            return self
        return replace(self, header=self.mrc.with_mode(2))

    def __repr__(self) -> str:
        return (
            f"DensityMap({self.name!r}, shape={self.data.shape}, "
            f"voxel_size={tuple(round(s, 4) for s in self.voxel_size)} Å, "
            f"{MODE_NAMES.get(self.mode, self.mode)})"
        )


def slabs(shape: tuple[int, ...]) -> list[slice]:
    """Return slices along the first axis of at most `SLAB_VOXELS`, or one plane."""
    return pieces(shape[0], max(1, SLAB_VOXELS // max(1, math.prod(shape[1:]))))


def check_finite(data: AnyArray, name: str, first: int = 0) -> None:
    """Raise `MapError` if a voxel is infinite or NaN, saying where the first is.

    `first` is the number of the first plane.
    """
    for part in slabs(data.shape):
        finite = np.isfinite(data[part])
        if not finite.all():
            z, y, x = np.argwhere(~finite)[0]
            raise MapError(
                f"{name}: voxel (z, y, x) = ({first + part.start + z}, {y}, {x}) is infinite or"
                " NaN; replace such voxels first, by cryoinr.fill_no_density in Python or in"
                " napari's widget Prepare map"
            )
