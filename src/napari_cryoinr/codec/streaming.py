"""Compression of one volume of any size: slab by slab, never in memory as a whole.

Four passes: what the map is, with a sample that says basis and step; the tiles, one after the
other; decoding, as a reader does it, by which the error is measured. Where the error is larger
than the goal allows, tiles and decoding are repeated with a finer step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..archive import hdf5_writing
from ..archive.header import ArchiveHeader, MemberHeader, ModelHeader, pack_header
from ..errors import SettingsError
from ..maps.auto_threshold import auto_threshold
from ..maps.density_map import DensityMap, slabs
from ..maps.resolution import Resolution
from ..maps.survey import Survey, survey_steps
from ..maps.threshold import resolve_threshold
from ..maps.voxel_source import VoxelSource
from ..models.field.field_settings import FieldConfig
from ..models.field.slab_coding import code_steps, sample_fit_steps
from ..progress import Clock, Progress, Steps, TaskRunner, in_turn_steps, part_of, reported_steps
from ..quality.quality_report import QualityReport
from ..quality.slab_comparison import SlabComparison
from ..settings import Settings
from ..support import records
from ..support.atomic_files import replacing
from ..support.checksums import VoxelDigest
from ..support.devices import choose_device
from ..support.memory import default_memory_limit, trim_heap
from .goal_check import check_goal
from .members import contrast_limits, draft_member, inward, mrc_parts, short_level

_SHARE = 1 / 16  # of the memory limit: a fit in memory takes more than ten times the voxels
_PASSES = 4  # with finer and finer steps
_PARTS = 4  # of the work, about as long as each other
_LARGEST = 1e15  # density: a fit squares it in float32


def can_stream(settings: Settings) -> bool:
    """Return whether settings ask for what is done slab by slab, however large the volume is.

    That is all voxels to some RMS error, by the model `field`.
    """
    return (
        settings.model_name == "field"
        and settings.goal in ("target_psnr", "target_nrmse")
        and settings.kept() == "volume"
        and not settings.field.weighted
    )


def streams(maps: Sequence[DensityMap], settings: Settings) -> bool:
    """Return whether maps are compressed slab by slab: a single one, and a large one."""
    large = is_large(sum(one.raw_bytes for one in maps))
    return large and len(maps) == 1 and can_stream(settings)


def is_large(raw_bytes: int) -> bool:
    """Return whether so many bytes as float32 are compressed slab by slab where that can be."""
    return raw_bytes > _SHARE * default_memory_limit()


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
    from .. import __version__

    if not isinstance(density_map.data, VoxelSource):
        run = in_turn_steps  # no task is to hold all voxels
    survey = yield from part_of(survey_steps(density_map, clock), 0, _PARTS)
    density_map, stats = survey.map, survey.statistics
    allowed = _allowed(survey, settings)
    request, device = settings.request(), choose_device(settings.device)
    base = float(f"{survey.median:.6g}")
    header, own = _header(survey, setting, base)
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
        checking = _measure_steps(*made, model, settings, comparison, density_map, clock)
        checksum, report = yield from part_of(checking, 3, _PARTS)
        found.append((fit.step, report.nrmse * stats.sigma))
        if found[-1][1] <= allowed:
            break
        fit = fit.nearer(allowed, found)
    final = replace(made[0], decoded_checksum=checksum, quality=report.stored())
    check_goal(settings, request, report, final)
    changed = records.to_dict(settings, defaults=False)
    archive = pack_header(ArchiveHeader(__version__, changed, model, (final,)))
    yield Progress("writing", 0, 1, clock.seconds, bytes_so_far=len(stream), share=1.0)
    with replacing(target) as temporary:
        hdf5_writing.write(temporary, archive, {}, [(final.name, made[1])])
        size = temporary.stat().st_size
    yield Progress("written", 1, 1, clock.seconds, bytes_so_far=size, share=1.0)
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


def _header(
    survey: Survey, setting: float | str, base: float
) -> tuple[MemberHeader, dict[str, bytes]]:
    """Return the header but for what follows from the fit, and the streams of the MRC header."""
    density_map, stats = survey.map, survey.statistics
    level = resolve_threshold(setting, stats)
    fields, own = mrc_parts(density_map)
    header = MemberHeader(
        name=density_map.name,
        shape=density_map.data.shape,
        mode=density_map.mode,
        byte_order=density_map.mrc.byte_order,
        mrc=fields,
        background=base,
        contrast_limits=contrast_limits(stats, None),
        original_checksum=survey.checksum,
        decoded_checksum="",
        keep="volume",
        limits=inward(stats.low, stats.high),
        contour=None if level is None else short_level(level, stats),
    )
    return header, own


def _with_config(header: MemberHeader, config: FieldConfig) -> MemberHeader:
    return replace(header, config=records.to_dict(config, defaults=False))


def _measure_steps(
    header: MemberHeader,
    own: dict[str, bytes],
    model: ModelHeader,
    settings: Settings,
    comparison: SlabComparison,
    original: DensityMap,
    clock: Clock,
) -> Steps[tuple[str, QualityReport]]:
    """Decode what will be stored: its checksum, and what was lost."""
    member = draft_member(header, model, own, {}, settings.device, [])
    digest, depth = VoxelDigest(), header.shape[0]
    for part in member.decoder.slabs():
        now = Progress("measuring", part.start, depth, clock.seconds, share=part.start / depth)
        region: Any = (part,)
        decoded = yield from reported_steps(member.read_steps(region), now)
        digest.add(decoded)
        for planes in slabs(decoded.shape):
            place = slice(part.start + planes.start, part.start + planes.stop)
            comparison.add(place, original.data[place], decoded[planes])
            yield now
    given = settings.resolution
    resolution = None if isinstance(given, str) else Resolution(given, "given")
    done = Progress("measuring", depth, depth, clock.seconds, share=1.0)
    report = yield from reported_steps(comparison.report_steps(resolution, clock), done)
    return digest.text, report
