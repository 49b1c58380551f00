"""Compressing apart, and asking which devices there are without loading PyTorch here.

python -m napari_cryoinr.workers.compression_tasks < job
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..codec import compression, estimation
from ..errors import CinrError
from ..maps.density_map import DensityMap
from ..maps.mrc_header import MrcHeader
from ..progress import Clock, Progress, Steps
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support import atomic_files, devices
from ..support.records import from_dict, to_dict
from .child_process import serve
from .parent_process import python, told_steps
from .picking_tasks import TASKS as PICKING_TASKS

_PROGRAM = python("workers")


def compress_steps(
    maps: DensityMap | Sequence[DensityMap],
    path: str | os.PathLike[str],
    settings: Settings,
    thresholds: Sequence[float | str] | None = None,
) -> Steps[list[QualityReport]]:
    """`compression.compress_steps` in a process of its own, which ends when this is closed.

    Raises
    ------
    CinrError
        what is raised there, or if the process cannot be started.
    OSError
        if the file or the temporary copies of the maps cannot be written.
    """
    clock = Clock()
    target = Path(path)
    if not target.parent.is_dir():
        raise CinrError(f"{target.parent}: no such folder")
    several = [maps] if isinstance(maps, DensityMap) else list(maps)
    # The folder holds what the process leaves unfinished, too, should it be ended.
    with tempfile.TemporaryDirectory(prefix="cryoinr-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        given = []
        for number, density_map in enumerate(several):
            voxels = folder / f"{number}.npy"
            yield from _copy_steps(density_map, voxels, clock)
            given.append(_told(density_map, voxels))
        out = folder / "out" / target.name
        out.parent.mkdir()
        job = {
            "task": "compress",
            "maps": given,
            "out": str(out),
            "settings": settings.to_dict(),
            "thresholds": None if thresholds is None else list(thresholds),
        }
        reports = yield from told_steps(
            _PROGRAM, job, target.name, clock, temporary=folder, background=True
        )
        with atomic_files.replacing(target) as written:
            shutil.copyfile(out, written)
    return [from_dict(QualityReport, report) for report in reports]


def estimate_steps(density_map: DensityMap, settings: Settings) -> Steps[estimation.Estimate]:
    """`estimation.estimate_steps` in a process of its own, which ends when this is closed."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="cryoinr-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        yield from _copy_steps(density_map, folder / "0.npy", clock)
        job = {
            "task": "estimate",
            "map": _told(density_map, folder / "0.npy"),
            "settings": settings.to_dict(),
        }
        what = density_map.name
        told = yield from told_steps(_PROGRAM, job, what, clock, temporary=folder, background=True)
    return estimation.Estimate(**told)


def device_steps() -> Steps[list[devices.Device]]:
    """The devices that can be computed on, the best one first."""
    found = yield from told_steps(_PROGRAM, {"task": "devices"}, "devices", Clock())
    return [devices.Device(**device) for device in found]


def _copy_steps(density_map: DensityMap, path: Path, clock: Clock) -> Steps[None]:
    shape = density_map.data.shape
    voxels = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for part in density_map.slabs():
        yield Progress("handing over", part.start, shape[0], clock.seconds)
        voxels[part] = density_map.data[part]


def _told(density_map: DensityMap, voxels: Path) -> dict[str, Any]:
    header = density_map.header
    return {
        "voxels": str(voxels),
        "voxel_size": density_map.voxel_size,
        "origin": density_map.origin,
        "name": density_map.name,
        "header": None
        if header is None
        else [_text(header.raw), _text(header.extended), header.byte_order],
    }


def _heard(told: dict[str, Any]) -> DensityMap:
    header = None
    if told["header"] is not None:
        raw, extended, byte_order = told["header"]
        header = MrcHeader(base64.b64decode(raw), base64.b64decode(extended), byte_order)
    return DensityMap(
        np.load(told["voxels"], mmap_mode="r"),
        tuple(told["voxel_size"]),
        tuple(told["origin"]),
        header,
        told["name"],
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _do_compress(job: dict[str, Any]) -> Steps[Any]:
    maps = [_heard(told) for told in job["maps"]]
    settings = Settings.from_dict(job["settings"])
    reports = yield from compression.compress_steps(maps, job["out"], settings, job["thresholds"])
    return [to_dict(report) for report in reports]


def _do_estimate(job: dict[str, Any]) -> Steps[Any]:
    settings = Settings.from_dict(job["settings"])
    found = yield from estimation.estimate_steps(_heard(job["map"]), settings)
    return asdict(found)


def _do_devices(job: dict[str, Any]) -> Steps[Any]:
    yield Progress("asking for devices", 0, 1)
    return [asdict(device) for device in devices.available()]


_TASKS: dict[str, Callable[[dict[str, Any]], Steps[Any]]] = {
    "compress": _do_compress,
    "estimate": _do_estimate,
    "devices": _do_devices,
    **PICKING_TASKS,
}


def main() -> None:
    """Do the task that standard input names."""
    serve(lambda job: _TASKS[job["task"]](job), background=True)
