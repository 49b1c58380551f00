"""Fitting and loading the model `field`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...maps.density_map import DensityMap
from ...progress import Clock, Progress, Steps
from ..base import DEFAULT_NRMSE, FitRequest, Fitted, Model, Representation, Stored, Streams, Target
from .field_representation import FieldRepresentation
from .field_settings import FieldConfig, FieldSettings
from .latent_stream import Latents
from .reference_map import Reference

_USUAL_DENSITIES = (1e-15, 1e15)  # largest magnitudes that the fit takes as they are
_TRIAL_ITERATIONS = 60  # of the solver
_TRIAL_SOLVES = 2  # with one, textures come out far too large
# What a search usually saves beyond such a trial.
_SAVED = {"fast": 1.0, "balanced": 0.92, "best": 0.87}


class FieldModel(Model):
    """The model `field`: a pretrained basis whose latents are found in seconds."""

    settings_type = FieldSettings
    member_type = FieldConfig
    member_streams = ("latents",)
    aims = ("target_nrmse", "target_psnr", "target_ratio", "max_error")
    usual_aim = ("target_nrmse", DEFAULT_NRMSE)

    def stores_mask(self, request: FitRequest, threshold: float | None) -> bool:
        """Store it only where it is needed: latents can keep the density below the contour."""
        wanted = request.own.occupancy == "exact" or request.goal == "max_error"
        return threshold is not None and wanted

    def trial(self, request: FitRequest, every_voxel: bool) -> tuple[FitRequest, float]:
        """Search for a shorter time."""
        own, effort = request.own, request.effort
        if effort == "fast":
            return request, 1.0
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
        from .problem import problem_steps
        from .search import search_steps

        device = choose_device(request.device)
        voxels = sum(target.map.data.size for target in targets)
        own: list[Streams] = []
        configs: list[FieldConfig] = []
        references: list[tuple[tuple[int, ...], Reference]] = []
        size = known_bytes
        for number, target in enumerate(targets):
            shape = target.map.data.shape
            exponent = _exponent(target.map)
            wanted = request
            if exponent:
                target = target.scaled(-exponent)
                if request.goal == "max_error":
                    wanted = replace(request, amount=math.ldexp(request.amount, -exponent))
            problem = yield from problem_steps(target, wanted, clock)
            share = None if limit is None else limit * target.map.data.size // voxels
            common = problem, wanted, share, device, clock
            found = yield from search_steps(*common)
            if sum(other.map.data.shape == shape for other in targets) > 1:
                alone = found.as_reference(number, shape)
                for reference in (r for other, r in references if other == shape):
                    gains = reference.gains_for(alone)
                    if gains is not None:
                        found = yield from search_steps(*common, found, (reference, gains))
                if found.config.reference is None:
                    references.append((shape, alone))
            del problem, common
            own.append({"latents": found.stream})
            step, base = (math.ldexp(v, exponent) for v in (found.config.step, found.config.base))
            configs.append(replace(found.config, step=step, base=base))
            size += len(found.stream)
            yield Progress("coding", number + 1, len(targets), clock.seconds, bytes_so_far=size)
        return Fitted(None, {}, own, configs)

    def load(self, stored: Stored, device: str) -> Representation:
        """Return the representation of one member; needs no torch."""
        config: FieldConfig = stored.member_config
        reference = None
        if config.reference is not None:
            other = stored.earlier(config.reference)
            if other.member_config.reference is not None:
                raise ValueError("the reference has a reference itself")
            reference = Latents(other.own["latents"], other.member_config, stored.shape)
        return FieldRepresentation(config, stored.own["latents"], stored.shape, reference)


def _exponent(density_map: DensityMap) -> int:
    """Return the power of two that brings extreme densities to about 1; 0 for usual ones.

    Squares of extreme densities are beyond float32, in which the fit computes.
    """
    parts = (density_map.data[part] for part in density_map.slabs())
    largest = max(float(np.abs(part).max()) for part in parts)
    usual = largest == 0 or _USUAL_DENSITIES[0] <= largest <= _USUAL_DENSITIES[1]
    return 0 if usual else math.frexp(largest)[1]
