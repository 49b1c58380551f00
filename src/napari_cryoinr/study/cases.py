"""Maps as a study uses them: with a contour, their traits, and low-passed copies."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import MapError
from ..maps.density_map import DensityMap
from ..maps.fourier_shells import FourierShells
from ..maps.map_statistics import statistics
from ..maps.threshold import resolve_threshold
from ..models.base import Target
from ..models.paper.auto_settings import Traits, traits_steps
from ..progress import Clock, Steps
from ..support.checksums import voxel_checksum


@dataclass(frozen=True, eq=False)
class Case:
    """A map with a contour."""

    map: DensityMap
    threshold: float  # density of the contour
    traits: Traits
    checksum: str  # of the voxels
    resolution: float  # Å, of the map itself or of a low-pass filter
    filtered: bool = False  # whether it was low-passed for the study

    @property
    def name(self) -> str:
        """Name of the map."""
        return self.map.name


def case_steps(density_map: DensityMap, setting: float | str, clock: Clock) -> Steps[Case]:
    """Find the contour and the traits of a map, as a generator of progress.

    Raises
    ------
    MapError
        If nothing is above the contour, or there is none.
    """
    threshold = resolve_threshold(setting, statistics(density_map))
    if threshold is None:
        raise MapError(
            f"{density_map.name}: has no contour, and the model paper keeps what lies above one;"
            " give a density as the threshold"
        )
    target = Target.above(density_map, threshold, exact_mask=True)
    traits = yield from traits_steps(target, clock)
    edge = FourierShells(density_map.data.shape, density_map.voxel_size).edge
    checksum = voxel_checksum(density_map.data)
    return Case(density_map, threshold, traits, checksum, edge / traits.waves)


def low_passed_steps(case: Case, resolution: float, clock: Clock) -> Steps[Case | None]:
    """Return a map without what lies beyond a resolution in Å, above its own automatic contour.

    None where the map has nothing there to be taken away, or its box too few shells.
    """
    shells = FourierShells(case.map.data.shape, case.map.voxel_size)
    if resolution < case.resolution or shells.edge / resolution < 2:
        return None
    data = shells.low_passed(case.map.data, resolution)
    name = f"{case.name} at {resolution:g} Å"
    made = yield from case_steps(replace(case.map, data=data, name=name), "auto", clock)
    return replace(made, resolution=resolution, filtered=True)
