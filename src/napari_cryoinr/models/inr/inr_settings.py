"""Settings of the model `inr`, and what the header says of a map that it stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import SettingsError
from ...support import records
from ...support.records import checked_field
from ...symmetry.continuous import Symmetry
from ...symmetry.rotations import HELIX, check_symmetry

DEGREES = (1, 3)
MAX_LEVELS = 6
QUICK_VOXELS = 30_000
"""Of an asymmetric unit; they take a training of 10 to 50 seconds on a processor."""

_STEPS = {"fast": 80, "balanced": 300, "best": 800}
# On a GPU the usual number of steps takes small maps a second or two: they get more.
_STEPS_ON_GPU, _FEW_VOXELS = 800, 1_000_000
_MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class InrSettings:
    """Numbers of the model `inr`.

    What is "auto" or None is chosen for each map, from the map.

    Raises
    ------
    SettingsError
        For values against their rule.

    Examples
    --------
    >>> InrSettings(spacing=1.5, degree=3).levels is None
    True
    >>> InrSettings(degree=2)
    Traceback (most recent call last):
    ...
    napari_cryoinr.errors.SettingsError: degree = 2: must be one of 1, 3
    """

    spacing: float | None = checked_field(
        "voxels between the latents of the finest level; by default from the map's spectrum",
        None,
        low=0.5,
        high=16,
    )
    degree: int | None = checked_field(
        "degree of the B-splines, 1 or 3; by default the better one for the map",
        None,
        low=1,
        high=3,
    )
    finest: float | None = checked_field(
        "finest detail in Å that is represented, where it is coarser than the map's; it sets the"
        " least spacing",
        None,
        above=0,
        high=1e6,
    )
    levels: int | None = checked_field(
        "levels of the pyramid; by default as many as the map has room for, up to 5",
        None,
        low=1,
        high=MAX_LEVELS,
    )
    synthesis: str = checked_field(
        "whether a small network follows the sums of the levels; auto measures whether it pays",
        "auto",
        choices=("auto", "none", "network"),
    )
    symmetry: str = checked_field(
        "symmetry of which the asymmetric unit is stored alone: auto, none, helix (its rise and"
        " twist are found), C1 to C99, D1 to D99, T, O or I",
        "auto",
    )
    steps: int | None = checked_field(
        "steps of training; by default from the effort", None, low=1, high=100_000
    )
    weight_exponent: float = checked_field(
        "exponent of the density in the weight of an error; 0 is the plain squared error; of goals"
        " that are an error",
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

    def __post_init__(self) -> None:
        records.check(self)
        if self.degree not in (None, *DEGREES):
            raise SettingsError(f"degree = {self.degree}: must be one of 1, 3")
        check_symmetry(self.symmetry, HELIX)

    def training_steps(self, effort: str, device: str, voxels: float) -> int:
        """Return the steps of a training, of so many voxels that are kept."""
        if self.steps is not None:
            return self.steps
        if effort == "balanced" and device == "cuda" and voxels <= _FEW_VOXELS:
            return _STEPS_ON_GPU
        return _STEPS[effort]


@dataclass(frozen=True)
class InrConfig:
    """Everything that the decoder must know beside the stream of latents."""

    edition: int = checked_field("edition of the pretrained networks", low=1, high=255)
    spacing: int = checked_field(
        "spacing of the finest lattice in 1/64 voxel; each next one is twice as coarse",
        low=32,
        high=1024,
    )
    degree: int = checked_field("degree of the B-splines, 1 or 3", low=1, high=3)
    steps: tuple[float, ...] = checked_field(
        "density of a latent of 1 on each level, the finest first",
        above=0,
        high=_MOST,
        length=(1, MAX_LEVELS),
    )
    base: float = checked_field("density where all latents are 0", low=-_MOST, high=_MOST)
    tile: int = checked_field("side of a tile in voxels, about", 128, low=16, high=256)
    synthesis: float = checked_field(
        "density that is 1 for the network that corrects the sums of the levels; 0 without one",
        0.0,
        low=0,
        high=_MOST,
    )
    contexts: int = checked_field(
        "bits of the fractions by which the context network differs from the pretrained one; 0"
        " where it does not",
        0,
        low=0,
        high=10,  # the integers of its first layer are as fine as that
    )
    reference: int | None = checked_field(
        "an earlier member of the same shape, without one itself: the context network starts from"
        " that one's, and its levels are added to the density",
        None,
        low=0,
    )
    gains: tuple[float, ...] = checked_field(
        "what the levels of the reference are multiplied by",
        (),
        low=-16,
        high=16,
        length=(0, MAX_LEVELS),
    )
    symmetry: str = checked_field("point group of the map; none where it is empty", "")
    centre: tuple[float, ...] = checked_field(
        "centre of the symmetry, (z, y, x), in voxels; rounded to 2^-12 voxel",
        (),
        low=-4096,
        high=1 << 17,
        length=(0, 3),
    )
    frame: tuple[int, ...] = checked_field(
        "quaternion (w, z, y, x) that turns the axes of the symmetry from z and x to their places",
        (),
        length=(0, 4),
    )
    helix: tuple[float, ...] = checked_field(
        "of a helix, its rise in voxels and its twist in degrees; rounded like the centre, and to"
        " 2^-24 turns",
        (),
        low=-180,
        high=4096,
        length=(0, 2),
    )

    def folding(self) -> Symmetry | None:
        """Return the symmetry of the map.

        Raises
        ------
        ValueError
            if its numbers describe none.
        """
        if not self.symmetry:
            return None
        return Symmetry.from_floats(self.symmetry, self.centre, self.frame, self.helix)
