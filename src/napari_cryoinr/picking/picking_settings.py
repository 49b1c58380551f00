"""How a picker is trained, and how it picks."""

from __future__ import annotations

from dataclasses import dataclass

from ..support import records
from ..support.records import checked_field

NETWORKS = ("modern", "deepem")


@dataclass(frozen=True)
class TrainingSettings(records.Record):
    """How a picker is trained.

    Examples
    --------
    >>> TrainingSettings(box=84, iterations=100).network
    'modern'
    """

    box: float = checked_field("side of the square around one particle, pixels", low=8, high=4096)
    network: str = checked_field("which network", "modern", choices=NETWORKS)
    weights: str = checked_field(
        "weights to start from: those that come with the package, where the network has some, or"
        " random ones",
        "pretrained",
        choices=("pretrained", "random"),
    )
    iterations: int | None = checked_field(
        "training steps; by default the network's own number", None, low=1, high=1_000_000
    )
    held_out: float = checked_field(
        "share of each micrograph, at its bottom, that is only tested on; nothing is where few"
        " particles are known",
        0.15,
        low=0,
        high=0.5,
    )
    device: str = checked_field("where to compute", "auto", choices=("auto", "cpu", "cuda", "mps"))
    seed: int = checked_field("seed of all random numbers", 0, low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        records.check(self)


@dataclass(frozen=True)
class SelectionSettings(records.Record):
    """Which maxima of a score map are particles.

    Examples
    --------
    >>> SelectionSettings(distance=0.8).border
    0.5
    """

    distance: float = checked_field(
        "least distance of two particles, in boxes", 0.5, low=0.1, high=5
    )
    border: float = checked_field("least distance from the edge, in boxes", 0.5, low=0, high=5)

    def __post_init__(self) -> None:
        records.check(self)
