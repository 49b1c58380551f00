"""From maps to an archive: the functions over which all front ends are thin layers."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import models
from ..archive import container, residual
from ..archive.header import MAX_NAME, ArchiveHeader, MemberHeader, ModelHeader
from ..archive.member import Member
from ..archive.mrc_packing import pack_mrc_header
from ..errors import CinrError, GoalMissed, MapError
from ..maps.density_map import DensityMap, check_finite, slabs
from ..maps.statistics import Statistics, statistics
from ..maps.threshold import auto_threshold, resolve_threshold
from ..models.base import Fitted, Target
from ..progress import Clock, Progress, Steps, drain
from ..quality.comparison import compare_steps
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support import records
from ..support.checksums import voxel_checksum
from ..support.memory import trim_heap

_NO_LIMIT = 1 << 62
_USUAL_OVERHEAD = 450  # bytes of an archive of one map that are not the model's
_SIZE_ROUNDS = 3
_SIZE_WINDOW = 0.98
_CONTRAST = (0.01, 0.9995)  # quantiles that make a slice readable


@dataclass(frozen=True, eq=False)
class _Prepared:
    """One map with its threshold; its mask is not among this, but comes back from its stream."""

    map: DensityMap
    scale: float
    threshold: float | None
    level: float
    background: float
    contrast: tuple[float, float]
    residual: residual.ResidualConfig | None
    streams: dict[str, bytes]


def compress(
    maps: DensityMap | Sequence[DensityMap],
    path: str | os.PathLike[str],
    settings: Settings | None = None,
) -> QualityReport | list[QualityReport]:
    """Compress one map or several into one archive.

    Parameters
    ----------
    maps : one map, or several in one archive: the model `paper` fits one network to all of them,
        `field` may store a map as the difference from an earlier one.
    path : the `.cinr` file; one that is there is replaced when the new one is complete.

    Returns
    -------
    The quality report; a list of them where a sequence of maps was given.

    Raises
    ------
    MapError, SettingsError
        for maps and settings that cannot be used.
    GoalMissed
        if the goal was not met; nothing is written then.
    """
    reports = drain(compress_steps(maps, path, settings or Settings()))
    return reports[0] if isinstance(maps, DensityMap) else reports


def compress_steps(
    maps: DensityMap | Sequence[DensityMap],
    path: str | os.PathLike[str],
    settings: Settings,
    thresholds: Sequence[float | str] | None = None,
) -> Steps[list[QualityReport]]:
    """`compress` as a generator of progress; closing it cancels and leaves nothing behind.

    `thresholds` gives each map its own, in place of that of the settings.
    """
    clock = Clock()
    target_path = Path(path)
    several = [maps] if isinstance(maps, DensityMap) else list(maps)
    _check_names(several)
    if not target_path.parent.is_dir():
        raise CinrError(f"{target_path.parent}: no such folder")
    prepared, targets = [], []
    chosen = thresholds or [settings.threshold] * len(several)
    for density_map, threshold in zip(several, chosen, strict=True):
        item, target = yield from _prepare_steps(density_map, threshold, settings, clock)
        prepared.append(item)
        targets.append(target)
        del target  # so that the list alone holds its mask
    raw = sum(density_map.raw_bytes for density_map in several)
    allowed = None if settings.target_ratio is None else int(raw / settings.target_ratio)
    overhead = _USUAL_OVERHEAD * len(several)
    model = models.get(settings.model_name)
    for _ in range(_SIZE_ROUNDS):
        limit = None if allowed is None else max(1, allowed - overhead)
        archive, streams, reports = yield from _fit_steps(prepared, targets, settings, limit, clock)
        size = container.size_of(archive, streams)
        if allowed is None or _SIZE_WINDOW * allowed <= size <= allowed or limit == 1:
            break
        if "target_ratio" not in model.aims:
            break
        overhead = size - sum(map(len, streams)) + _model_free_bytes(prepared)
    if allowed is not None and size > allowed:
        raise GoalMissed(
            f"{target_path.name}: {size:,} bytes where {allowed:,} are left by the ratio asked"
            " for; nothing written"
        )
    yield Progress("writing", 0, 1, clock.seconds, bytes_so_far=size)
    container.write(target_path, archive, streams)
    size = target_path.stat().st_size
    yield Progress("written", 1, 1, clock.seconds, bytes_so_far=size)
    return [report.with_size(size, raw) for report in reports]


def _model_free_bytes(prepared: Sequence[_Prepared]) -> int:
    """Bytes of the streams that do not depend on the fit."""
    return sum(len(data) for item in prepared for data in item.streams.values())


def _fit_steps(
    prepared: Sequence[_Prepared],
    targets: list[Target],
    settings: Settings,
    limit: int | None,
    clock: Clock,
) -> Steps[tuple[ArchiveHeader, list[bytes], list[QualityReport]]]:
    """Fit the maps; header, streams and reports of the archive that follows.

    Without a `limit`, the list of targets is empty afterwards.
    """
    from .. import __version__

    known = _model_free_bytes(prepared)
    model = models.get(settings.model_name)
    fitted = yield from model.fit_steps(targets, settings.request(), known, limit)
    if limit is None:
        targets.clear()  # their masks are large, and there is no second round
    trim_heap()
    members, streams, reports = [], list(fitted.shared.values()), []
    earlier: list[Member] = []
    entries = tuple(container.entry(name, data) for name, data in fitted.shared.items())
    config = None if fitted.config is None else records.to_dict(fitted.config)
    shared = ModelHeader(settings.model_name, entries, config)
    for number, item in enumerate(prepared):
        header, data, report = yield from _member_steps(
            item,
            fitted.own[number],
            fitted.own_configs[number],
            shared,
            fitted,
            settings,
            clock,
            earlier,
        )
        members.append(header)
        streams += data
        reports.append(report)
    archive = ArchiveHeader(__version__, settings.changes(), shared, tuple(members))
    return archive, streams, reports


def _check_names(maps: Sequence[DensityMap]) -> None:
    if not maps:
        raise MapError("no map was given; give at least one")
    names = [density_map.name for density_map in maps]
    for name in names:
        if not 1 <= len(name) <= MAX_NAME:
            raise MapError(
                f"the name {name[:40]!r} has {len(name)} letters: must have 1 to {MAX_NAME}"
            )
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise MapError(f"two maps are called {min(twice)!r}; members need different names")


def _prepare_steps(
    density_map: DensityMap, setting: float | str, settings: Settings, clock: Clock
) -> Steps[tuple[_Prepared, Target]]:
    yield Progress("preparing", 0, 1, clock.seconds)
    check_finite(density_map.data, density_map.name)
    density_map = density_map.with_fitting_mode()
    model, request = models.get(settings.model_name), settings.request()
    config = None
    if model.residual_kind(request.goal) is not None:
        config = residual.config_for(settings.max_error, density_map)
    stats = statistics(density_map)
    yield Progress("preparing", 0, 1, clock.seconds)
    threshold = resolve_threshold(setting, stats)
    header = density_map.mrc
    streams = {"mrc": pack_mrc_header(header.raw)}
    if header.extended:
        length = len(header.extended).to_bytes(4, "little")
        streams["mrc_extended"] = length + zlib.compress(header.extended, 9)
    exact = model.stores_mask(request, threshold)
    target = Target.above(density_map, threshold, exact_mask=exact, always=model.median_background)
    yield Progress("preparing", 0, 1, clock.seconds)
    if exact:
        streams["mask"] = model.encode_mask(target.mask)
    yield Progress("preparing", 1, 1, clock.seconds)
    prepared = _Prepared(
        density_map,
        target.density_scale if model.normalised else 1.0,
        threshold,
        threshold if threshold is not None else auto_threshold(stats),
        target.background,
        _contrast_limits(stats, None if threshold is None else target.background),
        config,
        streams,
    )
    return prepared, target


def _contrast_limits(stats: Statistics, background: float | None) -> tuple[float, float]:
    """Densities between which nearly all voxels lie, so that a slice is readable.

    Where only the occupied voxels are kept, black is the background that stands for the others.
    """
    low, high = (stats.quantile(share) for share in _CONTRAST)
    if background is not None:
        low = background
    return (low, high) if low < high else (stats.low, max(stats.high, stats.low + 1.0))


def _member_steps(
    item: _Prepared,
    own: dict[str, bytes],
    own_config: Any,
    shared: ModelHeader,
    fitted: Fitted,
    settings: Settings,
    clock: Clock,
    earlier: list[Member],
) -> Steps[tuple[MemberHeader, list[bytes], QualityReport]]:
    """Decode what will be stored, add the residual that the goal needs, check and measure."""
    density_map = item.map
    streams = item.streams | own
    config = item.residual
    mode, data = density_map.mode, density_map.data
    draft = MemberHeader(
        name=density_map.name,
        shape=data.shape,
        mode=mode,
        byte_order=density_map.mrc.byte_order,
        streams=(),
        background=item.background,
        density_scale=item.scale,
        contrast_limits=item.contrast,
        original_checksum=voxel_checksum(data[part] for part in density_map.slabs()),
        decoded_checksum="",
        threshold=item.threshold,
        contour=item.level,
    )
    if own_config is not None:
        draft = replace(draft, config=records.to_dict(own_config))
    # The mask is decoded from its stream again: what is checked is what will be read.
    memory = container.MemoryStreams(fitted.shared | streams)
    entries = tuple(container.entry(name, data) for name, data in streams.items())
    member = Member(
        replace(draft, streams=entries), shared, memory, _NO_LIMIT, settings.device, tuple(earlier)
    )
    earlier.append(member)
    decoder = member.decoder
    decoded = yield from decoder.base_steps(decoder.whole(), clock)
    if config is not None:
        added = yield from residual.encode_steps(density_map, decoded, decoder.mask, config, clock)
        streams |= added
        yield Progress("refining", 0, 1, clock.seconds, bytes_so_far=sum(map(len, added.values())))
        entries = tuple(container.entry(name, data) for name, data in streams.items())
        memory = container.MemoryStreams(streams)
        refined = residual.Residual(memory, config, data.shape, mode)
        decoder = replace(decoder, residual=refined)
        yield from decoder.refine_steps(decoded, decoder.whole(), clock)
    trim_heap()
    report = yield from compare_steps(density_map, decoded, item.threshold, item.level, clock)
    checksum = voxel_checksum(decoded[part] for part in slabs(decoded.shape))
    _check_goal(settings, report, checksum, draft)
    header = replace(
        draft, streams=entries, decoded_checksum=checksum, residual=config, quality=report.stored()
    )
    return header, list(streams.values()), report


def _check_goal(
    settings: Settings, report: QualityReport, checksum: str, draft: MemberHeader
) -> None:
    wanted = settings.target_nrmse
    if wanted is not None and report.nrmse > wanted:
        raise GoalMissed(
            f"{draft.name}: NRMSE {report.nrmse:.4g} where {wanted:g} was asked for;"
            " nothing written"
        )
    decibels = settings.target_psnr
    if decibels is not None and report.psnr is not None and report.psnr < decibels:
        raise GoalMissed(
            f"{draft.name}: PSNR {report.psnr:.2f} dB where {decibels:g} was asked for;"
            " nothing written"
        )
    if settings.goal == "lossless" and checksum != draft.original_checksum:
        raise GoalMissed(f"{draft.name}: not every voxel came back bit for bit; nothing written")
    if settings.max_error is not None and report.max_error > settings.max_error:
        raise GoalMissed(
            f"{draft.name}: maximum error {report.max_error:g} where {settings.max_error:g} was"
            " asked for; nothing written"
        )
