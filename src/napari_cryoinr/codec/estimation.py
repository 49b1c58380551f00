"""How large a file will be, before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import models
from ..errors import GoalMissed
from ..maps.density_map import DensityMap
from ..progress import Clock, Progress, Steps, part_of
from ..settings import GOALS, Settings
from ..support.atomic_files import temporary_folder
from .compression import USUAL_OVERHEAD, compress_steps
from .members import HalfMaps, prepare_steps


@dataclass(frozen=True)
class Estimate:
    """A size in bytes; `at_least` where more will be added that cannot be known before."""

    bytes: int
    at_least: bool = False


def estimate_steps(
    maps: DensityMap | Sequence[DensityMap], settings: Settings, half_maps: HalfMaps | None = None
) -> Steps[Estimate]:
    """Estimate the size of the archive that these settings will make; half-maps are of one map.

    A ratio gives it directly, and one model knows its size before the fit. For others the map is
    encoded, with a shorter search where there is one; errors are those of compressing.
    """
    clock = Clock()
    yield Progress("estimating", 0, 1, clock.seconds)
    several = [maps] if isinstance(maps, DensityMap) else list(maps)
    if settings.target_ratio is not None:
        raw = sum(density_map.raw_bytes for density_map in several)
        return Estimate(int(raw / settings.target_ratio))
    model, request = models.get(settings.model_name), settings.request()
    if model.sized_before:
        size, targets = USUAL_OVERHEAD * len(several), []
        for density_map in several:
            prepared, target = yield from prepare_steps(
                density_map.in_memory(), settings.threshold, settings, clock, half_maps=half_maps
            )
            size += sum(len(data) for data in prepared.streams.values())
            targets.append(target)
        size += yield from model.size_steps(targets, request, clock)
        return Estimate(size, at_least=model.residual_kind(request.goal) is not None)
    trial, share = model.trial(request, settings.threshold == "none")
    settings = settings.with_request(trial)
    with temporary_folder() as folder:
        out = folder / "trial.cinr"
        halves = None if half_maps is None else [half_maps]
        yield from compress_steps(several, out, settings, half_maps=halves)
        return Estimate(round(share * out.stat().st_size))


def curve_steps(
    density_map: DensityMap, settings: Settings, goal: str, amounts: Sequence[float]
) -> Steps[list[Estimate | None]]:
    """Estimate the sizes for several numbers of one goal, in place of that of the settings.

    Each is None where the goal cannot be met.
    """
    found: list[Estimate | None] = []
    others: dict[str, Any] = dict.fromkeys(GOALS) | {"lossless": False}
    for number, amount in enumerate(amounts):
        by = replace(settings, **(others | {goal: amount}))
        steps = part_of(estimate_steps(density_map, by), number, len(amounts))
        try:
            found.append((yield from steps))
        except GoalMissed:
            found.append(None)
        yield Progress("estimating", number + 1, len(amounts), share=(number + 1) / len(amounts))
    return found
