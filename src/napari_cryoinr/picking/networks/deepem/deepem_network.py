"""The network `deepem`: the eight layers of DeepEM, as published.

Zhu, Ouyang and Mao, "A deep convolutional neural network approach to single-particle recognition in
cryo-electron microscopy", BMC Bioinformatics 18:348, 2017. The layers of a box are in
`deepem_layers`, what they are trained on in `patches`, the training in `deepem_training`, and the
scoring of whole micrographs in `window_scores`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from ....errors import MicrographError, SettingsError
from ....progress import Clock, Progress, Steps
from ....support.devices import choose_device, import_torch
from ...calibration import Calibration
from ...examples import Example
from ...micrographs import Micrograph
from ...picking_settings import TrainingSettings
from ..network_base import Arrays, Network, ScoreMap
from .deepem_layers import layers_for
from .deepem_module import Weights, glorot_weights
from .deepem_training import descend, steps_of_recipe
from .patches import padded, patches_steps
from .window_scores import score_map_steps


class DeepEMNetwork(Network):
    """See the module. `weights` are named and shaped as `Layers.shapes` says, float32."""

    name: ClassVar[str] = "deepem"
    prior: ClassVar[Calibration] = Calibration(1.0, 0.0)

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
        layers = layers_for(settings.box)
        device = choose_device(settings.device)
        rng = np.random.default_rng(settings.seed)
        positives, negatives = yield from patches_steps(examples, layers, rng, clock)
        weights = yield from descend(
            glorot_weights(layers, rng) if start is None else start._weights,
            layers,
            positives,
            negatives,
            steps=settings.iterations or steps_of_recipe(),
            device=device,
            rng=rng,
            clock=clock,
        )
        return cls(settings.box, weights)

    def score_steps(self, micrograph: Micrograph, device: str, clock: Clock) -> Steps[ScoreMap]:
        torch = import_torch()
        device = choose_device(device)
        yield Progress("preparing", 0, 1, clock.seconds)
        layers = self._layers
        image = padded(micrograph, layers)
        weights = {
            name: torch.from_numpy(value).to(device) for name, value in self._weights.items()
        }
        return (yield from score_map_steps(image, layers, weights, clock))

    def arrays(self) -> Arrays:
        return dict(self._weights)

    @classmethod
    def from_arrays(cls, box: float, arrays: Arrays) -> Self:
        try:
            shapes = layers_for(box).shapes
        except SettingsError as error:
            raise MicrographError(f"no network deepem: {error}") from error
        if set(arrays) != set(shapes):
            raise MicrographError(
                f"no network deepem: the arrays are {', '.join(sorted(arrays)) or 'none'}, not"
                f" {', '.join(shapes)}"
            )
        for name, shape in shapes.items():
            given = arrays[name]
            if given.shape != shape:
                raise MicrographError(
                    f"no network deepem: {name} has the shape {given.shape}, not {shape}, which a"
                    f" box of {box:g} pixels has"
                )
            if given.dtype.kind not in "fi" or not np.isfinite(given).all():
                raise MicrographError(f"no network deepem: {name} holds infinite values or NaN")
        return cls(box, {name: np.ascontiguousarray(arrays[name], np.float32) for name in shapes})
