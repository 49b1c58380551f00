"""A member of an archive that is being made: before the fit and after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import models
from ..archive import mrc_fields, residual
from ..archive.hdf5_file import MemoryStreams
from ..archive.header import MemberHeader, ModelHeader
from ..archive.member import Member
from ..errors import GoalMissed
from ..maps.density_map import DensityMap, check_finite
from ..maps.threshold import Statistics, auto_threshold, resolve_threshold, statistics
from ..models.base import Target
from ..progress import Clock, Progress, Steps
from ..quality.comparison import compare_steps
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support import records
from ..support.checksums import voxel_checksum
from ..support.memory import trim_heap
from ..support.regions import whole_region

_NO_LIMIT = 1 << 62
_CONTRAST = (0.01, 0.9995)  # quantiles that make a slice readable


@dataclass(frozen=True, eq=False)
class Prepared:
    """One map before the fit. Its mask is not among this, but comes back from its stream."""

    map: DensityMap
    header: MemberHeader  # all of it but what follows from the fit
    residual: residual.ResidualConfig | None  # the residual stream that the goal needs
    streams: dict[str, bytes]  # those that do not depend on the fit


def prepare_steps(
    density_map: DensityMap, setting: float | str, settings: Settings, clock: Clock
) -> Steps[tuple[Prepared, Target]]:
    """Prepare a map; `setting` is its threshold as in `Settings`."""
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
    threshold = None if threshold is None else float(np.float32(threshold))
    mrc, shape = density_map.mrc, density_map.data.shape
    fields = mrc_fields.fields_of(mrc, shape, density_map.mode)
    streams = {"mrc": mrc.raw} if fields is None else {}
    if mrc.extended:
        streams["mrc_extended"] = mrc_fields.encode_extended_header(mrc.extended)
    exact = model.stores_mask(request, threshold)
    target = Target.above(density_map, threshold, exact_mask=exact, always=model.median_background)
    yield Progress("preparing", 0, 1, clock.seconds)
    if exact:
        streams["mask"] = yield from model.encode_mask_steps(target.mask, clock)
    yield Progress("preparing", 1, 1, clock.seconds)
    header = MemberHeader(
        name=density_map.name,
        shape=shape,
        mode=density_map.mode,
        byte_order=mrc.byte_order,
        mrc=fields,
        background=float(np.float32(target.background)),
        density_scale=float(np.float32(target.density_scale)) if model.normalised else 1.0,
        contrast_limits=_contrast_limits(stats, None if threshold is None else target.background),
        original_checksum=voxel_checksum(density_map.data),
        decoded_checksum="",
        threshold=threshold,
        contour=float(f"{auto_threshold(stats):.4g}") if threshold is None else None,
    )
    return Prepared(density_map, header, config, streams), target


def _contrast_limits(stats: Statistics, background: float | None) -> tuple[float, float]:
    """Return densities between which nearly all voxels lie, so that a slice is readable.

    Where only the occupied voxels are kept, black is the background that stands for the others.
    """
    low, high = (float(f"{stats.quantile(share):.3g}") for share in _CONTRAST)
    if background is not None:
        low = float(str(np.float32(background)))
    return (low, high) if low < high else (stats.low, max(stats.high, stats.low + 1.0))


def member_steps(
    item: Prepared,
    own: dict[str, bytes],
    own_config: Any,
    model: ModelHeader,
    shared: dict[str, bytes],
    settings: Settings,
    earlier: list[Member],
    clock: Clock,
) -> Steps[tuple[MemberHeader, dict[str, bytes], QualityReport]]:
    """Decode what will be stored, add the residual that the goal needs, check and measure.

    `own` and `own_config` are streams and record of the fitted model for this map. The member is
    added to `earlier`, those before it. Returns its header, its streams and what was lost.

    Raises
    ------
    GoalMissed
        If the goal is not met.
    """
    density_map, config = item.map, item.residual
    shape, streams = density_map.data.shape, item.streams | own
    member_config = None if own_config is None else records.to_dict(own_config, defaults=False)
    draft = replace(item.header, config=member_config)
    # The mask is decoded from its stream again: what is checked is what will be read.
    memory = MemoryStreams(shared | streams)
    member = Member(draft, model, memory, _NO_LIMIT, settings.device, earlier)
    earlier.append(member)
    decoder = member.decoder
    whole = whole_region(shape)
    decoded = yield from decoder.base_steps(whole, clock)
    if config is not None:
        added = yield from residual.encode_steps(density_map, decoded, decoder.mask, config, clock)
        streams |= added
        yield Progress("refining", 0, 1, clock.seconds, bytes_so_far=sum(map(len, added.values())))
        refined = residual.Residual(MemoryStreams(streams), config, shape, density_map.mode)
        decoder = replace(decoder, residual=refined)
        yield from decoder.refine_steps(decoded, whole, clock)
    trim_heap()
    report = yield from compare_steps(density_map, decoded, draft.threshold, member.contour, clock)
    header = replace(
        draft, decoded_checksum=voxel_checksum(decoded), residual=config, quality=report.stored()
    )
    _check_goal(settings, report, header)
    return header, streams, report


def _check_goal(settings: Settings, report: QualityReport, header: MemberHeader) -> None:
    def missed(text: str) -> GoalMissed:
        return GoalMissed(f"{header.name}: {text}; nothing written")

    nrmse, psnr, largest = settings.target_nrmse, settings.target_psnr, settings.max_error
    if nrmse is not None and report.nrmse > nrmse:
        raise missed(f"NRMSE {report.nrmse:.4g} where {nrmse:g} was asked for")
    if psnr is not None and report.psnr is not None and report.psnr < psnr:
        raise missed(f"PSNR {report.psnr:.2f} dB where {psnr:g} was asked for")
    if largest is not None and report.max_error > largest:
        raise missed(f"maximum error {report.max_error:g} where {largest:g} was asked for")
    if settings.goal == "lossless" and header.decoded_checksum != header.original_checksum:
        raise missed("not every voxel came back bit for bit")
