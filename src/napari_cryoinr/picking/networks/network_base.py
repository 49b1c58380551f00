"""What every network of a picker has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ...progress import Clock, Steps
from ...support.array_types import AnyArray, Float32Array
from ..calibration import Calibration
from ..examples import Example
from ..micrographs import Micrograph
from ..picking_settings import TrainingSettings

Arrays = dict[str, AnyArray]


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """How much each place of a micrograph looks like the centre of a particle.

    Attributes
    ----------
    values : shape (rows, columns), float32, logits: the logarithm of the odds.
    start : the pixel of the micrograph that values[0, 0] is for, (y, x).
    step : pixels of the micrograph from one value to the next, (y, x).
    """

    values: Float32Array
    start: tuple[float, float]
    step: tuple[float, float]


class Network(ABC):
    """A trained network. It loads torch when it works, not before.

    Attributes
    ----------
    name : by which settings and files know it.
    prior : calibration that networks of this kind have in common.
    box : side of the square around one particle, pixels.
    """

    name: ClassVar[str]
    prior: ClassVar[Calibration] = Calibration(1.0, 0.0)
    box: float

    @classmethod
    @abstractmethod
    def train_steps(
        cls,
        examples: Sequence[Example],
        settings: TrainingSettings,
        start: Self | None,
        clock: Clock,
    ) -> Steps[Self]:
        """Train on examples, from random weights or from those of another network.

        Progress comes at least every half second, and the generator may be closed at any time.
        """

    @abstractmethod
    def score_steps(self, micrograph: Micrograph, device: str, clock: Clock) -> Steps[ScoreMap]:
        """The score of every place of a micrograph; the same on every call."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """All that is needed to make it again, beside its box."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, box: float, arrays: Arrays) -> Self:
        """The inverse of `arrays`.

        Raises
        ------
        MicrographError
            if the arrays are not those of this network.
        """
