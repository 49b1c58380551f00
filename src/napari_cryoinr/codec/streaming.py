"""Compression of one volume of any size: slab by slab, never in memory as a whole.

Four passes: what the map is, with a sample that says basis and step; the tiles, one after the
other; decoding, as a reader does it, by which the error is measured. Where the error is larger
than the goal allows, tiles and decoding are repeated with a finer step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..archive.header import MemberHeader, ModelHeader
from ..coding.tiled_stream import tile_shape
from ..errors import MapError, SettingsError
from ..maps.auto_threshold import auto_threshold
from ..maps.density_map import DensityMap
from ..maps.survey import Survey, survey_steps
from ..maps.voxel_source import VoxelSource
from ..models.field.field_settings import FieldConfig
from ..models.field.slab_coding import code_steps, sample_fit_steps
from ..progress import Clock, Steps, TaskRunner, in_turn_steps, part_of
from ..quality.quality_report import QualityReport
from ..quality.slab_comparison import SlabComparison
from ..settings import Settings
from ..support import records
from ..support.devices import choose_device
from ..support.memory import default_memory_limit, trim_heap
from .exact_streaming import stream_exact_steps
from .goal_check import check_goal
from .slab_members import measure_steps, slab_header, write_steps

_SHARE = 1 / 16  # of the memory limit: a fit in memory takes more than ten times the voxels
_MOST = 96 << 20  # bytes; a fit in memory of more than these takes more than 1 GiB, and is slower
_TIMES = 6  # the voxels, in memory: the least that any other compression takes
_PASSES = 4  # with finer and finer steps
_PARTS = 4  # of the work, about as long as each other
_LARGEST = 1e15  # density: a fit squares it in float32


def can_stream(settings: Settings) -> bool:
    """Return whether settings ask for what is done slab by slab, however large the volume is.

    That is all voxels to some RMS error, by the model `field`, or bit for bit.
    """
    return settings.model_name == "lossless" or (
        settings.model_name == "field"
        and settings.goal in ("target_psnr", "target_nrmse")
        and settings.kept() == "volume"
        and not settings.field.weighted
    )


def streams(maps: Sequence[DensityMap], settings: Settings) -> bool:
    """Return whether maps are compressed slab by slab: a single one, and a large one."""
    if len(maps) != 1 or not is_large(maps[0].raw_bytes) or not can_stream(settings):
        return False
    return settings.model_name != "lossless" or tile_shape(maps[0].data.shape) is not None


def check_memory(maps: Sequence[DensityMap]) -> None:
    """Raise `MapError` where maps that are not compressed slab by slab are too large for it."""
    raw, machine = sum(one.raw_bytes for one in maps), 2 * default_memory_limit()
    if _TIMES * raw <= machine:
        return
    if len(maps) > 1:
        remedy = "compress each map on its own"
    else:
        remedy = "give keep = volume and target_nrmse or target_psnr, or lossless: volumes of any"
        remedy += " size are compressed so"
    raise MapError(
        f"{maps[0].name}: {raw:,} bytes of voxels take about {_TIMES} times as much memory with"
        f" these settings, and there are {machine:,} bytes; {remedy}"
    )


def is_large(raw_bytes: int) -> bool:
    """Return whether so many bytes as float32 are compressed slab by slab where that can be."""
    return raw_bytes > min(_SHARE * default_memory_limit(), _MOST)


def stream_steps(
    density_map: DensityMap,
    setting: float | str,
    target: Path,
    settings: Settings,
    run: TaskRunner,
    clock: Clock,
) -> Steps[QualityReport]:
    """Compress a map slab by slab.

    Parameters
    ----------
    setting : its threshold as in `Settings`.
    run : does the coding of tiles, if the map is in a file; the bytes do not depend on it.

    Raises
    ------
    GoalMissed
        If the goal is not met; nothing is written then.
    MapError, SettingsError
        For voxels and settings that cannot be used.
    """
    if settings.model_name == "lossless":
        sides = tile_shape(density_map.data.shape)
        assert sides is not None  # the volume is large
        exact = stream_exact_steps(density_map, setting, target, settings, sides, clock)
        return (yield from exact)
    if not isinstance(density_map.data, VoxelSource):
        run = in_turn_steps  # no task is to hold all voxels
    survey = yield from part_of(survey_steps(density_map, clock), 0, _PARTS)
    density_map, stats = survey.map, survey.statistics
    allowed = _allowed(survey, settings)
    request, device = settings.request(), choose_device(settings.device)
    base = float(f"{survey.median:.6g}")
    header, own = slab_header(survey, setting, base)
    level = auto_threshold(stats) if header.contour is None else header.contour
    fit = yield from part_of(
        sample_fit_steps(density_map, base, allowed, request, device, clock), 1, _PARTS
    )
    trim_heap()
    model = ModelHeader(settings.model_name)
    found: list[tuple[float, float]] = []
    for _ in range(_PASSES):
        config, stream = yield from part_of(code_steps(fit, run, clock), 2, _PARTS)
        trim_heap()
        comparison = SlabComparison(density_map, level, max(abs(stats.low), abs(stats.high)))
        made = _with_config(header, config), own | {"latents": stream}
        checking = measure_steps(*made, model, settings, comparison, density_map, clock)
        checksum, report = yield from part_of(checking, 3, _PARTS)
        found.append((fit.step, report.nrmse * stats.sigma))
        if found[-1][1] <= allowed:
            break
        fit = fit.nearer(allowed, found)
    final = replace(made[0], decoded_checksum=checksum, quality=report.stored())
    check_goal(settings, request, report, final)
    size = yield from write_steps(target, settings, final, made[1], clock)
    return report.with_size(size, density_map.raw_bytes)


def _allowed(survey: Survey, settings: Settings) -> float:
    """Return the RMS error that the goal allows."""
    stats = survey.statistics
    largest = max(abs(stats.low), abs(stats.high))
    if largest and not 1 / _LARGEST <= largest <= _LARGEST:
        raise SettingsError(
            f"{survey.map.name}: densities {stats.low:g} to {stats.high:g}: a volume of this size"
            f" must have some between {1 / _LARGEST:g} and {_LARGEST:g}; scale it first"
        )
    if settings.target_psnr is not None:
        return (stats.high - stats.low) * 10 ** (-settings.target_psnr / 20)
    assert settings.target_nrmse is not None
    return settings.target_nrmse * stats.sigma


def _with_config(header: MemberHeader, config: FieldConfig) -> MemberHeader:
    return replace(header, config=records.to_dict(config, defaults=False))
