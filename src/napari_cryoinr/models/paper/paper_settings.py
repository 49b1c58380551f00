"""Settings of the model `paper`, and what the header of an archive says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from ...support import records
from ...support.records import checked_field

RESIDUALS = ("none", "alternate", "full")
WIDTH_SCALE = {"full": 1.0, "medium": 1 / 4, "small": 1 / 16}
MAX_STEPS = {"fast": 500, "balanced": 2000, "best": 20000}


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
    residual: str = checked_field("which hidden layers have a shortcut", choices=RESIDUALS)
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
    latent_grid: int = checked_field(
        "latent vectors along each axis; 1: one for the map", 1, low=1, high=64
    )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of all layers, from the input to the one output."""
        return (3 + 6 * self.frequencies + self.latent_size, *self.widths, 1)

    @property
    def latents(self) -> int:
        """Numbers in the stream of each map's latent vectors."""
        return self.latent_grid**3 * self.latent_size

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


@dataclass(frozen=True)
class PaperNumbers:
    """What the maps decide where the settings leave it open; by default the source's numbers."""

    frequencies: int = 10
    widths: tuple[int, ...] = (2048, 1024, 512, 256)
    residual: str = "full"
    loss_exponent: float = 2.0
    learning_rate: float = 1e-3
    batch_size: int = 2048


SOURCE = PaperNumbers()


@dataclass(frozen=True)
class PaperSettings:
    """Numbers of the model `paper` (arXiv 2512.12975).

    What is None is chosen from the maps, or has the source's number where `auto` is off. The other
    defaults are the source's where it gives a number, and this project's choice elsewhere; the
    documentation's page on the method says which is which.

    Raises
    ------
    SettingsError
        For values against their rule.

    Examples
    --------
    >>> settings = PaperSettings(width="small", max_steps=5000)
    >>> settings.frequencies is None
    True
    >>> settings.numbers().frequencies, settings.numbers().widths
    (10, (128, 64, 32, 16))
    >>> settings.steps("fast")
    5000
    """

    frequencies: int | None = checked_field(
        "sine and cosine pairs at frequencies 2^0 to 2^(n-1), 0 leaves the encoding out; by default"
        " up to the finest wave of the map",
        None,
        low=0,
        high=24,
    )
    latent_size: int = checked_field(
        "length of the learnable latent vector of each map", 64, low=0, high=4096
    )
    latent_grid: int = checked_field(
        "latent vectors along each axis, interpolated between; 1: one for the whole map",
        1,
        low=1,
        high=64,
    )
    widths: tuple[int, ...] | None = checked_field(
        "widths of the hidden layers; by default those that the ratio leaves",
        None,
        low=1,
        high=16384,
        length=(1, 16),
    )
    width: str | None = checked_field(
        "scales all widths, by default the source's: full 1, medium 1/4, small 1/16",
        None,
        choices=tuple(WIDTH_SCALE),
    )
    residual: str | None = checked_field(
        "which hidden layers have a shortcut: none, every second, all; by default no layer",
        None,
        choices=RESIDUALS,
    )
    projection: str = checked_field(
        "shortcut where widths differ: fold (no parameters) or a learned matrix",
        "fold",
        choices=("fold", "learned"),
    )
    initial: str = checked_field(
        "first weights: he, and an output at the mean density, or uniform, as PyTorch makes them",
        "he",
        choices=("he", "uniform"),
    )
    loss_exponent: float | None = checked_field(
        "exponent of the density in the loss weight; by default 0", None, low=0, high=16
    )
    loss_percentile: float = checked_field(
        "errors of a batch at or above this percentile get the extra weight", 90.0, low=0, high=100
    )
    loss_factor: float = checked_field("the extra weight of those errors", 3.0, low=1, high=1000)
    learning_rate: float | None = checked_field(
        "initial learning rate of Adam; by default from the widths and the contrast of the map",
        None,
        above=0,
        high=1,
    )
    learning_rate_end: float = checked_field(
        "learning rate at the last step, as a share of the first (cosine); 1 keeps it constant",
        0.01,
        above=0,
        high=1,
    )
    batch_size: int | None = checked_field(
        "points per training step; by default a 128th of the points", None, low=1, high=1 << 20
    )
    max_steps: int | None = checked_field(
        "training steps at most; by default from the effort and the number of points",
        None,
        low=1,
        high=100_000_000,
    )
    patience: int = checked_field(
        "validations without improvement before training stops", 20, low=1, high=1_000_000
    )
    chunk_size: int = checked_field(
        "points per chunk of the pair file", 1_000_000, low=1024, high=1 << 26
    )
    validation_share: float = checked_field("share of the points held out", 0.05, low=0, high=0.5)
    weights: str = checked_field(
        "number format of the stored weights", "float16", choices=("float16", "float32")
    )
    precision: str = checked_field(
        "arithmetic of the training: auto is mixed float16 on cuda, float32 elsewhere",
        "auto",
        choices=("auto", "float32", "float16", "bfloat16"),
    )
    auto: bool = checked_field(
        "choose what is not given from the maps; otherwise the source's numbers stand for it", True
    )

    def __post_init__(self) -> None:
        records.check(self)

    @property
    def sized(self) -> bool:
        """Whether the widths are given, or a scale for those of the source."""
        return self.widths is not None or self.width is not None

    def numbers(self, others: PaperNumbers = SOURCE) -> PaperNumbers:
        """Return the numbers that are given, beside others for those that are not."""
        given: dict[str, Any] = {
            name: value for name in vars(others) if (value := getattr(self, name)) is not None
        }
        if self.width is not None:
            scale = WIDTH_SCALE[self.width]
            widths = self.widths or SOURCE.widths
            given["widths"] = tuple(max(1, round(width * scale)) for width in widths)
        return replace(others, **given)

    def completed(self, numbers: PaperNumbers = SOURCE) -> PaperSettings:
        """Return settings in which nothing but the number of steps is left open."""
        return replace(self, auto=False, width=None, **vars(self.numbers(numbers)))

    def config(self, exponents: tuple[int, ...] = ()) -> PaperConfig:
        """Return what the decoder must know, with the exponents of a trained network.

        What is not given has the source's numbers.
        """
        numbers = self.numbers()
        return PaperConfig(
            numbers.frequencies,
            self.latent_size,
            numbers.widths,
            numbers.residual,
            self.projection,
            self.weights,
            exponents,
            self.latent_grid,
        )

    def steps(self, effort: str) -> int:
        """Return the number of training steps at most, by default that of the effort."""
        return self.max_steps or MAX_STEPS[effort]
