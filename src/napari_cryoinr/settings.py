"""Settings of a compression: what to keep, how well, and by which model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import SettingsError
from .maps.threshold import parse_threshold
from .support import records
from .support.records import checked_field

WIDTH_SCALE = {"full": 1.0, "medium": 1 / 4, "small": 1 / 16}
GOALS = ("target_nrmse", "target_psnr", "target_ratio", "max_error", "lossless")
DEFAULT_NRMSE = 0.05  # what `field` aims at without a goal
BLOCKS = (4, 6, 8, 10, 12, 16)
MAX_STEPS = {"fast": 500, "balanced": 2000, "best": 20000}


@dataclass(frozen=True)
class PaperSettings:
    """Numbers of the model `paper` (arXiv 2512.12975).

    The defaults are the source's where it gives a number, and this project's choice elsewhere; the
    documentation's page on the method says which is which.
    """

    frequencies: int = checked_field(
        "sine and cosine pairs at frequencies 2^0 to 2^(n-1); 0 leaves the encoding out",
        10,
        low=0,
        high=24,
    )
    latent_size: int = checked_field(
        "length of the learnable latent vector of each map", 64, low=0, high=4096
    )
    widths: tuple[int, ...] = checked_field(
        "widths of the hidden layers", (2048, 1024, 512, 256), low=1, high=16384, length=(1, 16)
    )
    width: str = checked_field(
        "scales all widths: full 1, medium 1/4, small 1/16", "full", choices=tuple(WIDTH_SCALE)
    )
    residual: str = checked_field(
        "which hidden layers have a shortcut: none, every second, all",
        "full",
        choices=("none", "alternate", "full"),
    )
    projection: str = checked_field(
        "shortcut where widths differ: fold (no parameters) or a learned matrix",
        "fold",
        choices=("fold", "learned"),
    )
    loss_exponent: float = checked_field(
        "exponent of the density in the loss weight", 2.0, low=0, high=16
    )
    loss_percentile: float = checked_field(
        "errors of a batch at or above this percentile get the extra weight", 90.0, low=0, high=100
    )
    loss_factor: float = checked_field("the extra weight of those errors", 3.0, low=1, high=1000)
    learning_rate: float = checked_field("initial learning rate of Adam", 1e-3, above=0, high=1)
    learning_rate_end: float = checked_field(
        "learning rate at the last step, as a share of the first (cosine); 1 keeps it constant",
        0.01,
        above=0,
        high=1,
    )
    batch_size: int = checked_field("points per training step", 2048, low=1, high=1 << 20)
    max_steps: int | None = checked_field(
        "training steps at most; by default from the effort", None, low=1, high=100_000_000
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

    def __post_init__(self) -> None:
        records.check(self)

    @property
    def layer_widths(self) -> tuple[int, ...]:
        """Widths of the hidden layers after scaling."""
        return tuple(max(1, round(w * WIDTH_SCALE[self.width])) for w in self.widths)

    @property
    def input_size(self) -> int:
        """Numbers that enter the network: coordinates, their encoding, the latent vector."""
        return 3 + 6 * self.frequencies + self.latent_size


@dataclass(frozen=True)
class FieldSettings:
    """Numbers of the model `field`.

    What is "auto" or None is chosen for each map, from the map.
    """

    block: int | None = checked_field(
        "side of a block of latents in voxels; by default the best of those tried",
        None,
        low=4,
        high=16,
    )
    shape: str = checked_field(
        "shape of the basis functions", "auto", choices=("auto", "smooth", "sharp")
    )
    occupancy: str = checked_field(
        "below the contour: soft keeps the density from exceeding it, exact stores the mask",
        "auto",
        choices=("auto", "soft", "exact"),
    )
    symmetry: str = checked_field(
        "whether the asymmetric unit of a symmetric map is stored alone",
        "auto",
        choices=("auto", "none"),
    )
    weight_exponent: float = checked_field(
        "exponent of the density in the weight of an error; 0 is the plain squared error",
        0.0,
        low=0,
        high=16,
    )
    weight_percentile: float = checked_field(
        "errors at or above this percentile get the extra weight", 90.0, low=0, high=100
    )
    weight_factor: float = checked_field(
        "the extra weight of those errors; 1 is none", 1.0, low=1, high=1000
    )
    iterations: int | None = checked_field(
        "iterations of the solver; by default from the effort", None, low=1, high=100_000
    )
    solves: int | None = checked_field(
        "runs of the solver, each better than the one before; by default from the effort",
        None,
        low=1,
        high=100,
    )

    def __post_init__(self) -> None:
        records.check(self)
        if self.block is not None and self.block not in BLOCKS:
            known = ", ".join(map(str, BLOCKS))
            raise SettingsError(f"block = {self.block}: must be one of {known}")


@dataclass(frozen=True)
class Settings(records.Record):
    """How one archive is made.

    `threshold` is a density, "Nsigma" (N standard deviations above the mean of the map), "auto"
    or "none". At most one goal can be given; without one, `field` aims at DEFAULT_NRMSE.
    """

    threshold: float | str = checked_field(
        "voxels above this density are kept: a density, Nsigma, auto or none", "auto"
    )
    model: str = checked_field("how densities are represented", "field", choices=("field", "paper"))
    target_nrmse: float | None = checked_field(
        "RMS error above the threshold, as a share of the standard deviation there",
        None,
        above=0,
        high=10,
    )
    target_psnr: float | None = checked_field(
        "peak signal-to-noise ratio over all voxels, dB", None, above=0, high=200
    )
    target_ratio: float | None = checked_field(
        "bytes of the voxels over bytes of the file", None, above=0
    )
    max_error: float | None = checked_field(
        "no voxel above the threshold is off by more than this density", None, above=0
    )
    lossless: bool = checked_field("every voxel comes back bit for bit", False)
    effort: str = checked_field("how long to train", "balanced", choices=tuple(MAX_STEPS))
    device: str = checked_field("where to train", "auto", choices=("auto", "cpu", "cuda", "mps"))
    seed: int = checked_field("seed of everything random", 0, low=0, high=2**32 - 1)
    paper: PaperSettings = checked_field("numbers of the model paper", PaperSettings())
    field: FieldSettings = checked_field("numbers of the model field", FieldSettings())

    def __post_init__(self) -> None:
        records.check(self)
        parse_threshold(self.threshold)
        given = self.goals
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} are given: give one goal at most")

    @property
    def goals(self) -> list[str]:
        """Names of the goals that are given."""
        return [name for name in GOALS if getattr(self, name)]

    @property
    def training_steps(self) -> int:
        """Training steps at most, from the paper settings or the effort."""
        return self.paper.max_steps or MAX_STEPS[self.effort]

    def changes(self) -> dict[str, Any]:
        """Plain JSON data of what differs from the defaults."""
        return _differences(self.to_dict(), Settings().to_dict())


def _differences(data: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for name, value in data.items():
        if isinstance(value, dict):
            value = _differences(value, usual.get(name, {}))
            if not value:
                continue
        elif name in usual and usual[name] == value:
            continue
        out[name] = value
    return out
