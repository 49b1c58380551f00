"""What is kept of volumes where nothing was asked for: that follows from what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import models
from ..maps.density_map import DensityMap, check_finite
from ..maps.half_maps import are_half_maps_steps
from ..maps.map_statistics import statistics
from ..maps.threshold import parse_threshold
from ..maps.volume_kinds import kind_of
from ..progress import Clock, Progress, Steps
from ..settings import Settings


def recognise_steps(
    maps: Sequence[DensityMap],
    thresholds: Sequence[float | str],
    asked: Sequence[bool],
    settings: Settings,
    clock: Clock,
) -> Steps[tuple[list[str], Settings]]:
    """Return what each map is, one of `KINDS`, and the settings, lossless where all are labels.

    Maps of which something is asked count as densities: those with a threshold that is a density,
    with a goal, with `keep`, for the model `paper`, or where `asked` says so (a mask, half-maps).
    Half-maps are recognised where one follows the other.
    """
    free = settings.goal is None and settings.keep == "auto" and settings.model_name != "paper"
    kinds: list[str] = []
    before: DensityMap | None = None  # the map just before, where it was recognised as density
    for density_map, threshold, other in zip(maps, thresholds, asked, strict=True):
        word = parse_threshold(threshold)[0]
        if not free or other or word not in ("auto", "none"):
            kinds.append("density")
            before = None
            continue
        yield Progress("preparing", len(kinds), len(maps), clock.seconds)
        check_finite(density_map.data, density_map.name)
        kinds.append(kind_of(density_map, statistics(density_map)))
        density = kinds[-1] == "density"
        if density and before and (yield from are_half_maps_steps(before, density_map, clock)):
            kinds[-2:] = ["half-map", "half-map"]
        before = density_map if kinds[-1] == "density" else None
    if set(kinds) == {"labels"} and settings.model == models.AUTO:
        settings = replace(settings, lossless=True)
    return kinds, settings
