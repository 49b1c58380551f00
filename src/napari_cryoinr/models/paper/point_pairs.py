"""Coordinate-density pairs in chunked HDF5: the second path of the source's pipeline.

The points of all maps are dealt at random into chunks of bounded size as they are written, and
shuffled inside a chunk when it is read, so that training sees well-mixed batches while memory holds
one chunk, however large the maps are (arXiv 2512.12975: chunks of up to one million points).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence

import h5py
import numpy as np

from ...progress import Clock, Progress, Steps
from ...support.array_types import Float32Array
from ..base import Target
from .positional_encoding import normalised

COLUMNS = ("z", "y", "x", "density", "map")
_HDF5_CHUNK = 1 << 14


class PairFile:
    """A temporary HDF5 file of points (z, y, x, density, map), all normalised.

    The file has no name in the file system, where the system allows that, and is gone with the
    object even if the process is killed.
    """

    def __init__(self, chunk_size: int, validation_share: float, seed: int) -> None:
        self._file = tempfile.TemporaryFile(prefix="cryoinr-pairs-")  # noqa: SIM115 - see close
        self._hdf5 = h5py.File(self._file, "w")
        self._chunk_size = chunk_size
        self._share = validation_share
        self._random = np.random.default_rng(seed)

    def close(self) -> None:
        """Delete the file."""
        self._hdf5.close()
        self._file.close()

    def write_steps(self, targets: Sequence[Target], clock: Clock) -> Steps[None]:
        """Write the points of all maps."""
        total = sum(target.occupied for target in targets)
        training = max(1, round(total * (1 - self._share)))
        names = [f"chunk{n}" for n in range(-(-training // self._chunk_size))]
        width = len(COLUMNS)
        validation, *buckets = (
            self._hdf5.create_dataset(
                name, (0, width), "f4", maxshape=(None, width), chunks=(_HDF5_CHUNK, width)
            )
            for name in ("validation", *names)
        )
        count = 0
        for number, target in enumerate(targets):
            scale, shape = np.float32(target.density_scale), target.map.data.shape
            for part in target.map.slabs():
                mask = target.mask[part]
                places = np.argwhere(mask) + np.array([part.start, 0, 0])
                points = np.empty((len(places), width), np.float32)
                points[:, :3] = normalised(places, shape)
                points[:, 3] = target.map.data[part][mask] / scale
                points[:, 4] = number
                count += len(points)
                held_out = self._random.random(len(points)) < self._share
                _append(validation, points[held_out])
                points = points[~held_out]
                bucket_of = self._random.integers(0, len(buckets), len(points))
                for index, bucket in enumerate(buckets):
                    _append(bucket, points[bucket_of == index])
                yield Progress("pairs", count, total, clock.seconds)

    def mean_density(self) -> float:
        """Return the mean density of one chunk."""
        name = next((name for name, data in self._hdf5.items() if len(data)), "validation")
        densities = self._hdf5[name][:, 3]
        return float(densities.mean()) if densities.size else 0.0

    def validation(self, most: int) -> Float32Array:
        """Return held-out points, at most so many, shape (n, 5)."""
        data = self._hdf5["validation"]
        return np.asarray(data[:: max(1, -(-len(data) // most))])

    def chunks(self) -> Iterator[Float32Array]:
        """Yield the chunks of training points (n, 5) for ever, each time in a new order."""
        names = [name for name, data in self._hdf5.items() if name != "validation" and len(data)]
        names = names or ["validation"]  # of very few points all may have been held out
        only = self._hdf5[names[0]][:] if len(names) == 1 else None
        while True:
            for index in self._random.permutation(len(names)):
                chunk = only if only is not None else self._hdf5[names[index]][:]
                yield self._random.permutation(chunk)


def _append(dataset: h5py.Dataset, points: Float32Array) -> None:
    if len(points):
        start = len(dataset)
        dataset.resize(start + len(points), axis=0)
        dataset[start:] = points
