"""What every model has."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..maps.density_map import DensityMap
from ..progress import Clock, Steps, drain
from ..support.array_types import BoolArray, Float32Array, Float64Array, FloatArray, Region
from ..support.streams import NamedStreams

if TYPE_CHECKING:
    from ..maps.fourier_shells import ShellGoal
    from ..symmetry.continuous import Symmetry

DEFAULT_FSC, DEFAULT_NRMSE = 0.99, 0.05
# Of the models that search for the smallest file: the goals that they aim at, and the goal and its
# number where none is given, by what is kept.
LOSSY_AIMS = ("target_fsc", "target_nrmse", "target_psnr", "target_ratio", "max_error")
USUAL_AIMS = {
    "envelope": ("target_fsc", DEFAULT_FSC),
    "contour": ("target_nrmse", DEFAULT_NRMSE),
    "volume": ("target_fsc", DEFAULT_FSC),
}
_SPLINE_MARGIN = 12  # voxels beyond which one hardly matters to a spline: weights fall as 0.27^n

Streams = dict[str, bytes]


@dataclass(frozen=True)
class FitRequest:
    """The goal and the amount of work of a fit."""

    goal: str | None = None  # one of `models.GOALS`; None where none is given
    amount: float = 0.0  # the number of that goal
    effort: str = "balanced"  # or auto, see `effort_on`
    device: str = "auto"
    seed: int = 0
    own: Any = None  # a record of the model's `settings_type`; None where it has none
    unasked: bool = False  # a model that turns out not to be quick then raises `GoalMissed`
    shows: bool = False  # whether a training that can shows a plane of the map, see `Progress`

    def effort_on(self, device: str | None) -> str:
        """Return the effort on a device; None for a model that was asked for to be trained."""
        if self.effort != "auto":
            return self.effort
        return "fast" if device == "cpu" else "balanced"


@dataclass(frozen=True, eq=False)
class Target:
    """One map to be represented: densities where the mask holds, shape (z, y, x)."""

    map: DensityMap
    mask: BoolArray
    occupied: int  # voxels of the mask
    threshold: float | None  # that the densities there exceed; None where all voxels are kept
    background: float  # density that stands for the others
    exact_mask: bool  # whether the archive holds the mask: the model need not say where it is
    weight: Float32Array | None = None  # the soft mask of an envelope, 0 to 1; its mask is >= 0.5
    shells: ShellGoal | None = None  # what each Fourier shell may lose, inside the soft mask

    @classmethod
    def inside(
        cls,
        density_map: DensityMap,
        weight: Float32Array,
        threshold: float | None,
        *,
        exact_mask: bool = False,
    ) -> Target:
        """Return what lies inside a soft mask, 0 to 1, shape (z, y, x)."""
        from ..maps.threshold import background_density

        mask = weight >= 0.5
        outside = background_density(density_map, weight > 0)
        if threshold is not None:
            outside = min(outside, threshold)
        background, occupied = float(str(np.float32(outside))), int(np.count_nonzero(mask))
        return cls(density_map, mask, occupied, threshold, background, exact_mask, weight)

    @property
    def stored_mask(self) -> BoolArray:
        """The mask that an archive holds: of an envelope, all that the soft mask reaches."""
        return self.mask if self.weight is None else self.weight > 0

    @classmethod
    def above(
        cls,
        density_map: DensityMap,
        threshold: float | None,
        *,
        exact_mask: bool = False,
        always: bool = True,
    ) -> Target:
        """Return the voxels above a threshold; all where it is None.

        `always` is that of `background_density`.
        """
        from ..maps.threshold import background_density, occupancy

        mask = occupancy(density_map, threshold)
        occupied = int(np.count_nonzero(mask))
        background = float(str(np.float32(background_density(density_map, mask, always))))
        return cls(density_map, mask, occupied, threshold, background, exact_mask)

    def scaled(self, exponent: int) -> Target:
        """Return the same target with all densities times a power of two."""
        data = np.ldexp(self.map.data, exponent)
        threshold = None if self.threshold is None else math.ldexp(self.threshold, exponent)
        background = math.ldexp(self.background, exponent)
        density_map = replace(self.map, data=data)
        return replace(self, map=density_map, threshold=threshold, background=background)

    @property
    def density_scale(self) -> float:
        """Largest magnitude among the occupied voxels, which normalises the densities."""
        parts = (self.map.data[part][self.mask[part]] for part in self.map.slabs())
        return max((float(np.abs(values).max(initial=0)) for values in parts), default=0) or 1.0


@dataclass(frozen=True, eq=False)
class Fitted:
    """The outcome of a fit: what the archive stores."""

    config: Any  # the model's record for the header; None where it has none
    shared: Streams  # that all members use, by name
    own: list[Streams]  # of each member
    own_configs: list[Any]  # the model's record for the header of each member, or None


@dataclass(frozen=True, eq=False)
class Stored:
    """One member as an archive stores it."""

    config: Any  # a record of the model's `config_type`
    shared: Streams  # the model's `shared_streams`, by name
    member_config: Any  # a record of its `member_type`
    own: NamedStreams  # its streams, `member_streams` among them
    shape: tuple[int, int, int]  # voxels along z, y, x
    mode: int  # of MRC
    # an earlier member of the same shape by its number; ValueError for others
    earlier: Callable[[int], Stored]


class Representation(ABC):
    """A fitted model of one map of some shape (z, y, x).

    Its densities are the same on every machine and device, to the last bit; only the last bit of an
    interpolation between voxels may differ.
    """

    batch: int = 1 << 16  # positions to ask for at a time: some tenths of a second of work
    pointwise: bool = False  # a region costs as much as its voxels one by one: few are cheaper
    by_slabs: bool = False  # slabs cost little more than the whole volume at once

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape

    @abstractmethod
    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[FloatArray]:
        """Return the normalised densities of the voxels of a region, shape (z, y, x).

        `wanted` (shape of the region) says which are needed; the others may be anything.
        """

    @abstractmethod
    def working_bytes(self, region: Region) -> int:
        """Return the memory that `region_steps` takes for a region, beside its result."""

    def coarse_steps(self, box: Region, level: int, clock: Clock) -> Steps[FloatArray] | None:
        """Return the normalised means over the blocks of a coarser level.

        None where there is no shorter way than all their voxels.
        """
        return None

    def evaluate(self, positions: Float64Array) -> Float64Array:
        """Return the normalised densities at positions (n, 3), in voxels, order (z, y, x).

        By default they are those of the cubic B-spline through the voxels, which has two continuous
        derivatives. Only the voxels of `box_around` are decoded.
        """
        from scipy.ndimage import map_coordinates

        if not len(positions):
            return np.empty(0)
        box = self.box_around(positions)
        voxels = drain(self.region_steps(box, None, Clock()))
        places = positions - [part.start for part in box]
        return np.asarray(map_coordinates(voxels, places.T, order=3, mode="mirror"))

    def box_around(self, positions: Float64Array) -> Region:
        """Return the box that holds positions (n, 3) in voxels, at least one, and a margin."""
        last = np.array(self._shape) - 1
        low = np.clip(np.floor(positions.min(axis=0)) - _SPLINE_MARGIN, 0, last)
        high = np.clip(np.ceil(positions.max(axis=0)) + _SPLINE_MARGIN, 0, last)
        z, y, x = (slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
        return z, y, x


class Model(ABC):
    """A way to represent maps. What most models have in common is here; each adds the rest."""

    # Records, None where there is nothing: its settings; what the decoder must know of the fit, and
    # of each map.
    settings_type: ClassVar[type | None] = None
    config_type: ClassVar[type | None] = None
    member_type: ClassVar[type | None] = None
    shared_streams: ClassVar[tuple[str, ...]] = ()  # of all members, which `load` needs
    member_streams: ClassVar[tuple[str, ...]] = ()  # of one member
    normalised: ClassVar[bool] = False  # densities are divided by the largest before the fit
    median_background: ClassVar[bool] = True  # it is known where all voxels are kept too
    aims: ClassVar[tuple[str, ...]] = ()  # of the fit; other goals are checked when it is done
    sized_before: ClassVar[bool] = False  # `size_steps` tells the bytes of the streams
    # goal and number of a fit for which none is given, by what is kept
    usual_aims: ClassVar[dict[str, tuple[str, float]]] = {}

    @abstractmethod
    def fit_steps(
        self,
        targets: Sequence[Target],
        request: FitRequest,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Fit one model to all targets.

        `known_bytes` of the archive are certain already; `limit` bytes are left for the streams,
        where the size of the file is the goal.
        """

    @abstractmethod
    def load(self, stored: Stored, device: str) -> Representation:
        """Return the representation of one member.

        Raises
        ------
        ValueError
            if the streams cannot be those of such a map.
        """

    def stores_mask(self, request: FitRequest, threshold: float | None) -> bool:
        """Whether the archive holds the mask of the voxels above the threshold."""
        return threshold is not None and request.goal != "lossless"

    def encode_mask_steps(self, mask: BoolArray, clock: Clock) -> Steps[bytes]:
        """Return the mask as a stream."""
        from ..coding import masks

        return (yield from masks.encode_mask_steps(mask, clock))

    def decode_mask(self, data: bytes, shape: tuple[int, int, int]) -> BoolArray:
        """Return the mask of a stream; raises ValueError for bytes that are no such mask."""
        from ..coding import masks

        return drain(masks.decode_mask_steps(data, shape, Clock()))

    def residual_kind(self, goal: str | None) -> str | None:
        """Return which residual stream makes the goal certain: max_error, lossless or none."""
        return goal if goal in ("max_error", "lossless") else None

    def size_steps(
        self, targets: Sequence[Target], request: FitRequest, clock: Clock
    ) -> Steps[int]:
        """Return about how many bytes the streams of a fit will have; see `sized_before`."""
        raise NotImplementedError

    def quick(self, voxels: int, device: str) -> bool:
        """Whether a fit to so many voxels that count may be quick enough to be tried unasked."""
        return False

    def symmetry(self, config: Any) -> str:
        """Return the symmetry that a member is stored by, in words; nothing where it has none.

        `config` is a record of the `member_type`.
        """
        return ""

    def point_group(self, config: Any) -> Symmetry | None:
        """Return the same with its axes, where the model knows them."""
        return None

    def load_bytes(self, config: Any) -> int:
        """Return the memory that `load` takes, given the record of `config_type`."""
        return 0

    def size_advice(self, own: Any, raw_bytes: int) -> str | None:
        """Return a warning before a fit whose streams will be large beside the voxels."""
        return None

    def trial(self, request: FitRequest, every_voxel: bool) -> tuple[FitRequest, float]:
        """Return (a request for a shorter fit, usual size of a full fit as a share of its size)."""
        return request, 1.0
