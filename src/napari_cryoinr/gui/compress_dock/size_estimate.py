"""How large the file will be: an estimate in the background, for what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from superqt.utils import qdebounced

from ... import workers
from ...codec.estimation import Estimate
from ...codec.members import HalfMaps
from ...maps.density_map import DensityMap
from ...progress import Progress, Steps
from ...quality.verdict import size_text
from ...settings import Settings
from ..io.map_layers import MapsReader
from ..widgets.resources import Resources

AUTOMATIC_VOXELS = 1 << 24  # of larger maps an estimate takes minutes: it is made on demand
ON_DEMAND, ESTIMATING = "press Estimate", "estimating..."
_PAUSE = 600  # ms without a change before work begins
_KIND = "estimating the size"


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be compressed, and how.

    Attributes
    ----------
    map : the map, or the first of several in one file.
    read, maps : what reads all of them, and how many they are.
    """

    map: DensityMap
    settings: Settings
    half_maps: HalfMaps | None
    read: MapsReader
    maps: int = 1

    @property
    def voxels(self) -> int:
        """Number of voxels of all maps."""
        return self.maps * self.map.data.size


class SizeEstimate:
    """Estimates in the background; a new request ends the work on the one before.

    `show` is called with a line, and with the size in bytes where it is known.
    """

    def __init__(self, resources: Resources, show: Callable[[str, int | None], None]) -> None:
        self._resources, self._show = resources, show
        self._request: Request | None = None
        self._begin_later = qdebounced(self.begin, timeout=_PAUSE)

    def request(self, request: Request) -> None:
        """Estimate after a pause without other requests; for large maps wait for `begin`."""
        self.stop()
        self._request = request
        if request.voxels > AUTOMATIC_VOXELS:
            self._show(ON_DEMAND, None)
            return
        self._show(ESTIMATING, None)
        self._begin_later()

    def begin(self) -> None:
        """Begin the last request now."""
        self.stop()
        if (request := self._request) is None:
            return
        raw = 4 * request.voxels

        def show_estimate(estimate: Estimate) -> None:
            word = "at least" if estimate.at_least else "about"
            self._show(f"{word} {smaller(estimate.bytes, raw)}", estimate.bytes)

        self._show(ESTIMATING, None)
        self._resources.start_job(
            _KIND,
            _estimate_steps(request),
            done=show_estimate,
            failed=lambda error: self._show(f"no estimate: {error}", None),
        )

    def stop(self) -> None:
        """End the work without a result."""
        self._begin_later.cancel()
        self._resources.stop_job(_KIND)


def _estimate_steps(request: Request) -> Steps[Estimate]:
    yield Progress("reading", 0, 1)
    maps = request.read()
    return (yield from workers.estimate_steps(maps, request.settings, request.half_maps))


def smaller(size: int, raw: int) -> str:
    """Return a size, and how much smaller than the voxels it is, such as: 2.0 kB, 690 × smaller."""
    ratio = raw / max(size, 1)
    times = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
    return f"{size_text(size)}, {times} × smaller"
