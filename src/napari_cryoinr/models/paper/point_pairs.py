"""Coordinate-density pairs in chunked HDF5: the second path of the source's pipeline.

The points of all maps are dealt at random into chunks of bounded size as they are written, and
shuffled inside a chunk when it is read, so that training sees well-mixed batches while memory holds
one chunk, however large the maps are (arXiv 2512.12975: chunks of up to one million points).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType

import h5py
import numpy as np
import numpy.typing as npt

from ...maps.density_map import DensityMap
from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray

Points = npt.NDArray[np.float32]
COLUMNS = ("z", "y", "x", "density", "map")
_HDF5_CHUNK = 1 << 14


class PairFile:
    """A temporary HDF5 file of points (z, y, x, density, map), all normalised; a context manager.

    The file has no name in the file system, where the system allows that, and is gone with the
    object even if the process is killed.
    """

    def __init__(self, chunk_size: int, validation_share: float, seed: int) -> None:
        self._file = tempfile.TemporaryFile(prefix="cryoinr-pairs-")  # noqa: SIM115 - closed by __exit__
        self._hdf5 = h5py.File(self._file, "w")
        self._chunk_size = chunk_size
        self._share = validation_share
        self._random = np.random.default_rng(seed)
        self.count = 0

    def __enter__(self) -> PairFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hdf5.close()
        self._file.close()

    def write_steps(
        self,
        maps: Sequence[tuple[DensityMap, BoolArray, float]],
        coordinates: Sequence[Sequence[npt.NDArray[np.float64]]],
        total: int,
        clock: Clock,
    ) -> Steps[None]:
        """Write the points of all maps.

        Parameters
        ----------
        maps : (map, mask, density scale) of each.
        coordinates : for each map the normalised coordinates along z, y and x.
        total : number of occupied voxels of all maps.
        """
        training = max(1, round(total * (1 - self._share)))
        buckets = [self._dataset(f"chunk{n}") for n in range(-(-training // self._chunk_size))]
        validation = self._dataset("validation")
        for number, (density_map, mask, scale) in enumerate(maps):
            for part in density_map.slabs():
                points = _points(density_map, mask, scale, coordinates[number], part, number)
                held_out = self._random.random(len(points)) < self._share
                _append(validation, points[held_out])
                points = points[~held_out]
                bucket_of = self._random.integers(0, len(buckets), len(points))
                for index, bucket in enumerate(buckets):
                    _append(bucket, points[bucket_of == index])
                self.count += len(held_out)
                yield Progress("pairs", self.count, total, clock.seconds)

    def _dataset(self, name: str) -> h5py.Dataset:
        return self._hdf5.create_dataset(
            name,
            (0, len(COLUMNS)),
            "f4",
            maxshape=(None, len(COLUMNS)),
            chunks=(_HDF5_CHUNK, len(COLUMNS)),
        )

    def validation(self, most: int) -> Points:
        """Held-out points, at most so many, shape (n, 5)."""
        data = self._hdf5["validation"]
        return data[:: max(1, -(-len(data) // most))]

    def chunks(self) -> Iterator[Points]:
        """The chunks of training points, shape (n, 5), for ever, in a new order each time round."""
        names = [name for name, data in self._hdf5.items() if name != "validation" and len(data)]
        names = names or ["validation"]  # of very few points all may have been held out
        only = self._hdf5[names[0]][:] if len(names) == 1 else None
        while True:
            for index in self._random.permutation(len(names)):
                chunk = only if only is not None else self._hdf5[names[index]][:]
                yield self._random.permutation(chunk)


def _points(
    density_map: DensityMap,
    mask: BoolArray,
    scale: float,
    axes: Sequence[npt.NDArray[np.float64]],
    part: slice,
    number: int,
) -> Points:
    where = np.nonzero(mask[part])
    points = np.empty((where[0].size, len(COLUMNS)), np.float32)
    points[:, 0] = axes[0][where[0] + part.start]
    points[:, 1] = axes[1][where[1]]
    points[:, 2] = axes[2][where[2]]
    points[:, 3] = density_map.data[part][where] / np.float32(scale)
    points[:, 4] = number
    return points


def _append(dataset: h5py.Dataset, points: Points) -> None:
    if len(points):
        start = len(dataset)
        dataset.resize(start + len(points), axis=0)
        dataset[start:] = points
