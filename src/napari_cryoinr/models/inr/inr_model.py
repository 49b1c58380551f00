"""The model `inr`: an implicit neural representation that is trained on each map.

A map is a function of continuous coordinates: sums of B-splines on a pyramid of lattices, whose
coefficients, the latents, are integers. They are trained on the map together with what they cost in
bits, which a small network predicts from the latents that are coded before: the smallest file that
meets the goal, not the smallest error. Latents for each file and training on the map are those of
arXiv 2512.12975, the rate in the loss and the context network those of overfitted image codecs
(Ladune et al., COOL-CHIC, ICCV 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ...errors import GoalMissed
from ...progress import Clock, Progress, Steps
from ...symmetry.continuous import Symmetry
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
from .inr_settings import QUICK_VOXELS, InrConfig, InrSettings
from .reference import Reference
from .representation import InrRepresentation

if TYPE_CHECKING:
    from ..scaled_problem import ScaledProblem
    from .encoding import Encoding

_TRIAL_STEPS = 60
_MOST_OPERATIONS = 60


class InrModel(Model):
    """The model `inr`: latents that are trained on the map."""

    settings_type = InrSettings
    member_type = InrConfig
    member_streams = ("latents",)
    aims = LOSSY_AIMS
    usual_aims: ClassVar = USUAL_AIMS

    def stores_mask(self, request: FitRequest, threshold: float | None) -> bool:
        """Store it only where each voxel counts: latents keep the density below the contour."""
        return threshold is not None and request.goal == "max_error"

    def quick(self, voxels: int, device: str) -> bool:
        """Return whether there is a GPU, or there may be few voxels; see `QUICK_VOXELS`."""
        from ...support.devices import choose_device

        return voxels <= _MOST_OPERATIONS * QUICK_VOXELS or choose_device(device) != "cpu"

    def trial(self, request: FitRequest, every_voxel: bool) -> tuple[FitRequest, float]:
        """Train for a shorter time."""
        own: InrSettings = request.own
        steps = min(own.steps or _TRIAL_STEPS, _TRIAL_STEPS)
        return replace(request, own=replace(own, steps=steps)), 0.9

    def fit_steps(
        self,
        targets: Sequence[Target],
        request: FitRequest,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Latents of each map; the context network comes with the package."""
        clock = Clock()
        yield Progress("loading torch", 0, 1, clock.seconds, bytes_so_far=known_bytes)
        from ...support.devices import choose_device
        from ..scaled_problem import scaled_problem_steps
        from ..symmetric_problem import symmetric_steps

        device = choose_device(request.device)
        voxels = sum(target.map.data.size for target in targets)
        own: list[Streams] = []
        configs: list[InrConfig] = []
        size, kept = known_bytes, 0.0
        earlier: list[tuple[int, tuple[int, ...], InrRepresentation]] = []
        for number, target in enumerate(targets):
            shape = target.map.data.shape
            share = None if limit is None else limit * target.map.data.size // voxels
            scaled = yield from scaled_problem_steps(target, request, clock, symmetric=False)
            whole = scaled
            wanted = request.own.symmetry
            if wanted not in ("none", "C1"):
                sizes = target.map.voxel_size
                scaled = (yield from symmetric_steps(scaled, sizes, wanted, clock)) or whole
                if scaled is whole and wanted != "auto":
                    raise GoalMissed(
                        f"symmetry = {wanted}: the map differs from it by more than the goal"
                        " allows; nothing written: choose auto, none or another goal"
                    )
            kept += scaled.problem.total
            if request.unasked and device == "cpu" and kept > QUICK_VOXELS:
                raise GoalMissed(f"{kept:.0f} voxels are not quick on a processor")
            reference = None
            for other, its_shape, representation in earlier:
                if its_shape == shape and reference is None and not scaled.problem.folded:
                    unit = 1 / scaled.density(1.0)
                    reference = Reference.of(other, representation, unit, scaled.problem)
            ways = [scaled] if scaled is whole or wanted != "auto" else [scaled, whole]
            found, scaled = yield from _smaller_steps(ways, reference, share, device, clock)
            own.append({"latents": found.stream})
            config = found.config
            steps = tuple(map(scaled.density, config.steps))
            base, unit = scaled.density(config.base), scaled.density(config.synthesis)
            configs.append(replace(config, steps=steps, base=base, synthesis=unit))
            if config.reference is None and not config.symmetry and number + 1 < len(targets):
                stored = InrRepresentation.from_stream(configs[-1], found.stream, shape)
                earlier.append((number, shape, stored))
            del scaled, whole, ways
            size += len(found.stream)
            yield Progress("coding", number + 1, len(targets), clock.seconds, bytes_so_far=size)
        return Fitted(None, {}, own, configs)

    def symmetry(self, config: InrConfig) -> str:
        """Name the group and its axis."""
        one = config.folding()
        if one is None or one.rise:
            return "" if one is None else one.describe()
        return f"{one.describe()}, {one.order}-fold fewer latents"

    def point_group(self, config: InrConfig) -> Symmetry | None:
        """Return the symmetry."""
        return config.folding()

    def load(self, stored: Stored, device: str) -> Representation:
        """Return the representation of one member; needs no torch."""
        config: InrConfig = stored.member_config
        made = InrRepresentation.from_stream
        if config.reference is None:
            return made(config, stored.own["latents"], stored.shape)
        other = stored.earlier(config.reference)
        if other.member_config.reference is not None:
            raise ValueError("the reference has a reference itself")
        reference = made(other.member_config, other.own["latents"], stored.shape)
        return made(config, stored.own["latents"], stored.shape, reference)


def _smaller_steps(
    ways: Sequence[ScaledProblem],
    reference: Reference | None,
    limit: int | None,
    device: str,
    clock: Clock,
) -> Steps[tuple[Encoding, ScaledProblem]]:
    """Return the smaller encoding of a map, by its symmetry or as a whole, and which it is of.

    The whole map, which comes last, is tried where its symmetry misses the goal, or where it has so
    few voxels that coordinates that are folded may take more bytes than they spare.
    """
    from .search import search_steps

    best: tuple[Encoding, ScaledProblem] | None = None
    for way in ways:
        if best is not None and way.problem.total > QUICK_VOXELS:
            break
        try:
            found = yield from search_steps(way, reference, limit, device, clock)
        except GoalMissed:
            if best is None and way is ways[-1]:
                raise
            continue
        if best is None or len(found.stream) < len(best[0].stream):
            best = found, way
    assert best is not None
    return best
