"""What every model has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..maps import DensityMap
from ..occupancy import Mask
from ..progress import Steps
from ..settings import Settings


@dataclass(frozen=True, eq=False)
class Target:
    """One map to be represented: densities where the mask holds, shape (z, y, x)."""

    map: DensityMap
    mask: Mask
    occupied: int

    @property
    def density_scale(self) -> float:
        """Largest magnitude among the occupied voxels, which normalises the densities."""
        largest = 0.0
        for part in self.map.slabs():
            values = self.map.data[part][self.mask[part]]
            if values.size:
                largest = max(largest, float(np.abs(values).max()))
        return largest or 1.0


@dataclass(frozen=True, eq=False)
class Fitted:
    """The outcome of a fit: what the archive stores.

    Attributes
    ----------
    config : the model's record for the header.
    shared : streams that all members use, by name.
    own : streams of each member, by name.
    """

    config: Any
    shared: dict[str, bytes]
    own: list[dict[str, bytes]]


class Representation(Protocol):
    """A fitted model of one map."""

    batch: int
    """How many positions to ask for at a time: some tenths of a second of work."""

    def evaluate(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Normalised densities at positions (n, 3), in voxels, order (z, y, x).

        The same on every machine and device, to the last bit.
        """
        ...


class Model(Protocol):
    """A way to represent maps.

    `own_streams` names the streams of a member that `load` needs beside the shared ones.
    """

    own_streams: tuple[str, ...]

    def fit_steps(
        self, targets: Sequence[Target], settings: Settings, known_bytes: int
    ) -> Steps[Fitted]:
        """Fit one model to all targets; `known_bytes` of the archive are certain already."""
        ...

    def load(
        self,
        config: Any,
        shared: dict[str, bytes],
        own: dict[str, bytes],
        shape: tuple[int, int, int],
        device: str,
    ) -> Representation:
        """The representation of one member of a given shape, from its streams."""
        ...
