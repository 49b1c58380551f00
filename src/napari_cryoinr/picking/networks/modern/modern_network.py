"""The network `modern`: a small convolutional network that sees a whole particle at low resolution.

Convolutions with normalisation and ReLU on the prepared micrograph, the later ones dilated, so that
each score depends on 2.6 boxes around its place, neighbours included. A further input is the
correlation of each place with the mean particle. All layers get the contrast of the micrograph as
an input, because what looks like a particle in a noisy micrograph need not be one in a clean one.
Training is on whole crops of micrographs: every place far from all known particles counts as
background, and particles and background have the same total weight, however many are unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from ....progress import Clock, Progress, Steps
from ....support.array_types import Float32Array
from ....support.devices import choose_device, import_torch
from ...calibration import Calibration
from ...micrographs import Micrograph
from ...picking_settings import TrainingSettings
from ...preprocessing import Prepared, graded, prepare
from ...training_crops import REJECTED, STRIDE, Field, batch_of, field_of
from ..network_base import Arrays, Examples, Network, ScoreMap
from .filters import particle_filters
from .pretrained_weights import pretrained_arrays

if TYPE_CHECKING:
    from torch import Tensor

    from .modern_layers import Layers

# Rotations, in quarters, over which scores are averaged: what is off centre in one is off to the
# other side in the other. All four, as in DeepEM, find more only where particles are faint.
_TURNS, _MORE_TURNS = (0, 2), (0, 1, 2, 3)
_FAINT = 0.2  # contrast
_ROWS = 256  # pixels that are scored at once: limits memory, and the time until it can be cancelled
_BATCH = 8
_ITERATIONS = {"afresh": 600, "from trained weights": 150}
_RATES = {"afresh": 5e-3, "from trained weights": 4e-3}
_DECAY, _WARM_UP = 1e-2, 0.2
_REJECTED_WEIGHT = 0.5  # of the loss term of rejected places


class ModernNetwork(Network):
    """The layers of `modern_layers`, trained."""

    name: ClassVar[str] = "modern"
    sees_contrast: ClassVar[bool] = True
    prior: ClassVar[Calibration] = Calibration(1.7, -3.0)

    def __init__(self, box: float, layers: Layers) -> None:
        self.box = box
        self._layers = layers

    @classmethod
    def train_steps(
        cls, examples: Examples, settings: TrainingSettings, start: Self | None, clock: Clock
    ) -> Steps[Self]:
        """Train on examples; see `Network`."""
        device = choose_device(settings.device)
        rng = np.random.default_rng(settings.seed)
        fields = []
        for number, example in enumerate(examples):
            yield Progress("preparing", number, len(examples), clock.seconds)
            prepared = prepare(example.micrograph, settings.box)
            fields.append(field_of(prepared, example.particles.xy, example.rejected.xy))
        if start is None and settings.weights == "pretrained":
            start = cls.from_arrays(settings.box, pretrained_arrays())
        layers = fresh_layers(settings.seed)
        if start is not None:
            layers.load_state_dict(start._layers.state_dict())
        layers.filters.copy_(import_torch().from_numpy(particle_filters(fields)))
        begins = "afresh" if start is None else "from trained weights"
        steps = settings.iterations or _ITERATIONS[begins]
        yield from descend(layers, fields, steps, _RATES[begins], device, rng, clock)
        return cls(settings.box, layers)

    def score_steps(
        self,
        micrograph: Micrograph,
        prepared: Prepared,
        device: str,
        clock: Clock,
        rough: ScoreMap | None = None,
    ) -> Steps[ScoreMap]:
        """Score every place; see `Network`."""
        turns = _MORE_TURNS if prepared.powers.contrast < _FAINT else _TURNS
        if rough is None:
            return (yield from self._mean_steps(prepared, turns, device, clock))
        found = yield from self._mean_steps(prepared, turns[1:], device, clock)
        weight = np.float32(1 / len(turns))
        return found._replace(values=weight * rough.values + (1 - weight) * found.values)

    def rough_score_steps(
        self, micrograph: Micrograph, prepared: Prepared, device: str, clock: Clock
    ) -> Steps[ScoreMap]:
        """Score every place in one orientation; see `Network`."""
        return (yield from self._mean_steps(prepared, _TURNS[:1], device, clock))

    def _mean_steps(
        self, prepared: Prepared, turns: Sequence[int], device: str, clock: Clock
    ) -> Steps[ScoreMap]:
        """Return the mean of the scores after so many quarter turns."""
        device = choose_device(device)
        grade = graded(prepared.powers.contrast)
        # An odd number of pixels, so that turned images have their scores at the same places.
        odd = np.pad(prepared.image, [(0, 1 - n % 2) for n in prepared.image.shape], mode="reflect")
        total: Float32Array = np.zeros([-(-n // STRIDE) for n in odd.shape], np.float32)
        self._layers.to(device)
        try:
            for number, turn in enumerate(turns):
                yield Progress("scoring", number, len(turns), clock.seconds)
                for rows, values in self._strips(np.rot90(odd, turn).copy(), grade, device):
                    np.rot90(total, turn)[rows] += values / len(turns)
                    yield Progress("scoring", number, len(turns), clock.seconds)
        finally:
            self._layers.cpu()
        y, x = prepared.step
        values = total[tuple(slice(-(-n // STRIDE)) for n in prepared.image.shape)]
        return ScoreMap(values, (0.0, 0.0), (STRIDE * y, STRIDE * x))

    def _strips(
        self, image: Float32Array, grade: float, device: str
    ) -> Iterator[tuple[slice, Float32Array]]:
        """Score an image some rows at a time; yield the rows of the score map and their values."""
        torch = import_torch()
        from .modern_layers import REACH

        wanted = torch.tensor(grade, device=device)
        for start in range(0, len(image), _ROWS):
            first, end = max(0, start - REACH), min(start + _ROWS, len(image))
            with torch.inference_mode():
                part = torch.from_numpy(image[first : end + REACH]).to(device)
                scores = self._layers.score(part, wanted).cpu().numpy()
            rows = slice(start // STRIDE, -(-end // STRIDE))
            yield rows, scores[(start - first) // STRIDE :][: rows.stop - rows.start]

    def arrays(self) -> Arrays:
        """Return the weights."""
        return {name: value.numpy() for name, value in self._layers.state_dict().items()}

    @classmethod
    def shapes(cls, box: float) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights."""
        return {name: tuple(v.shape) for name, v in fresh_layers(0).state_dict().items()}

    @classmethod
    def from_arrays(cls, box: float, arrays: Arrays) -> Self:
        """Restore a network from its weights."""
        torch = import_torch()
        layers = fresh_layers(0)
        layers.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return cls(box, layers.eval())


def fresh_layers(seed: int) -> Layers:
    """Return layers with random weights, which depend on the seed alone."""
    torch = import_torch()
    from .modern_layers import Layers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Layers()


def descend(
    layers: Layers,
    fields: Sequence[Field],
    steps: int,
    rate: float,
    device: str,
    rng: np.random.Generator,
    clock: Clock,
) -> Steps[None]:
    """Train layers on crops of fields, and leave them on the CPU, ready to score."""
    torch = import_torch()
    # A third faster on CPUs.
    layers.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(layers.parameters(), rate, weight_decay=_DECAY)
    for step in range(steps):
        batch = batch_of(fields, _BATCH, rng)
        scores = layers(batch.images.to(device), batch.grades.to(device))
        loss = loss_of(scores, batch.targets.to(device))
        for group in optimiser.param_groups:
            group["lr"] = rate * _rate((step + 0.5) / steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield Progress("training", step + 1, steps, clock.seconds, loss=loss.item())
    layers.cpu().to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]


def _rate(share: float) -> float:
    """Return the share of the highest learning rate: a linear warm-up, then a cosine to zero."""
    if share < _WARM_UP:
        return share / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP)))


def loss_of(scores: Tensor, targets: Tensor) -> Tensor:
    """Add the mean cross-entropies of particles, background, and rejected places."""
    softplus = import_torch().nn.functional.softplus
    known = (targets >= 0) & (targets <= 1)
    target, score = targets[known], scores[known]
    terms = []
    for weight, sign in ((target, -1), (1 - target, 1)):
        total = weight.sum()
        if total > 0:
            terms.append((weight * softplus(sign * score)).sum() / total)
    rejected = scores[targets == REJECTED]
    if len(rejected):
        terms.append(_REJECTED_WEIGHT * softplus(rejected).mean())
    return sum(terms[1:], terms[0]) if terms else math.nan * scores.sum()
