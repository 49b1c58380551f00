"""Garbage is collected in the GUI thread alone while jobs run in others.

Python collects cyclic garbage in whatever thread happens to allocate. Qt objects among it are
deleted there, and Qt may crash where that is not the thread that they belong to.
"""

from __future__ import annotations

import gc

from qtpy.QtCore import QTimer

_EVERY = 200  # ms
_SELDOM = 100  # how much longer than Python old garbage waits: collecting it stalls the window


class GuiThreadCollection:
    """Takes over from Python's collector as long as somebody needs it; for the GUI thread."""

    def __init__(self) -> None:
        self._users = 0
        self._was_enabled = False
        self._timer: QTimer | None = None

    def begin(self) -> None:
        """Collect in this thread alone, until `end` was called as often."""
        self._users += 1
        if self._users > 1:
            return
        self._was_enabled = gc.isenabled()
        gc.disable()
        self._timer = QTimer()
        self._timer.timeout.connect(self._collect)
        self._timer.start(_EVERY)

    def end(self) -> None:
        """Let Python collect again, once nobody needs this any more."""
        self._users -= 1
        if self._users:
            return
        assert self._timer is not None
        self._timer.stop()
        self._timer = None
        if self._was_enabled:
            gc.enable()

    @staticmethod
    def _collect() -> None:
        """Collect young garbage by Python's own rule, and all of it once in some minutes."""
        counts, limits = gc.get_count(), gc.get_threshold()
        if counts[2] > _SELDOM * limits[2]:
            gc.collect()
        elif counts[1] > limits[1]:
            gc.collect(1)
        elif counts[0] > limits[0]:
            gc.collect(0)
