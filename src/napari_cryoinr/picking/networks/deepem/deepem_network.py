"""The network `deepem`: the eight layers of DeepEM, as published.

Zhu, Ouyang and Mao, "A deep convolutional neural network approach to single-particle recognition in
cryo-electron microscopy", BMC Bioinformatics 18:348, 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from ....progress import Clock, Progress, Steps
from ....support.devices import choose_device, import_torch
from ...examples import Example
from ...micrographs import Micrograph
from ...picking_settings import TrainingSettings
from ..network_base import Arrays, Network, ScoreMap
from .deepem_layers import layers_for
from .deepem_training import ITERATIONS, Weights, descend, glorot_weights
from .patches import padded, patches_steps
from .window_scores import score_map_steps


class DeepEMNetwork(Network):
    """The layers that `layers_for` chooses, with trained weights."""

    name: ClassVar[str] = "deepem"

    def __init__(self, box: float, weights: Weights) -> None:
        self.box = box
        self._layers = layers_for(box)
        self._weights = weights

    @classmethod
    def train_steps(
        cls,
        examples: Sequence[Example],
        settings: TrainingSettings,
        start: Self | None,
        clock: Clock,
    ) -> Steps[Self]:
        """Train on examples; see `Network`."""
        layers = layers_for(settings.box)
        device = choose_device(settings.device)
        rng = np.random.default_rng(settings.seed)
        positives, negatives = yield from patches_steps(examples, layers, rng, clock)
        weights = yield from descend(
            glorot_weights(layers, rng) if start is None else start._weights,
            layers,
            positives,
            negatives,
            steps=settings.iterations or ITERATIONS,
            device=device,
            rng=rng,
            clock=clock,
        )
        return cls(settings.box, weights)

    def score_steps(self, micrograph: Micrograph, device: str, clock: Clock) -> Steps[ScoreMap]:
        """Score every place; see `Network`."""
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
