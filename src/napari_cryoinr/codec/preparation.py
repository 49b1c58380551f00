"""What is known of a map before the fit: its threshold, mask, background and header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import models
from ..archive import mrc_fields, residual
from ..maps.density_map import DensityMap, check_finite
from ..maps.statistics import Statistics, statistics
from ..maps.threshold import auto_threshold, resolve_threshold
from ..models.base import Target
from ..progress import Clock, Progress, Steps
from ..settings import Settings

_CONTRAST = (0.01, 0.9995)  # quantiles that make a slice readable


@dataclass(frozen=True, eq=False)
class Prepared:
    """One map before the fit. Its mask is not among this, but comes back from its stream.

    Attributes
    ----------
    scale : density of a normalised density of 1.
    threshold : that occupied voxels exceed; None where all are kept.
    contour : level for display.
    contrast : densities for black and white.
    mrc : fields of the MRC header; None where it is a stream.
    streams : those that do not depend on the fit.
    """

    map: DensityMap
    scale: float
    threshold: float | None
    contour: float
    background: float
    contrast: tuple[float, float]
    residual: residual.ResidualConfig | None
    mrc: dict[str, Any] | None
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
    mrc = density_map.mrc
    shape = density_map.data.shape
    fields = mrc_fields.fields_of(mrc, shape, density_map.mode)
    streams = {"mrc": mrc.raw} if fields is None else {}
    if mrc.extended:
        streams["mrc_extended"] = mrc_fields.encode_extended_header(mrc.extended)
    exact = model.stores_mask(request, threshold)
    target = Target.above(density_map, threshold, exact_mask=exact, always=model.median_background)
    yield Progress("preparing", 0, 1, clock.seconds)
    if exact:
        streams["mask"] = model.encode_mask(target.mask)
    yield Progress("preparing", 1, 1, clock.seconds)
    prepared = Prepared(
        density_map,
        float(np.float32(target.density_scale)) if model.normalised else 1.0,
        threshold,
        threshold if threshold is not None else float(f"{auto_threshold(stats):.4g}"),
        float(np.float32(target.background)),
        _contrast_limits(stats, None if threshold is None else target.background),
        config,
        fields,
        streams,
    )
    return prepared, target


def _contrast_limits(stats: Statistics, background: float | None) -> tuple[float, float]:
    """Densities between which nearly all voxels lie, so that a slice is readable.

    Where only the occupied voxels are kept, black is the background that stands for the others.
    """
    low, high = (float(f"{stats.quantile(share):.3g}") for share in _CONTRAST)
    if background is not None:
        low = float(str(np.float32(background)))
    return (low, high) if low < high else (stats.low, max(stats.high, stats.low + 1.0))
