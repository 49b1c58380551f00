"""A small live curve of the loss.

It is drawn with Qt: a chart by matplotlib takes the GUI thread for a twentieth of a second, and
this one changes while work is going on.
"""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from ...progress import Progress

_HEIGHT = 96
_MOST = 2000  # points; beyond, every second one is dropped


class LossCurve(QWidget):
    """The logarithm of the loss against time, from the records of one piece of work."""

    def __init__(self) -> None:
        super().__init__()
        self._points: list[tuple[float, float]] = []
        self._last: Progress | None = None
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Loss against time, on a logarithmic scale. For the model field: the mean squared"
            " error of each trial; trials of other sizes of error belong to the search"
        )
        self.hide()

    @property
    def points(self) -> list[tuple[float, float]]:
        """(seconds, loss) of what is drawn."""
        return list(self._points)

    def clear(self) -> None:
        """Begin anew, hidden until there is something to see."""
        self._points, self._last = [], None
        self.hide()

    def add(self, record: Progress) -> None:
        """Take the loss of a record, if it has one."""
        if record.loss is None or not record.loss > 0:
            return
        if len(self._points) >= _MOST:
            del self._points[1::2]
        self._points.append((record.seconds, record.loss))
        self._last = record
        self.setVisible(len(self._points) > 1)
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw the curve, and the last numbers above it."""
        if len(self._points) < 2 or self._last is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        line = painter.fontMetrics().height()
        frame = QRectF(1, line + 3, self.width() - 2, self.height() - line - 5)
        faint = QPen(text)
        colour = faint.color()
        colour.setAlphaF(0.4)
        faint.setColor(colour)
        painter.setPen(faint)
        painter.drawRect(frame)
        painter.setPen(QPen(text))
        painter.drawText(QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignLeft, self._text())
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
        painter.drawPolyline([QPointF(*point) for point in self._placed(frame)])
        painter.end()

    def _text(self) -> str:
        assert self._last is not None
        words = [f"loss {self._last.loss:.3g}"]
        if self._last.validation_loss is not None:
            words.append(f"held out {self._last.validation_loss:.3g}")
        if self._last.bytes_so_far:
            words.append(f"{self._last.bytes_so_far:,} bytes")
        return ", ".join(words)

    def _placed(self, frame: QRectF) -> list[tuple[float, float]]:
        times = [time for time, _ in self._points]
        heights = [math.log(loss) for _, loss in self._points]
        low, high = min(heights), max(heights)
        first, length = times[0], (times[-1] - times[0]) or 1.0
        inner = frame.adjusted(4, 4, -4, -4)
        return [
            (
                inner.left() + inner.width() * (time - first) / length,
                inner.bottom() - inner.height() * (height - low) / ((high - low) or 1.0),
            )
            for time, height in zip(times, heights, strict=True)
        ]
