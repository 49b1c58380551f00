"""A member of an archive that is being made: before the fit and after it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import models
from ..archive import mrc_fields, residual
from ..archive.fading import RIM_SHARES, neighbours_needed, rim_of
from ..archive.header import MemberHeader, ModelHeader
from ..archive.member import Member
from ..archive.residual_config import ResidualConfig
from ..errors import SettingsError
from ..maps.auto_threshold import auto_threshold
from ..maps.density_map import DensityMap, check_finite
from ..maps.envelope import EDGE, EXTEND, checked_mask, edge_of, soft_mask
from ..maps.fourier_shells import FourierShells, ShellGoal
from ..maps.half_maps import HalfMapNoise
from ..maps.map_statistics import Statistics, statistics
from ..maps.masked_volume import MaskedVolume
from ..maps.mrc_header import INTEGER_MODES
from ..maps.resolution import WEAK, Resolution, resolution_steps
from ..maps.threshold import resolve_threshold
from ..models.base import FitRequest, Target
from ..progress import Clock, Progress, Steps
from ..quality.comparison import compare_steps
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support import records
from ..support.array_types import AnyArray, Float32Array, Float64Array
from ..support.checksums import voxel_checksum
from ..support.memory import trim_heap
from ..support.regions import whole_region
from ..support.streams import LongBytes, MemoryStreams
from .goal_check import SHELLS_LEFT, check_goal, error_shares, shell_losses, with_half_maps

HalfMaps = tuple[DensityMap, DensityMap]

_NO_LIMIT = 1 << 62
_SURFACE_OVERLAP = 0.972  # that the default promises, and a little
_MOST_OF_SHELL = 0.25  # that the surface may take of what a shell may lose, if that is missed then
_FADING_SHARE = 1.016  # of the squared error, after fading and before
_CONTRAST = (0.01, 0.9995)  # quantiles that make a slice readable


@dataclass(frozen=True, eq=False)
class Prepared:
    """One map before the fit. Its mask is not among this, but comes back from its stream."""

    map: DensityMap
    request: FitRequest  # what the model is asked for
    header: MemberHeader  # all of it but what follows from the fit
    residual: ResidualConfig | None  # the residual stream that the goal needs
    streams: dict[str, bytes]  # those that do not depend on the fit
    weight: Float32Array | None = None  # the soft mask of an envelope
    shells: ShellGoal | None = None  # inside it
    resolution: Resolution | None = None  # up to which Fourier shells are promised
    kind: str = "density"  # what it was recognised as
    noise: HalfMapNoise | None = None  # where half-maps are given


def prepare_steps(
    density_map: DensityMap,
    setting: float | str,
    settings: Settings,
    clock: Clock,
    kind: str = "density",
    mask: AnyArray | None = None,
    half_maps: HalfMaps | None = None,
) -> Steps[tuple[Prepared, Target]]:
    """Prepare a map.

    Parameters
    ----------
    setting : its threshold as in `Settings`.
    kind : one of `KINDS`, what it was recognised as: others than densities are kept as a whole.
    mask : a soft mask of its shape, 0 to 1, in place of the one round the structure.
    half_maps : two independent halves of it, whose noise the error is to stay below.

    Raises
    ------
    MapError, SettingsError
        For what cannot be used, or not together.
    """
    yield Progress("preparing", 0, 1, clock.seconds)
    kept = settings.kept(mask is not None)
    model, request = models.get(settings.model_name), settings.request(mask is not None)
    _check_together(settings, request, kept, mask, half_maps)
    check_finite(density_map.data, density_map.name)
    if mask is not None:
        mask = checked_mask(mask, density_map.data.shape, density_map.name)
    density_map = density_map.with_fitting_mode()
    config = None
    if model.residual_kind(request.goal) is not None:
        config = residual.config_for(settings.max_error, density_map)
    stats = statistics(density_map)
    yield Progress("preparing", 0, 1, clock.seconds)
    threshold = resolve_threshold(setting, stats)
    threshold = None if threshold is None else float(np.float32(threshold))
    if kind != "density" or (threshold is None and mask is None):
        kept = "volume"
    if kept == "volume":
        level, threshold = threshold, None
    else:
        level = threshold if threshold is not None else auto_threshold(stats)
    mrc, shape = density_map.mrc, density_map.data.shape
    fields, streams = mrc_parts(density_map)
    given = mask is not None
    exact = model.stores_mask(request, threshold) or given
    extend, edge = EXTEND, EDGE
    if kept == "envelope":
        extend, edge = settings.mask_extend, settings.mask_edge
        if mask is None:
            assert threshold is not None
            mask = soft_mask(density_map.data, threshold, extend, edge)
        else:
            extend, edge = 0, edge_of(mask)
        target = Target.inside(density_map, mask, threshold, exact_mask=exact)
    else:
        always = model.median_background
        target = Target.above(density_map, threshold, exact_mask=exact, always=always)
    yield Progress("preparing", 0, 1, clock.seconds)
    resolution = noise = None
    if request.goal == "target_fsc" and kind != "labels":
        if half_maps is not None:
            noise = HalfMapNoise.measure(half_maps, target.weight, density_map)
        target, resolution = yield from _with_shells_steps(
            target, settings, request.amount, noise, clock
        )
    if exact:
        streams["mask"] = yield from model.encode_mask_steps(target.stored_mask, clock)
    yield Progress("preparing", 1, 1, clock.seconds)
    exactly = request.goal == "lossless" or kind == "labels"
    header = MemberHeader(
        name=density_map.name,
        shape=shape,
        mode=density_map.mode,
        byte_order=mrc.byte_order,
        mrc=fields,
        background=float(np.float32(target.background)),
        density_scale=float(np.float32(target.density_scale)) if model.normalised else 1.0,
        contrast_limits=contrast_limits(stats, None if kept == "volume" else target.background),
        original_checksum=voxel_checksum(density_map.data),
        decoded_checksum="",
        keep=kept,
        threshold=threshold,
        extend=extend,
        edge=edge,
        given_mask=given,
        limits=None if exactly else inward(stats.low, stats.high),
        contour=None if level == threshold else short_level(level, stats),
        lossless=kind == "labels" and settings.model_name != "lossless",
    )
    prepared = Prepared(
        density_map,
        request,
        header,
        config,
        streams,
        target.weight,
        target.shells,
        resolution,
        kind,
        noise,
    )
    return prepared, target


def mrc_parts(density_map: DensityMap) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Return the fields of the MRC header for that of the member, and its streams."""
    mrc = density_map.mrc
    fields = mrc_fields.fields_of(mrc, density_map.data.shape, density_map.mode)
    streams = {"mrc": mrc.raw} if fields is None else {}
    if mrc.extended:
        streams["mrc_extended"] = mrc_fields.encode_extended_header(mrc.extended)
    return fields, streams


def _check_together(
    settings: Settings,
    request: FitRequest,
    kept: str,
    mask: AnyArray | None,
    half_maps: HalfMaps | None,
) -> None:
    if mask is not None and kept != "envelope":
        reason = f"keep = {kept}" if settings.keep == kept else f"{settings.goal} over all voxels"
        raise SettingsError(f"a mask and {reason} are given: a mask needs keep = envelope")
    if half_maps is None:
        return
    if settings.goals:
        raise SettingsError(f"half-maps and {settings.goals[0]} are given: give one goal at most")
    if request.goal != "target_fsc":
        raise SettingsError(
            f"half-maps, model = {settings.model_name} and keep = {kept} are given: half-maps need"
            " the model field and keep = envelope or volume"
        )


def inward(low: float, high: float) -> tuple[float, float] | None:
    """Return the range of densities in five digits, none of it outside; None where it is empty."""
    ends = []
    for value, other in ((low, high), (high, low)):
        short = float(f"{value:.5g}")
        if (short - value) * (other - value) < 0:  # rounded outwards
            short = float(f"{value + math.copysign(1e-4 * abs(value), other - value):.5g}")
        ends.append(short)
    return (ends[0], ends[1]) if low <= ends[0] < ends[1] <= high else None


def short_level(level: float | None, stats: Statistics) -> float:
    """Return a contour for display in four digits, by default the automatic threshold."""
    return float(f"{auto_threshold(stats) if level is None else level:.4g}")


def _with_shells_steps(
    target: Target, settings: Settings, correlation: float, noise: HalfMapNoise | None, clock: Clock
) -> Steps[tuple[Target, Resolution]]:
    """Return the target with a goal for each Fourier shell, and the resolution."""
    density_map = target.map
    shells = FourierShells(density_map.data.shape, density_map.voxel_size)
    if not isinstance(settings.resolution, str):
        resolution = Resolution(settings.resolution, "given")
    elif noise is not None:
        resolution = Resolution(shells.resolution(noise.last_shell), "half-maps")
    else:
        resolution = yield from resolution_steps(
            density_map.data,
            target.weight,
            density_map.voxel_size,
            target.background,
            clock,
            1.0 if density_map.mode in INTEGER_MODES else 0.0,
        )
    last = shells.last(resolution.angstrom)
    if noise is not None:
        # One more, so that the curve keeps its place between the last and the next.
        goal = noise.goal(last + 1)
        return replace(target, shells=replace(goal, allowed=SHELLS_LEFT * goal.allowed)), resolution
    level = 0.0 if target.weight is None else target.background
    masked = MaskedVolume(density_map.data, level, target.weight, target.density_scale)
    power = shells.power(shells.spectrum(masked))[1:]
    # Weak shells count as beyond the resolution: the error in them may be as in stronger ones.
    weak = WEAK * float(power.max()) / np.maximum(power, 1e-300)
    allowed = (1 - correlation) * np.maximum(weak, 1)[:last]
    return replace(target, shells=ShellGoal(SHELLS_LEFT * allowed)), resolution


def contrast_limits(stats: Statistics, background: float | None) -> tuple[float, float]:
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
    last_try: bool = False,
) -> Steps[tuple[MemberHeader, dict[str, bytes], QualityReport]]:
    """Decode what will be stored, add the residual that the goal needs, check and measure.

    `own` and `own_config` are streams and record of the fitted model for this map. The member is
    added to `earlier`, those before it. Returns its header, its streams and what was lost. At the
    last try the surface is not corrected where that would cost the goal.

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
    whole, where = whole_region(shape), (shared, settings.device, earlier)
    member = draft_member(draft, model, streams, *where)
    fitted = yield from member.decoder.model_steps(whole, clock)
    yield Progress("measuring", 0, 4, clock.seconds)
    # What is kept follows from the densities, unless that would spoil some of it.
    follows, fewest = draft.threshold is not None and "mask" not in streams, None
    tries: tuple[float | None, ...] = (None,)
    if follows and draft.threshold is not None and item.weight is not None:
        fewest = neighbours_needed(fitted, draft.threshold, item.weight > 0)
        tries = RIM_SHARES
    yield Progress("measuring", 1, 4, clock.seconds)
    for share in tries:
        if share is not None and item.weight is not None:
            rim = rim_of(density_map.data, item.weight, draft.background, share)
            draft = replace(draft, neighbours=fewest or 1, rim=rim)
            member = draft_member(draft, model, streams, *where)
        decoded = yield from member.decoder.kept_steps(fitted.copy(), whole, clock)
        yield Progress("measuring", 2, 4, clock.seconds)
        spoilt = follows and _spoilt(item, fitted, decoded)
        if not spoilt:
            break
    if follows and (spoilt or (item.weight is not None and fewest is None)):
        if item.weight is None:
            draft = replace(draft, neighbours=0)
        else:
            encode = models.get(model.name).encode_mask_steps
            streams["mask"] = yield from encode(item.weight > 0, clock)
            draft = replace(draft, neighbours=1, rim=(0.0, 0.0))
        member = draft_member(draft, model, streams, *where)
        decoded = yield from member.decoder.kept_steps(fitted, whole, clock)
    yield Progress("measuring", 3, 4, clock.seconds)
    earlier.append(member)
    decoder = member.decoder
    surface, limit = None, draft.threshold
    if config is None and settings.goal is None and item.weight is not None and limit is not None:
        inside = item.weight >= 0.5
        config = surface = residual.surface_config(
            density_map.data, decoded, inside, limit, _SURFACE_OVERLAP, draft.background
        )
    if config is not None:
        before = decoded if surface is None else decoded.copy()
        added = yield from residual.encode_steps(
            density_map, decoded, decoder.mask, limit, config, clock
        )
        yield Progress("refining", 0, 1, clock.seconds, bytes_so_far=sum(map(len, added.values())))
        refined = residual.Residual(MemoryStreams(added), config, shape, density_map.mode)
        yield from replace(decoder, residual=refined).refine_steps(decoded, whole, clock)
        if surface is not None:
            losses = _losses(item, decoded)
            yield Progress("measuring", 3, 4, clock.seconds)
            cost = losses - _losses(item, before)
            dear = last_try or cost.max() > _MOST_OF_SHELL
            if dear and SHELLS_LEFT * losses.max() > 1:
                config, decoded = None, before  # a fit that leaves room for that is far too fine
        if config is not None:
            streams |= added
    trim_heap()
    report = yield from compare_steps(
        density_map,
        decoded,
        draft.threshold,
        member.contour,
        clock,
        weight=item.weight,
        resolution=item.resolution,
    )
    report = replace(report, kind=item.kind)
    if item.noise is not None and item.shells is not None:
        shares = error_shares(density_map, decoded, item.weight, draft.background, item.noise)
        report = with_half_maps(report, item.noise, shares, len(item.shells.allowed))
    header = replace(
        draft, decoded_checksum=voxel_checksum(decoded), residual=config, quality=report.stored()
    )
    check_goal(settings, item.request, report, header, item.noise)
    return header, streams, report


def draft_member(
    header: MemberHeader,
    model: ModelHeader,
    streams: Mapping[str, LongBytes],
    shared: Mapping[str, LongBytes],
    device: str,
    earlier: list[Member],
) -> Member:
    """Return a member as an archive will have it; `earlier` are those before it."""
    return Member(header, model, MemoryStreams({**shared, **streams}), _NO_LIMIT, device, earlier)


def _losses(item: Prepared, decoded: Float32Array) -> Float64Array:
    """Return the loss of each shell as a share of what it may lose, where that is the goal."""
    if item.shells is None or item.weight is None:
        return np.zeros(1)
    return shell_losses(item.shells, item.map, decoded, item.weight, item.header.background)


def _spoilt(item: Prepared, fitted: Float32Array, decoded: Float32Array) -> bool:
    """Return whether what is kept lost more than the goal allows when the rest faded."""
    original, weight = item.map.data, item.weight
    if item.shells is not None and weight is not None:
        return SHELLS_LEFT * float(_losses(item, decoded).max()) > 1
    inside = (
        weight >= 0.5 if weight is not None else original > np.float32(item.header.threshold or 0)
    )

    def error(densities: Float32Array) -> float:
        return float(np.square(densities[inside].astype(np.float64) - original[inside]).sum())

    return error(decoded) > _FADING_SHARE * error(fitted)
