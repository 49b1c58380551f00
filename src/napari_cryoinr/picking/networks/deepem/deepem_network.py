"""The network `deepem`: the eight layers of DeepEM, trained by gradient descent on patches.

Zhu, Ouyang and Mao, "A deep convolutional neural network approach to single-particle recognition in
cryo-electron microscopy", BMC Bioinformatics 18:348, 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from ....progress import Clock, Progress, Steps
from ....support.array_types import Float32Array, Int64Array
from ....support.devices import choose_device, import_torch
from ...micrographs import Micrograph
from ...picking_settings import TrainingSettings
from ...preprocessing import Prepared
from ..network_base import Arrays, Examples, Network, ScoreMap
from .deepem_layers import NAMES, POOLS, Layers, layers_for
from .patches import MOST, padded, patches_steps
from .window_scores import score_map_steps

if TYPE_CHECKING:
    from torch import Tensor

Weights = Mapping[str, Float32Array]

RATE = 1.0
BATCH = 50
EPOCHS = 20
TURNS = 4
ITERATIONS = EPOCHS * 2 * MOST * TURNS // BATCH  # 800 patches of each kind, at four rotations
_AT_ONCE = 1 << 19  # pixels of patches whose gradient is computed at once


class DeepEMNetwork(Network):
    """The layers that `layers_for` chooses, with trained weights."""

    name: ClassVar[str] = "deepem"

    def __init__(self, box: float, weights: Weights) -> None:
        self.box = box
        self._layers = layers_for(box)
        self._weights = weights

    @classmethod
    def train_steps(
        cls, examples: Examples, settings: TrainingSettings, start: Self | None, clock: Clock
    ) -> Steps[Self]:
        """Train on examples; see `Network`."""
        layers = layers_for(settings.box)
        device = choose_device(settings.device)
        rng = np.random.default_rng(settings.seed)
        positives, negatives = yield from patches_steps(examples, layers, rng, clock)
        first = glorot_weights(layers, rng) if start is None else start._weights
        steps = settings.iterations or ITERATIONS
        weights = yield from descend(
            first, layers, positives, negatives, steps, device=device, rng=rng, clock=clock
        )
        return cls(settings.box, weights)

    def score_steps(
        self,
        micrograph: Micrograph,
        prepared: Prepared,
        device: str,
        clock: Clock,
        rough: ScoreMap | None = None,
    ) -> Steps[ScoreMap]:
        """Score every place; see `Network`."""
        if rough is not None:
            return rough
        torch = import_torch()
        device = choose_device(device)
        yield Progress("preparing", 0, 1, clock.seconds)
        image = padded(micrograph, self._layers)
        weights = {name: torch.from_numpy(v).to(device) for name, v in self._weights.items()}
        return (yield from score_map_steps(image, self._layers, weights, clock))

    def arrays(self) -> Arrays:
        """Return the weights."""
        return self._weights

    @classmethod
    def shapes(cls, box: float) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights."""
        return layers_for(box).shapes

    @classmethod
    def from_arrays(cls, box: float, arrays: Arrays) -> Self:
        """Restore a network from its weights."""
        return cls(box, arrays)


def glorot_weights(layers: Layers, rng: np.random.Generator) -> dict[str, Float32Array]:
    """Return random weights (Glorot and Bengio 2010, equation 16) and biases of 0."""
    found: dict[str, Float32Array] = {}
    for name, shape in layers.shapes.items():
        if name.endswith("bias"):
            found[name] = np.zeros(shape, np.float32)
            continue
        out, into = shape[:2] if len(shape) == 4 else (1 / math.prod(shape[1:]), shape[0])
        limit = math.sqrt(6 / ((into + out) * math.prod(shape[-2:])))
        found[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
    return found


def outputs(weights: Mapping[str, Tensor], patches: Tensor) -> Tensor:
    """Return the network's outputs, 0 to 1, shape (n,), for standardised patches (n, y, x)."""
    functional = import_torch().nn.functional
    maps = patches[:, None]
    for name, pool in zip(NAMES, POOLS, strict=False):
        maps = functional.conv2d(maps, weights[f"{name}.weight"], weights[f"{name}.bias"])
        maps = functional.avg_pool2d(maps.sigmoid(), pool)
    maps = functional.conv2d(maps, weights["output.weight"][None], weights["output.bias"])
    return maps[:, 0, 0, 0].sigmoid()


def descend(
    weights: Weights,
    layers: Layers,
    positives: Float32Array,
    negatives: Float32Array,
    steps: int,
    *,
    device: str,
    rng: np.random.Generator,
    clock: Clock,
) -> Steps[Weights]:
    """Train weights on standardised patches, shape (n, side, side) each.

    Where there are fewer than 800 patches of a kind, they are repeated, so that both kinds have the
    same weight and the steps stay as many.
    """
    torch = import_torch()
    trained = {
        name: torch.tensor(value, device=device, requires_grad=True)  # a copy
        for name, value in weights.items()
    }
    optimiser = torch.optim.SGD(trained.values(), RATE)
    kinds = [torch.from_numpy(kind) for kind in (positives, negatives)]
    at_once = max(1, min(BATCH, _AT_ONCE // layers.side**2))
    order = _order(len(positives), len(negatives), rng)
    loss = None
    for step in range(steps):
        optimiser.zero_grad()
        batch, error = next(order), 0.0
        for start in range(0, BATCH, at_once):
            yield Progress("training", step, steps, clock.seconds, loss=loss)
            part = batch[start : start + at_once]
            patches = torch.stack([kinds[kind][number].rot90(turn) for kind, number, turn in part])
            wanted = torch.tensor([1.0 - kind for kind, _, _ in part], device=device)
            share = (outputs(trained, patches.to(device)) - wanted).square().sum() / (2 * BATCH)
            share.backward()
            error += share.item()
        optimiser.step()
        loss = error
    return {name: value.detach().cpu().numpy() for name, value in trained.items()}


def _order(positives: int, negatives: int, rng: np.random.Generator) -> Iterator[Int64Array]:
    """Yield endless batches, shape (BATCH, 3): kind (1 for negatives), number and turn."""
    while True:
        epoch = []
        for kind, count in enumerate((positives, negatives)):
            rounds = [rng.permutation(TURNS * count) for _ in range(-(-MOST // count))]
            number, turn = np.divmod(np.concatenate(rounds)[: TURNS * MOST], TURNS)
            epoch.append(np.stack([np.full(TURNS * MOST, kind), number, turn], 1))
        yield from rng.permutation(np.concatenate(epoch)).reshape(-1, BATCH, 3)
