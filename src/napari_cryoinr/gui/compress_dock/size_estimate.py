"""An estimate of the file size that follows the settings, a moment behind them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from qtpy.QtCore import QTimer

from ... import workers
from ...maps.density_map import DensityMap
from ...settings import Settings
from ..jobs.job import Job
from .map_facts import bytes_text

AUTOMATIC_VOXELS = 1 << 24  # of larger maps an estimate takes minutes: it is made when asked for
_PAUSE = 600  # ms without a change before work begins


class SizeEstimate:
    """Estimates in the background; a new wish ends the work on the one before.

    Parameters
    ----------
    say : gets what is known: an estimate, that it is being made, or why there is none.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._job: Job | None = None
        self._wish: tuple[DensityMap, Settings] | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.begin)

    @property
    def busy(self) -> bool:
        """Whether an estimate is on its way."""
        return self._timer.isActive() or (self._job is not None and self._job.running)

    def wish(self, density_map: DensityMap, settings: Settings) -> None:
        """Estimate for a map and settings, after a pause; only when asked for if it is large."""
        self.stop()
        self._wish = density_map, settings
        if density_map.data.size > AUTOMATIC_VOXELS:
            self._say("press Estimate")
            return
        self._say("estimating...")
        self._timer.start(_PAUSE)

    def begin(self) -> None:
        """Estimate what was last wished for, now."""
        if self._wish is None:
            return
        self.stop()
        density_map, settings = self._wish
        self._say("estimating...")
        self._job = Job(
            workers.estimate_steps(density_map, settings),
            f"Estimating {density_map.name}",
            done=lambda estimate: self._say(_text(estimate.bytes, estimate.at_least, density_map)),
            failed=lambda error: self._say(f"no estimate: {error}"),
        )

    def stop(self) -> None:
        """End the work; nothing is said any more."""
        with contextlib.suppress(RuntimeError):  # at the end of the program Qt may be gone
            self._timer.stop()
        if self._job is not None:
            self._job.forget()
            self._job = None


def _text(size: int, at_least: bool, density_map: DensityMap) -> str:
    word = "at least" if at_least else "about"
    return f"{word} {bytes_text(size)}, {density_map.raw_bytes / max(size, 1):,.0f} : 1"
