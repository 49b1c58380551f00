"""Settings of the model `field`, and what the header says of a map that it stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import SettingsError
from ...support import records
from ...support.records import checked_field
from ...symmetry.rotations import check_symmetry
from .band_steps import CUBIC, LARGEST_CODE

BLOCKS = (4, 6, 8, 10, 12, 16)
MAX_TILE = 64
_MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class FieldSettings:
    """Numbers of the model `field`.

    What is "auto" or None is chosen for each map, from the map.

    Raises
    ------
    SettingsError
        For values against their rule.

    Examples
    --------
    >>> FieldSettings(block=8, shape="smooth").weighted
    False
    >>> FieldSettings(block=5)
    Traceback (most recent call last):
    ...
    napari_cryoinr.errors.SettingsError: block = 5: must be one of 4, 6, 8, 10, 12, 16
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
        "none, or auto: the asymmetric unit is stored alone where rotations of the voxel grid leave"
        " the map as it is, whatever group is named",
        "auto",
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

    @property
    def weighted(self) -> bool:
        """Whether some errors count more than others."""
        return self.weight_exponent != 0 or self.weight_factor != 1

    def __post_init__(self) -> None:
        records.check(self)
        if self.block is not None and self.block not in BLOCKS:
            known = ", ".join(map(str, BLOCKS))
            raise SettingsError(f"block = {self.block}: must be one of {known}")
        check_symmetry(self.symmetry)


@dataclass(frozen=True)
class FieldConfig:
    """Everything that the decoder must know beside the stream of latents."""

    edition: int = checked_field("edition of the pretrained networks", low=1, high=255)
    block: int = checked_field("side of a block of latents, voxels", low=4, high=16)
    shape: str = checked_field("shape of the basis functions", choices=("smooth", "sharp"))
    tile: int = checked_field("side of a tile, blocks", low=1, high=MAX_TILE)
    # A latent stands for all voxels of a block: up to 64 times what one of them has.
    step: float = checked_field("density of a latent of 1", above=0, high=64 * _MOST)
    base: float = checked_field("density where all latents are 0", low=-_MOST, high=_MOST)
    symmetry: tuple[int, ...] = checked_field(
        "generators of the point group, four integers each: number of the rotation, translation"
        " along z, y, x; none where every voxel is stored for itself",
        (),
        low=-(1 << 17),
        high=1 << 17,
        length=(0, 12),
    )
    band_steps: tuple[int, ...] = checked_field(
        "step of each band of frequencies: `step` times 2^(code / 16); none where all have one",
        (),
        low=0,
        high=LARGEST_CODE,
        length=(0, 64),
    )
    aspect: tuple[float, ...] = checked_field(
        "how fine the voxels are along z, y, x as a share of the finest, where bands have steps",
        CUBIC,
        above=0,
        high=1,
        length=(3, 3),
    )
    reference: int | None = checked_field(
        "number of an earlier member whose latents predict these; absent where none does",
        None,
        low=0,
        high=65534,
    )
