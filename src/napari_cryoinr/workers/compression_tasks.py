"""Compressing, estimating sizes and listing devices in a child process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..codec import compression, estimation
from ..codec.members import HalfMaps
from ..errors import CinrError
from ..maps.density_map import DensityMap
from ..progress import Clock, Progress, Steps
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support import atomic_files, devices
from ..support.atomic_files import temporary_folder
from ..support.output_paths import check_output
from .parent_process import NO_ROOM, reporting_no_room, run_in_child


@dataclass(frozen=True)
class StoredMap:
    """A density map whose voxels, float32 in C order, are in a file."""

    voxels: Path
    shape: tuple[int, ...]
    rest: dict[str, Any]  # the other fields of the map

    def load(self) -> DensityMap:
        """Return the map; its voxels stay in the file."""
        return DensityMap(np.memmap(self.voxels, np.float32, "r", shape=self.shape), **self.rest)


_Halves = tuple[StoredMap, StoredMap] | None


def store_map_steps(density_map: DensityMap, voxels: Path) -> Steps[StoredMap]:
    """Write the voxels of a map to a file; `CinrError` if there is no room for it.

    Ordinary writes, not a memory map: where the disk is full, those raise and this kills.
    """
    clock, rest = Clock(), dict(vars(density_map))
    data = rest.pop("data")
    with reporting_no_room(voxels.parent), voxels.open("wb") as file:
        for part in density_map.slabs():
            yield Progress("handing over", part.start, len(data), clock.seconds)
            file.write(np.ascontiguousarray(data[part]).data)
    return StoredMap(voxels, data.shape, rest)


# -- in the parent


def compress_steps(
    maps: DensityMap | Sequence[DensityMap],
    path: str | os.PathLike[str],
    settings: Settings,
    thresholds: Sequence[float | str] | None = None,
    *,
    half_maps: HalfMaps | None = None,
    shows: bool = False,
) -> Steps[list[QualityReport]]:
    """Run `compression.compress_steps` in a child process; closing the generator kills the child.

    `half_maps` are those of a single map.

    Raises
    ------
    CinrError
        What is raised there; or if the child cannot be started or dies, or if there is no room for
        the file or temporary copies of the maps.
    OSError
        If the file cannot be written.
    """
    target = check_output(path, overwrite=True)
    with temporary_folder() as folder:
        stored = yield from _store_maps_steps(maps, folder)
        halves = yield from _store_half_maps_steps(half_maps, folder)
        out = folder / "out" / target.name
        out.parent.mkdir()
        call = partial(compress_task, stored, out, settings, thresholds, halves, shows)
        reports = yield from run_in_child(call, folder, target.name)
        place(out, target)
    return reports


def place(made: Path, target: Path) -> None:
    """Copy the file that a child made to its place; `CinrError` if there is no room for it."""
    try:
        with atomic_files.replacing(target) as written:
            shutil.copyfile(made, written)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise CinrError(
            f"{target}: no room on its disk for {made.stat().st_size:,} bytes; free some"
        ) from error


def estimate_steps(
    maps: DensityMap | Sequence[DensityMap], settings: Settings, half_maps: HalfMaps | None = None
) -> Steps[estimation.Estimate]:
    """Run `estimation.estimate_steps` in a child process; closing the generator kills the child."""
    with temporary_folder() as folder:
        stored = yield from _store_maps_steps(maps, folder)
        halves = yield from _store_half_maps_steps(half_maps, folder)
        call = partial(estimate_task, stored, settings, halves)
        return (yield from run_in_child(call, folder, str(stored[0].rest["name"])))


def curve_steps(
    density_map: DensityMap, settings: Settings, goal: str, amounts: Sequence[float]
) -> Steps[list[estimation.Estimate | None]]:
    """Run `estimation.curve_steps` in a child process; closing the generator kills the child."""
    with temporary_folder() as folder:
        stored = yield from store_map_steps(density_map, folder / "map")
        call = partial(curve_task, stored, settings, goal, amounts)
        return (yield from run_in_child(call, folder, density_map.name))


def device_steps() -> Steps[list[devices.Device]]:
    """List the devices to compute on, the best first; PyTorch is loaded in a child process."""
    with temporary_folder() as folder:
        return (yield from run_in_child(partial(devices_task), folder, "devices"))


def _store_maps_steps(
    maps: DensityMap | Sequence[DensityMap], folder: Path
) -> Steps[list[StoredMap]]:
    stored: list[StoredMap] = []
    for density_map in [maps] if isinstance(maps, DensityMap) else maps:
        stored.append((yield from store_map_steps(density_map, folder / str(len(stored)))))
    return stored


def _store_half_maps_steps(half_maps: HalfMaps | None, folder: Path) -> Steps[_Halves]:
    if half_maps is None:
        return None
    one = yield from store_map_steps(half_maps[0], folder / "half1")
    return one, (yield from store_map_steps(half_maps[1], folder / "half2"))


# -- in the child


def compress_task(
    maps: Sequence[StoredMap],
    path: Path,
    settings: Settings,
    thresholds: Sequence[float | str] | None,
    half_maps: _Halves,
    shows: bool,
) -> Steps[list[QualityReport]]:
    """Compress stored maps into a file."""
    loaded = [stored.load() for stored in maps]
    halves = None if half_maps is None else [_loaded(half_maps)]
    return compression.compress_steps(
        loaded, path, settings, thresholds, half_maps=halves, shows=shows
    )


def estimate_task(
    maps: Sequence[StoredMap], settings: Settings, half_maps: _Halves
) -> Steps[estimation.Estimate]:
    """Estimate the compressed size of stored maps in one file."""
    return estimation.estimate_steps([one.load() for one in maps], settings, _loaded(half_maps))


def curve_task(
    stored: StoredMap, settings: Settings, goal: str, amounts: Sequence[float]
) -> Steps[list[estimation.Estimate | None]]:
    """Estimate the compressed sizes of a stored map for several numbers of a goal."""
    return estimation.curve_steps(stored.load(), settings, goal, amounts)


def _loaded(half_maps: _Halves) -> HalfMaps | None:
    return None if half_maps is None else (half_maps[0].load(), half_maps[1].load())


def devices_task() -> Steps[list[devices.Device]]:
    """List the devices."""
    yield Progress("listing devices", 0, 1)
    return list(devices.available())
