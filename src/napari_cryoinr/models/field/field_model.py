"""Fitting and loading the model `field`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...progress import Clock, Progress, Steps
from ...settings import Settings
from ..base import Fitted, Representation, Sibling, Target
from .field_config import FieldConfig
from .field_representation import FieldRepresentation
from .latent_stream import Latents
from .reference_map import Reference


class FieldModel:
    """The model `field`; see `napari_cryoinr.models.base.Model`."""

    own_streams: tuple[str, ...] = ("latents",)
    normalised = False
    resizes = True

    def fit_steps(
        self,
        targets: Sequence[Target],
        settings: Settings,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Latents of each map; the networks come with the package."""
        clock = Clock()
        yield Progress("loading torch", 0, 1, clock.seconds, bytes_so_far=known_bytes)
        from ...support.devices import choose_device
        from .problem import problem_steps
        from .search import lean_steps, search_steps

        device = choose_device(settings.device)
        own: list[dict[str, bytes]] = []
        configs: list[FieldConfig] = []
        references: list[Reference] = []
        size = known_bytes
        for target in targets:
            problem = yield from problem_steps(target, settings, clock)
            share = None
            if limit is not None:
                share = limit * target.map.data.size // sum(t.map.data.size for t in targets)
            found = yield from search_steps(problem, settings, share, device, clock)
            same = [r for r in references if r.shape == target.map.data.shape]
            for reference in same:
                found = yield from lean_steps(
                    problem, settings, share, device, clock, found, reference
                )
            shape = target.map.data.shape
            later = [t for t in targets[len(own) + 1 :] if t.map.data.shape == shape]
            if later and found.config.reference is None:
                references.append(found.as_reference(len(own), shape))
            del problem
            own.append({"latents": found.stream})
            configs.append(found.config)
            size += len(found.stream)
            yield Progress("coding", len(own), len(targets), clock.seconds, bytes_so_far=size)
        return Fitted(None, {}, own, configs)

    def load(
        self,
        config: Any,
        shared: dict[str, bytes],
        own_config: FieldConfig,
        own: dict[str, bytes],
        shape: tuple[int, int, int],
        device: str,
        sibling: Sibling,
    ) -> Representation:
        """The representation of one member; needs no torch."""
        return FieldRepresentation(
            own_config, own["latents"], shape, _reference(own_config, shape, sibling)
        )


def _reference(config: FieldConfig, shape: tuple[int, int, int], sibling: Sibling) -> Any:
    if config.reference is None:
        return None
    other, streams = sibling(config.reference)
    if not isinstance(other, FieldConfig) or other.reference is not None:
        raise ValueError("the reference leans on another member itself")
    return Latents(streams["latents"], other, shape)
