"""How large a file will be, before it is made."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ..maps.density_map import DensityMap
from ..maps.occupancy import encode_mask, occupancy
from ..maps.statistics import statistics
from ..maps.threshold import resolve_threshold
from ..models.paper.stored_weights import network_bytes
from ..progress import Clock, Progress, Steps
from ..settings import Settings
from .compression import compress_steps

_TRIAL_ITERATIONS = 60  # of the solver
_TRIAL_SOLVES = 2  # with one, textures come out far too large
# What a search saves beyond such a trial; a usual value, see benchmarks/estimates.py.
_SAVED = {"fast": 1.0, "balanced": 0.92, "best": 0.87}
_PAPER_OVERHEAD = 270  # bytes of an archive by `paper` that are neither network nor mask


@dataclass(frozen=True)
class Estimate:
    """A size in bytes; `at_least` where more will be added that cannot be known before."""

    bytes: int
    at_least: bool = False


def estimate_steps(density_map: DensityMap, settings: Settings) -> Steps[Estimate]:
    """The size of the archive that these settings will make.

    A ratio says it itself, and the network of `paper` has its size before it is trained. For
    `field` the map is really encoded, with a shorter search; without loss, as it will be.

    Raises
    ------
    CinrError
        what compressing would raise.
    """
    clock = Clock()
    yield Progress("estimating", 0, 1, clock.seconds)
    if settings.target_ratio is not None:
        return Estimate(int(density_map.raw_bytes / settings.target_ratio))
    if settings.model == "paper":
        threshold = resolve_threshold(settings.threshold, statistics(density_map))
        size = _PAPER_OVERHEAD + network_bytes(settings.paper)
        if threshold is not None:
            size += len(encode_mask(occupancy(density_map, threshold)))
        return Estimate(size, at_least=settings.lossless or settings.max_error is not None)
    share = 1.0
    if not settings.lossless and settings.effort != "fast":
        if settings.threshold != "none":  # where every voxel counts there is nothing to search for
            share = _SAVED[settings.effort]
        field = replace(
            settings.field,
            iterations=min(settings.field.iterations or _TRIAL_ITERATIONS, _TRIAL_ITERATIONS),
            solves=min(settings.field.solves or _TRIAL_SOLVES, _TRIAL_SOLVES),
        )
        settings = replace(settings, effort="balanced", field=field)
    with tempfile.TemporaryDirectory(prefix="cryoinr-") as folder:
        out = Path(folder) / "trial.cinr"
        yield from compress_steps(density_map, out, settings)
        return Estimate(round(share * out.stat().st_size))
