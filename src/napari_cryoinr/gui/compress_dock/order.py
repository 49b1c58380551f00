"""What would be compressed now, and how: all that is said of the file follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from ...codec.members import HalfMaps
from ...settings import Settings
from ..io.map_layers import MapsReader
from .map_analysis import Analysis, Where
from .map_facts import MapFacts
from .promise import kept_of, promise
from .size_estimate import Request


@dataclass(frozen=True, eq=False)
class Order:
    """A compression that can be begun.

    Attributes
    ----------
    facts : what the layer holds.
    settings : as they count for it.
    together : whether its partner, the other half-map, goes into the file too.
    half_maps : those whose noise is the measure.
    """

    facts: MapFacts
    settings: Settings
    together: bool
    half_maps: HalfMaps | None

    @property
    def maps(self) -> int:
        """Number of maps in the file."""
        return 2 if self.together else self.facts.volumes

    @property
    def voxels(self) -> int:
        """Number of voxels of all maps."""
        return self.maps * self.facts.map.data.size

    @property
    def read(self) -> MapsReader:
        """What reads all maps."""
        return self.facts.reader(self.together)

    @property
    def name(self) -> str:
        """Name of the map that the layer is, or of the stack."""
        return self.facts.map.name if self.facts.volumes == 1 else self.facts.name

    @property
    def kept(self) -> str:
        """What is kept: envelope, contour, volume or exactly."""
        kind = "half-map" if self.together else self.facts.kind
        return kept_of(self.settings, kind, self.half_maps is not None)

    @property
    def request(self) -> Request:
        """What the size is estimated of."""
        return Request(self.facts.map, self.settings, self.half_maps, self.read, self.maps)

    def where(self, threshold: float | None) -> Where:
        """Return where in the map that is, with the threshold as a density."""
        density = threshold if self.kept == "envelope" else None
        return Where(density, self.settings.mask_extend, self.settings.mask_edge)

    def promise(self, threshold: float | None, found: Analysis | None) -> str:
        """Return what the file will hold, in a sentence without its full stop."""
        limit = None if found is None else found.resolution
        resolution = None if limit is None else limit.angstrom
        if not isinstance(self.settings.resolution, str):
            resolution = self.settings.resolution
        halves = self.half_maps is not None
        text = promise(self.settings, self.kept, threshold, resolution, halves)
        return text if self.maps == 1 else f"{text}, in each of {self.maps} maps"
