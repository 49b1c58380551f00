"""The network `modern`: a small convolutional network that sees a whole particle at low resolution.

Five convolutions with normalisation and ReLU on the prepared micrograph, the later ones with holes,
so that each score knows 1.6 boxes around its place. It is trained on whole pieces of micrographs:
all that is far from every known particle counts as none, and particles and the rest weigh the same,
however many of them are not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ...devices import choose_device, import_torch
from ...errors import MicrographError
from ...progress import Clock, Progress, Steps
from ..calibration import Calibration
from ..crops import NONE, PARTICLE, REJECTED, STRIDE, batch_of, field_of
from ..examples import Example
from ..micrographs import Micrograph
from ..preparing import prepare
from ..settings import TrainingSettings
from .base import Arrays, Network, ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

_FIRST, _WIDE = 16, 32  # maps of the first layer, and of the others
_HOLES = (1, 2, 4, 4)  # dilations after the second layer
_BATCH = 8
_ITERATIONS = 500
_RATE, _DECAY, _WARM_UP = 5e-3, 1e-2, 0.2
_REJECTED_WEIGHT = 0.5  # of a third term of the loss, where there are rejected ones


class ModernNetwork(Network):
    """See the module."""

    name: ClassVar[str] = "modern"
    usual: ClassVar[Calibration] = Calibration(1.0, -2.4)

    def __init__(self, box: float, layers: Any) -> None:
        self.box = box
        self._layers = layers

    @classmethod
    def train_steps(
        cls,
        examples: Sequence[Example],
        settings: TrainingSettings,
        start: Self | None,
        clock: Clock,
    ) -> Steps[Self]:
        torch = import_torch()
        device = choose_device(settings.device)
        rng = np.random.default_rng(settings.seed)
        fields = []
        for number, example in enumerate(examples):
            yield Progress("preparing", number, len(examples), clock.seconds)
            prepared = prepare(example.micrograph, settings.box)
            fields.append(field_of(prepared, example.particles.xy, example.rejected.xy))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            layers = _layers()
        if start is not None:
            layers.load_state_dict(start._layers.state_dict())
        layers.to(device).train()
        steps = settings.iterations or _ITERATIONS
        optimiser = torch.optim.AdamW(layers.parameters(), _RATE, weight_decay=_DECAY)
        for step in range(steps):
            images, targets = batch_of(fields, _BATCH, rng)
            scores = layers(images[:, None].to(device))[:, 0]
            loss = _loss(scores, targets.to(device))
            for group in optimiser.param_groups:
                group["lr"] = _RATE * _rate((step + 0.5) / steps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            yield Progress("training", step + 1, steps, clock.seconds, loss=loss.item())
        return cls(settings.box, layers.eval().cpu())

    def score_steps(self, micrograph: Micrograph, device: str, clock: Clock) -> Steps[ScoreMap]:
        torch = import_torch()
        device = choose_device(device)
        yield Progress("preparing", 0, 1, clock.seconds)
        prepared = prepare(micrograph, self.box)
        yield Progress("scoring", 0, 1, clock.seconds)
        with torch.inference_mode():
            image = torch.from_numpy(prepared.image)[None, None].to(device)
            values = self._layers.to(device)(image)[0, 0].cpu().numpy()
            self._layers.cpu()
        y, x = prepared.step
        return ScoreMap(values, (0.0, 0.0), (STRIDE * y, STRIDE * x))

    def arrays(self) -> Arrays:
        return {name: value.numpy() for name, value in self._layers.state_dict().items()}

    @classmethod
    def from_arrays(cls, box: float, arrays: Arrays) -> Self:
        torch = import_torch()
        layers = _layers()
        wanted = layers.state_dict()
        for name, value in wanted.items():
            given = arrays.get(name)
            if given is None or given.shape != tuple(value.shape) or not np.isfinite(given).all():
                raise MicrographError(f"no network modern: {name} is missing or damaged")
        layers.load_state_dict({name: torch.from_numpy(arrays[name]) for name in wanted})
        return cls(box, layers.eval())


def _layers() -> Any:
    torch = import_torch()
    nn = torch.nn

    def layer(maps: int, to: int, side: int, stride: int = 1, hole: int = 1) -> list[Any]:
        padding = hole * (side // 2)
        convolution = nn.Conv2d(maps, to, side, stride, padding, hole, bias=False)
        return [convolution, nn.BatchNorm2d(to), nn.ReLU(inplace=True)]

    found = [*layer(1, _FIRST, 5), *layer(_FIRST, _WIDE, 3, STRIDE)]
    for hole in _HOLES:
        found += layer(_WIDE, _WIDE, 3, 1, hole)
    return nn.Sequential(*found, nn.Conv2d(_WIDE, 1, 1))


def _rate(share: float) -> float:
    """Of the highest learning rate, after this share of the training: up, and down to nothing."""
    if share < _WARM_UP:
        return share / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP)))


def _loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of particles, of what is none, and of what was rejected, added up."""
    softplus = import_torch().nn.functional.softplus
    terms = []
    for kind, sign, weight in (
        (PARTICLE, -1, 1.0),
        (NONE, 1, 1.0),
        (REJECTED, 1, _REJECTED_WEIGHT),
    ):
        chosen = scores[targets == kind]
        if len(chosen):
            terms.append(weight * softplus(sign * chosen).mean())
    return sum(terms[1:], terms[0]) if terms else math.nan * scores.sum()
