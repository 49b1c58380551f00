"""What every model has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..maps.density_map import DensityMap
from ..maps.occupancy import Mask, background_density, occupancy
from ..progress import Clock, Steps
from ..settings import Settings

Region = tuple[slice, slice, slice]
Reals = npt.NDArray[Any]
"""float32 or float64"""
Sibling = Callable[[int], tuple[Any, dict[str, bytes]]]
Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Target:
    """One map to be represented: densities where the mask holds, shape (z, y, x).

    Attributes
    ----------
    occupied : voxels of the mask.
    threshold : that the densities there exceed; None where all voxels are kept.
    background : density that stands for the others.
    exact_mask : whether the archive holds the mask, so that all else is out of the model's hands.
    """

    map: DensityMap
    mask: Mask
    occupied: int
    threshold: float | None
    background: float
    exact_mask: bool

    @classmethod
    def above(
        cls,
        density_map: DensityMap,
        threshold: float | None,
        *,
        exact_mask: bool = False,
        always: bool = True,
    ) -> Target:
        """The voxels above a threshold; all where it is None. `always`: `background_density`."""
        mask = occupancy(density_map, threshold)
        occupied = int(np.count_nonzero(mask))
        background = background_density(density_map, mask, always)
        return cls(density_map, mask, occupied, threshold, background, exact_mask)

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
    own_configs : the model's record for the header of each member; None where it has none.
    """

    config: Any
    shared: dict[str, bytes]
    own: list[dict[str, bytes]]
    own_configs: list[Any]


class Representation(Protocol):
    """A fitted model of one map.

    Its densities are the same on every machine and device, to the last bit, `evaluate` of a model
    whose voxels are interpolated aside.
    """

    batch: int
    """How many positions to ask for at a time: some tenths of a second of work."""

    pointwise: bool
    """Whether a region costs as much as its voxels one by one, so that few points are cheaper."""

    def region_steps(self, region: Region, wanted: Mask | None, clock: Clock) -> Steps[Reals]:
        """Normalised densities of the voxels of a region, shape (z, y, x).

        `wanted` (shape of the region) says which are needed; the others may be anything.
        """
        ...

    def coarse_steps(self, box: Region, level: int, clock: Clock) -> Steps[Reals] | None:
        """Normalised means over the blocks of a coarser level, where there is a short way to them.

        None where there is none.
        """
        ...

    def evaluate(self, positions: Floats64) -> Floats64:
        """Normalised densities at positions (n, 3), in voxels, order (z, y, x)."""
        ...


class Model(Protocol):
    """A way to represent maps.

    `own_streams` names the streams of a member that `load` needs beside the shared ones;
    `normalised` says whether densities are divided by the largest magnitude, `resizes` whether the
    size follows the limit that `fit_steps` is given.
    """

    own_streams: tuple[str, ...]
    normalised: bool
    resizes: bool

    def fit_steps(
        self,
        targets: Sequence[Target],
        settings: Settings,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Fit one model to all targets.

        `known_bytes` of the archive are certain already; `limit` bytes are left for the streams
        where the size of the file is the goal.
        """
        ...

    def load(
        self,
        config: Any,
        shared: dict[str, bytes],
        own_config: Any,
        own: dict[str, bytes],
        shape: tuple[int, int, int],
        device: str,
        sibling: Sibling,
    ) -> Representation:
        """The representation of one member of a given shape, from its streams.

        `sibling` gives what an earlier member has: its record and its streams.
        """
        ...
