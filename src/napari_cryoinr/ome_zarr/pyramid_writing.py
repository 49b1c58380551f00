"""From an MRC file to an OME-Zarr pyramid whose chunks the codec `cinr` stores."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SettingsError
from ..maps.map_reading import read_map
from ..maps.mrc_header import VOXEL_TYPES
from ..progress import Clock, Progress, Steps, drain, reported_steps
from ..support.array_types import AnyArray
from ..support.atomic_files import replacing_folder
from ..support.regions import pieces
from ..support.signatures import parameters_of
from .chunk_coding import encode_chunk_steps
from .chunk_settings import ChunkSettings
from .levels import Extent, Shape, Volume, coarser, measure_steps, open_means
from .ome_metadata import AXES, ome_attributes
from .zarr_output import check_zarr_output, import_zarr

CHUNK, CHUNKS = 96, (16, 256)  # voxels along each axis: the default, fewest and most
MOST_LEVELS = 10
DEFAULT_NRMSE = 0.1
_FILL = 0
_MEANS = ".means-{}"  # files of the means of a level
_LEAST_ERROR = 1e-30  # where all values are the same, no error has a scale


@dataclass(frozen=True)
class Pyramid:
    """An OME-Zarr pyramid that was written.

    Attributes
    ----------
    path : the folder.
    shapes : voxels along z, y, x of each level.
    settings : how exactly the chunks of each level are stored.
    bytes : of all files.
    raw_bytes : of the voxels of all levels in the data type of the arrays.
    """

    path: Path
    shapes: tuple[Shape, ...]
    settings: tuple[ChunkSettings, ...]
    bytes: int
    raw_bytes: int


@dataclass(frozen=True)
class _Job:
    """What is asked for."""

    goal: str
    amount: float
    chunk: int
    effort: str
    device: str

    def settings(self, own: Extent, finest: Extent) -> ChunkSettings:
        """Return the goal of a level: means have less noise, and are to keep what is left.

        The error stays the same share of the standard deviation as in the finest level.
        """
        error = self.amount
        if self.goal == "psnr":
            error = (finest.high - finest.low) * 10 ** (-self.amount / 20)
        elif self.goal == "nrmse":
            error = self.amount * finest.deviation
        if finest.deviation > 0:
            if self.goal != "max_error" and error >= finest.deviation:
                raise SettingsError(
                    f"{self.goal} = {self.amount:g}: allows an RMS error of {error:.4g}, and the"
                    f" standard deviation of the voxels is {finest.deviation:.4g}: nothing would be"
                    " left; ask for a smaller error"
                )
            error *= own.deviation / finest.deviation
        name = "max_error" if self.goal == "max_error" else "rms_error"
        return ChunkSettings(**{name: max(error, _LEAST_ERROR)}, effort=self.effort)


def to_zarr_steps(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    psnr: float | None = None,
    nrmse: float | None = None,
    max_error: float | None = None,
    chunk: int = CHUNK,
    levels: int | str = "auto",
    effort: str = "fast",
    device: str = "auto",
    overwrite: bool = False,
) -> Steps[Pyramid]:
    """`to_zarr` as a generator of progress; closing it cancels and leaves nothing behind.

    The parameters are those of `to_zarr`.

    Returns
    -------
    Pyramid
        What was written; `drain` returns it.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> cryoinr.write_map(cryoinr.synthetic_map(16), "map.mrc")
    >>> steps = cryoinr.to_zarr_steps("map.mrc", "map.ome.zarr", max_error=0.5)
    >>> cryoinr.drain(steps).shapes
    ((16, 16, 16),)
    """
    path, out = Path(path), Path(out)
    goals = {"psnr": psnr, "nrmse": nrmse, "max_error": max_error}
    given = {name: amount for name, amount in goals.items() if amount is not None}
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} are given: give one goal at most")
    goal, amount = next(iter(given.items()), ("nrmse", DEFAULT_NRMSE))
    if not math.isfinite(amount) or amount <= 0:
        raise SettingsError(f"{goal} = {amount:g}: must be above 0")
    if not CHUNKS[0] <= chunk <= CHUNKS[1]:
        raise SettingsError(f"chunk = {chunk}: must be {CHUNKS[0]} to {CHUNKS[1]} voxels")
    zarr = import_zarr()
    check_zarr_output(out, path, overwrite=overwrite)
    density_map = read_map(path, lazy=True)
    shapes = _shapes(density_map.data.shape, chunk, levels)
    job = _Job(goal, amount, chunk, effort, device)
    with replacing_folder(out) as folder:
        attributes = ome_attributes(
            density_map.name, density_map.voxel_size, density_map.origin, len(shapes)
        )
        group = zarr.create_group(folder, zarr_format=3, attributes=attributes)
        settings = yield from _levels_steps(
            group, density_map.data, shapes, density_map.mode, job, folder
        )
        for means in folder.glob(_MEANS.format("*")):
            means.unlink()
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    raw = sum(map(math.prod, shapes)) * VOXEL_TYPES[density_map.mode].itemsize
    return Pyramid(out, shapes, settings, size, raw)


@parameters_of(to_zarr_steps)
def to_zarr(*given: Any, **options: Any) -> Pyramid:
    """Write an MRC file as an OME-Zarr pyramid (version 0.5, Zarr version 3).

    Every chunk is stored on its own by the model `field`, and opens in all programs that use zarr
    once this package is installed. An uncompressed file is read part by part.

    Parameters
    ----------
    path : str or path
        The MRC file.
    out : str or path
        The folder to be written; its name ends in .zarr.
    psnr : float, optional
        dB by which the RMS error of each chunk lies below the range of the whole volume.
    nrmse : float, optional
        RMS error of each chunk as a share of the standard deviation of the whole volume. 0.1 where
        no goal is given.
    max_error : float, optional
        The largest error of a voxel.
    chunk : int
        Voxels along each axis of a chunk, 16 to 256.
    levels : int or "auto"
        How many levels the pyramid has; by default as many as bring the volume into one chunk. A
        voxel of a level is the mean over 2 x 2 x 2 of the one before, and its error the same share
        of the level's standard deviation.
    effort : str
        How much is tried for small chunks: fast, balanced or best.
    device : str
        Where the chunks are fitted: auto, cpu, cuda or mps.
    overwrite : bool
        Replace a Zarr group that exists.

    Returns
    -------
    Pyramid
        What was written.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    MapError
        If the file cannot be read, or a voxel is infinite or NaN.
    SettingsError
        For settings against their rule, and where zarr is not installed.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> cryoinr.write_map(cryoinr.synthetic_map(40), "tomogram.mrc")
    >>> pyramid = cryoinr.to_zarr("tomogram.mrc", "tomogram.ome.zarr", psnr=30, chunk=32)
    >>> pyramid.shapes
    ((40, 40, 40), (20, 20, 20))
    """
    return drain(to_zarr_steps(*given, **options))


def _levels_steps(
    group: Any, volume: Volume, shapes: tuple[Shape, ...], mode: int, job: _Job, folder: Path
) -> Steps[tuple[ChunkSettings, ...]]:
    """Write all levels into a group that lies in a folder."""
    clock, settings = Clock(), []
    total, done, size = sum(map(math.prod, shapes)), 0, 0
    finest: Extent | None = None
    for level, shape in enumerate(shapes):
        means = folder / _MEANS.format(level) if level + 1 < len(shapes) else None
        own = yield from measure_steps(volume, mode, f"level {level}", means, clock)
        finest = finest or own
        settings.append(job.settings(own, finest))
        array = _new_array(group, str(level), shape, mode, job.chunk, settings[-1])
        for place, values in _chunks(volume, array.chunks, VOXEL_TYPES[mode]):
            share = done / total
            now = Progress("encoding", done, total, clock.seconds, bytes_so_far=size, share=share)
            yield now
            done += values.size
            if not (values != _FILL).any():  # a chunk that is not there has the fill value
                continue
            steps = encode_chunk_steps(values, settings[-1], _FILL, job.device)
            data = yield from reported_steps(steps, now)
            file = folder / str(level) / array.metadata.encode_chunk_key(place)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            size += len(data)
        if means is not None:
            volume = open_means(means, shapes[level + 1])
    yield Progress("encoding", total, total, clock.seconds, bytes_so_far=size, share=1.0)
    return tuple(settings)


def _new_array(
    group: Any, name: str, shape: Shape, mode: int, chunk: int, settings: ChunkSettings
) -> Any:
    """Make an array without chunks; none is larger than the array."""
    from .codec import CinrCodec

    return group.create_array(
        name,
        shape=shape,
        chunks=tuple(min(chunk, n) for n in shape),
        dtype=VOXEL_TYPES[mode],
        serializer=CinrCodec(**settings.to_dict()),
        compressors=None,
        fill_value=_FILL,
        dimension_names=AXES,
    )


def _chunks(volume: Volume, sides: Shape, dtype: np.dtype[Any]) -> Iterator[tuple[Shape, AnyArray]]:
    """Yield the place of each chunk and its voxels; every voxel is read once.

    Rows of chunks along x are read together: so a file is read in long parts.
    """
    z, y, x = (pieces(n, side) for n, side in zip(volume.shape, sides, strict=True))
    for (i, planes), (j, rows) in itertools.product(enumerate(z), enumerate(y)):
        part = volume[planes, rows, :]
        for k, columns in enumerate(x):
            yield (i, j, k), part[:, :, columns].astype(dtype)


def _shapes(shape: Shape, chunk: int, levels: int | str) -> tuple[Shape, ...]:
    """Return the shapes of all levels.

    Raises
    ------
    SettingsError
        For a number of levels that is impossible.
    """
    if levels == "auto":
        levels = 1 + max(0, math.ceil(math.log2(max(shape) / chunk)))
    most = min(MOST_LEVELS, 1 + math.ceil(math.log2(max(shape))))
    if not isinstance(levels, int) or not 1 <= levels <= most:
        raise SettingsError(f"levels = {levels!r}: must be auto or 1 to {most} for this volume")
    shapes = [shape]
    while len(shapes) < levels:
        shapes.append(coarser(shapes[-1]))
    return tuple(shapes)
