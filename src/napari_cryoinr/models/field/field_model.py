"""The model `field`: fitting and loading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ...progress import Clock, Progress, Steps
from ..base import (
    LOSSY_AIMS,
    USUAL_AIMS,
    FitRequest,
    Fitted,
    Model,
    Representation,
    Stored,
    Streams,
    Target,
)
from .field_settings import FieldConfig, FieldSettings

if TYPE_CHECKING:
    from .reference_map import Reference

_TRIAL_ITERATIONS = 60  # of the solver
_TRIAL_SOLVES = 2  # with one, textures come out far too large
# What a search usually saves beyond such a trial.
_SAVED = {"fast": 1.0, "balanced": 0.92, "best": 0.87}


class FieldModel(Model):
    """The model `field`: a pretrained basis whose latents are found in seconds."""

    settings_type = FieldSettings
    member_type = FieldConfig
    member_streams = ("latents",)
    aims = LOSSY_AIMS
    usual_aims: ClassVar = USUAL_AIMS

    def stores_mask(self, request: FitRequest, threshold: float | None) -> bool:
        """Store it only where it is needed: latents can keep the density below the contour."""
        wanted = request.own.occupancy == "exact" or request.goal == "max_error"
        return threshold is not None and wanted

    def trial(self, request: FitRequest, every_voxel: bool) -> tuple[FitRequest, float]:
        """Search for a shorter time."""
        own, effort = request.own, request.effort
        if effort in ("auto", "fast"):
            return replace(request, effort="fast"), 1.0
        own = replace(
            own,
            iterations=min(own.iterations or _TRIAL_ITERATIONS, _TRIAL_ITERATIONS),
            solves=min(own.solves or _TRIAL_SOLVES, _TRIAL_SOLVES),
        )
        # Where every voxel counts there is nothing to search for.
        share = 1.0 if every_voxel else _SAVED[effort]
        return replace(request, effort="balanced", own=own), share

    def fit_steps(
        self,
        targets: Sequence[Target],
        request: FitRequest,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Latents of each map; the networks come with the package."""
        clock = Clock()
        yield Progress("loading torch", 0, 1, clock.seconds, bytes_so_far=known_bytes)
        from ...support.devices import choose_device
        from ..scaled_problem import scaled_problem_steps
        from .search import search_steps
        from .shell_search import shell_search_steps

        device = choose_device(request.device)
        voxels = sum(target.map.data.size for target in targets)
        own: list[Streams] = []
        configs: list[FieldConfig] = []
        references: list[tuple[tuple[int, ...], Reference]] = []
        size = known_bytes
        for number, target in enumerate(targets):
            shape = target.map.data.shape
            scaled = yield from scaled_problem_steps(
                target, request, clock, symmetric=request.own.symmetry != "none"
            )
            problem, wanted, measure = scaled.problem, scaled.request, scaled.measure
            share = None if limit is None else limit * target.map.data.size // voxels
            common = problem, wanted, share, device, clock
            if measure is not None:
                found = yield from shell_search_steps(problem, measure, wanted, device, clock)
            else:
                found = yield from search_steps(*common)
            alike = sum(other.map.data.shape == shape for other in targets) > 1
            if alike and measure is None:
                alone = found.as_reference(number, shape)
                for reference in (r for other, r in references if other == shape):
                    gains = reference.gains_for(alone)
                    if gains is not None:
                        found = yield from search_steps(*common, found, (reference, gains))
                if found.config.reference is None:
                    references.append((shape, alone))
            del problem, measure, common
            own.append({"latents": found.stream})
            step, base = map(scaled.density, (found.config.step, found.config.base))
            configs.append(replace(found.config, step=step, base=base))
            size += len(found.stream)
            yield Progress("coding", number + 1, len(targets), clock.seconds, bytes_so_far=size)
        return Fitted(None, {}, own, configs)

    def symmetry(self, config: FieldConfig) -> str:
        """Say how many rotations of the grid there are."""
        if not config.symmetry:
            return ""
        from ...symmetry.point_groups import GridSymmetry

        order = len(GridSymmetry.from_ints(config.symmetry))
        return f"{order} rotations of the voxel grid, {order}-fold fewer latents"

    def load(self, stored: Stored, device: str) -> Representation:
        """Return the representation of one member; needs no torch."""
        from .latent_stream import Latents
        from .representation import FieldRepresentation

        config: FieldConfig = stored.member_config
        reference = None
        if config.reference is not None:
            other = stored.earlier(config.reference)
            if other.member_config.reference is not None:
                raise ValueError("the reference has a reference itself")
            reference = Latents(other.own["latents"], other.member_config, stored.shape)
        return FieldRepresentation(config, stored.own["latents"], stored.shape, reference)
