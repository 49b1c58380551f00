"""An estimate of the file size that is renewed when the settings change."""

from __future__ import annotations

from collections.abc import Callable

from superqt.utils import qdebounced

from ... import workers
from ...maps.density_map import DensityMap
from ...settings import Settings
from ..widgets.resources import Resources
from .map_facts import bytes_text

AUTOMATIC_VOXELS = 1 << 24  # of larger maps an estimate takes minutes: it is made on demand
ON_DEMAND = "press Estimate"
_PAUSE = 600  # ms without a change before work begins
_KIND = "estimating the size"


class SizeEstimate:
    """Estimates in the background; a new request ends the work on the one before.

    Parameters
    ----------
    resources : of the dock widget.
    show : gets what is known, on the GUI thread: an estimate, that it is being made, or why there
        is none.
    """

    def __init__(self, resources: Resources, show: Callable[[str], None]) -> None:
        self._resources, self._show = resources, show
        self._request: tuple[DensityMap, Settings] | None = None
        self._waiting = False
        self._begin_later = qdebounced(self.begin, timeout=_PAUSE)

    @property
    def busy(self) -> bool:
        """Whether an estimate is on its way."""
        return self._waiting or self._resources.is_running(_KIND)

    def request(self, density_map: DensityMap, settings: Settings) -> None:
        """Estimate for a map and settings after a pause; for large maps wait for `begin`."""
        self.stop()
        self._request = density_map, settings
        self._waiting = density_map.data.size <= AUTOMATIC_VOXELS
        self._show("estimating..." if self._waiting else ON_DEMAND)
        if self._waiting:
            self._begin_later()

    def begin(self) -> None:
        """Estimate what was requested last, now."""
        self.stop()
        if self._request is None:
            return
        density_map, settings = self._request
        self._show("estimating...")
        self._resources.start_job(
            _KIND,
            workers.estimate_steps(density_map, settings),
            done=lambda estimate: self._show(_text(estimate.bytes, estimate.at_least, density_map)),
            failed=lambda error: self._show(f"no estimate: {error}"),
        )

    def stop(self) -> None:
        """End the work, and show nothing of it."""
        self._waiting = False
        self._begin_later.cancel()
        self._resources.stop_job(_KIND)


def _text(size: int, at_least: bool, density_map: DensityMap) -> str:
    word = "at least" if at_least else "about"
    return f"{word} {bytes_text(size)}, {density_map.raw_bytes / max(size, 1):,.0f} : 1"
