"""The loss of a training as it goes on, against seconds."""

from __future__ import annotations

from collections import deque

import numpy as np

from ...progress import Progress
from .plot import Axis, Curve, Plot

_HEIGHT = 100
_AVERAGED = 25  # steps: the loss of one step is that of a few crops
_MOST = 1000  # points; beyond, every second one is dropped


class LossCurve(Plot):
    """The mean loss of the last steps; hidden without a training."""

    def __init__(self, theme: str) -> None:
        super().__init__(theme, _HEIGHT)
        self.points: list[tuple[float, float]] = []  # (seconds, loss)
        self._last: deque[float] = deque(maxlen=_AVERAGED)
        self.setToolTip(
            "How wrong the scores of what was marked are; where it stays flat, more"
            " steps help no more"
        )
        self.hide()

    def clear(self) -> None:
        """Begin anew."""
        self.points.clear()
        self._last.clear()
        self.hide()

    def add(self, record: Progress) -> None:
        """Add the loss of a record, if it has one."""
        if not record.is_training or record.loss is None or not record.loss > 0:
            return
        self._last.append(record.loss)
        if len(self._last) < _AVERAGED:
            return
        if len(self.points) >= _MOST:
            del self.points[1::2]
        mean = float(np.mean(self._last))
        self.points.append((record.seconds, mean))
        if len(self.points) > 1:
            self.show_curves(*curve_over_seconds(self.points, f"loss: {mean:.3g}", log=True))
            self.show()


def curve_over_seconds(
    points: list[tuple[float, float]], label: str, log: bool
) -> tuple[list[Curve], Axis, Axis]:
    """Return what `Plot.show_curves` takes for points (seconds, value)."""
    x, y = np.array(points).T
    low, high = float(y.min()), float(y.max())
    pad = (high / low) ** 0.05 if log else 0.05 * (high - low)
    ends = (low / pad, high * pad) if log else (max(low - pad, 0.0), high + pad)
    if ends[0] >= ends[1]:
        ends = (0.9 * low, 1.1 * high)
    axis = Axis(float(x[0]), max(float(x[-1]), float(x[0]) + 1e-3), "seconds")
    return [Curve(x, y)], axis, Axis(*ends, label, log)
