"""An estimate of the file size that is renewed when the settings change."""

from __future__ import annotations

from collections.abc import Callable

from superqt.utils import qdebounced

from ... import workers
from ...codec.estimation import Estimate
from ...maps.density_map import DensityMap
from ...quality.quality_report import size_text
from ...settings import Settings
from ..widgets.resources import Resources

AUTOMATIC_VOXELS = 1 << 24  # of larger maps an estimate takes minutes: it is made on demand
ON_DEMAND, ESTIMATING = "press Estimate", "estimating..."
_PAUSE = 600  # ms without a change before work begins
_KIND = "estimating the size"


class SizeEstimate:
    """Estimates in the background; a new request ends the work on the one before.

    `show` is called on the GUI thread with a text: the estimate, that it is being made, or why
    there is none.
    """

    def __init__(self, resources: Resources, show: Callable[[str], None]) -> None:
        self._resources, self._show = resources, show
        self._request: tuple[DensityMap, Settings] | None = None
        self._begin_later = qdebounced(self.begin, timeout=_PAUSE)

    def request(self, density_map: DensityMap, settings: Settings) -> None:
        """Estimate after a pause without other requests; for large maps wait for `begin`."""
        self.stop()
        self._request = density_map, settings
        if density_map.data.size > AUTOMATIC_VOXELS:
            self._show(ON_DEMAND)
            return
        self._show(ESTIMATING)
        self._begin_later()

    def begin(self) -> None:
        """Begin the last request now."""
        self.stop()
        if self._request is None:
            return
        density_map, settings = self._request

        def show_estimate(estimate: Estimate) -> None:
            word = "at least" if estimate.at_least else "about"
            ratio = density_map.raw_bytes / max(estimate.bytes, 1)
            self._show(f"{word} {size_text(estimate.bytes)}, {ratio:,.0f} : 1")

        self._show(ESTIMATING)
        self._resources.start_job(
            _KIND,
            workers.estimate_steps(density_map, settings),
            done=show_estimate,
            failed=lambda error: self._show(f"no estimate: {error}"),
        )

    def stop(self) -> None:
        """End the work without a result."""
        self._begin_later.cancel()
        self._resources.stop_job(_KIND)
