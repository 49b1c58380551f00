"""What every network of a picker has, and the networks by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import ClassVar, NamedTuple, Self

from ...progress import Clock, Steps
from ...support.array_types import AnyArray, Float32Array
from ..calibration import Calibration
from ..examples import Example
from ..micrographs import Micrograph
from ..picking_settings import TrainingSettings
from ..preprocessing import Prepared

Arrays = Mapping[str, AnyArray]
Examples = Sequence[Example]
_CLASSES = {
    "modern": (".modern.modern_network", "ModernNetwork"),
    "deepem": (".deepem.deepem_network", "DeepEMNetwork"),
}


class ScoreMap(NamedTuple):
    """How much each place of a micrograph looks like the centre of a particle."""

    values: Float32Array  # logits (the logarithm of the odds), shape (rows, columns)
    start: tuple[float, float]  # pixel of the micrograph at which values[0, 0] is, (y, x)
    step: tuple[float, float]  # pixels of the micrograph from one value to the next, (y, x)


class Network(ABC):
    """A trained network. Its module loads torch when it computes, not when it is imported.

    Attributes
    ----------
    name : in settings and files.
    prior : calibration common to all networks of this kind.
    sees_contrast : whether scores depend on the contrast of the prepared micrograph.
    box : side of the square around one particle, pixels.
    """

    name: ClassVar[str]
    sees_contrast: ClassVar[bool] = False
    prior: ClassVar[Calibration] = Calibration(1.0, 0.0)
    box: float

    @classmethod
    @abstractmethod
    def train_steps(
        cls, examples: Examples, settings: TrainingSettings, start: Self | None, clock: Clock
    ) -> Steps[Self]:
        """Train on examples, from random weights or from those of `start`.

        Progress comes at least every half second, and the generator may be closed at any time.
        """

    @abstractmethod
    def score_steps(
        self,
        micrograph: Micrograph,
        prepared: Prepared,
        device: str,
        clock: Clock,
        rough: ScoreMap | None = None,
    ) -> Steps[ScoreMap]:
        """Score every place of a micrograph; the result is the same on every call.

        `prepared` is the micrograph, prepared for the network's box. `rough` is what
        `rough_score_steps` found at about the same contrast, and saves its work.
        """

    def rough_score_steps(
        self, micrograph: Micrograph, prepared: Prepared, device: str, clock: Clock
    ) -> Steps[ScoreMap]:
        """Score as `score_steps`, faster, and well enough to tell where particles are."""
        return (yield from self.score_steps(micrograph, prepared, device, clock))

    @abstractmethod
    def arrays(self) -> Arrays:
        """Return everything but the box that is needed to restore the network."""

    @classmethod
    @abstractmethod
    def shapes(cls, box: float) -> Mapping[str, tuple[int, ...]]:
        """Return the shapes of the arrays; raises SettingsError if there is none for the box."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, box: float, arrays: Arrays) -> Self:
        """Restore a network from `arrays`, which have the right shapes and finite values."""


def network_class(name: str) -> type[Network]:
    """Return the class of a network; its module is imported by this call."""
    module, class_name = _CLASSES[name]
    found: type[Network] = getattr(import_module(module, __package__), class_name)
    return found
