"""What is known of a map before the fit: threshold, mask, background, most of its header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import models
from ..archive import mrc_fields, residual
from ..archive.header import MemberHeader
from ..maps.density_map import DensityMap, check_finite
from ..maps.statistics import Statistics, statistics
from ..maps.threshold import auto_threshold, resolve_threshold
from ..models.base import Target
from ..progress import Clock, Progress, Steps
from ..settings import Settings
from ..support.checksums import voxel_checksum

_CONTRAST = (0.01, 0.9995)  # quantiles that make a slice readable


@dataclass(frozen=True, eq=False)
class Prepared:
    """One map before the fit. Its mask is not among this, but comes back from its stream.

    Attributes
    ----------
    header : what is known of the member's header: all but what follows from the fit.
    residual : the residual stream that the goal needs.
    streams : those that do not depend on the fit.
    """

    map: DensityMap
    header: MemberHeader
    residual: residual.ResidualConfig | None
    streams: dict[str, bytes]


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
        original_checksum=voxel_checksum(density_map.data[part] for part in density_map.slabs()),
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
