"""What the header of an archive says of the model `paper`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ...support.records import checked_field


class LayerShape(NamedTuple):
    """One layer: its inputs and outputs, whether it has a shortcut, and a learned one."""

    inputs: int
    outputs: int
    shortcut: bool
    learned: bool


@dataclass(frozen=True)
class PaperConfig:
    """What the decoder of the model `paper` must know."""

    frequencies: int = checked_field("octaves of the positional encoding", low=0, high=24)
    latent_size: int = checked_field("length of each map's latent vector", low=0, high=4096)
    widths: tuple[int, ...] = checked_field(
        "widths of the hidden layers", low=1, high=16384, length=(1, 16)
    )
    residual: str = checked_field(
        "which hidden layers have a shortcut", choices=("none", "alternate", "full")
    )
    projection: str = checked_field("shortcut where widths differ", choices=("fold", "learned"))
    weights: str = checked_field(
        "number format of weights and latents", choices=("float16", "float32")
    )
    exponents: tuple[int, ...] = checked_field(
        "activations of the input and of each hidden layer are integers in units of 2^-e",
        low=-100,
        high=100,
        length=(2, 17),
    )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of all layers, from the input to the one output."""
        return (3 + 6 * self.frequencies + self.latent_size, *self.widths, 1)

    @property
    def layers(self) -> list[LayerShape]:
        """Shapes of the layers, the output layer last."""
        found = []
        for index, (inputs, outputs) in enumerate(pairwise(self.sizes)):
            every_second = self.residual == "alternate" and index % 2 == 1
            shortcut = index < len(self.widths) and (self.residual == "full" or every_second)
            learned = shortcut and self.projection == "learned" and inputs != outputs
            found.append(LayerShape(inputs, outputs, shortcut, learned))
        return found

    @property
    def parameters(self) -> int:
        """Numbers in the stream of the shared weights."""
        return sum(a * b * (2 if learned else 1) + b for a, b, _, learned in self.layers)
