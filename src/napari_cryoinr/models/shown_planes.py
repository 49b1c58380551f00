"""When a training shows a plane of the map as it would be decoded now."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from ..progress import Plane, Progress

_SECONDS, _SHARE = 1.0, 0.05  # between planes, and of the time of a training, spent on them


class ShownPlanes:
    """Adds planes to the records of a training: about one a second, for a share of its time."""

    def __init__(self, shows: bool) -> None:
        self._next = 0.0 if shows else math.inf  # when one is shown next, on the monotonic clock

    def added(self, record: Progress, make: Callable[[], Plane]) -> Progress:
        """Return a record, with a plane where it is time for one."""
        began = time.monotonic()
        if began < self._next:
            return record
        plane = make()
        ended = time.monotonic()
        self._next = ended + max(_SECONDS, (ended - began) / _SHARE)
        return replace(record, plane=plane)
