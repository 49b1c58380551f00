"""What the header of an archive says of the model `paper`."""

from __future__ import annotations

from dataclasses import dataclass

from ...support.records import checked_field


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
