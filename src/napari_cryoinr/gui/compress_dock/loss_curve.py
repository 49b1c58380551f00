"""A small live curve of the loss, drawn with Qt: matplotlib would block the window for 50 ms."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from ...progress import Progress

_HEIGHT = 96
_MOST = 2000  # points; beyond, every second one is dropped


class LossCurve(QWidget):
    """The logarithm of the loss against time, from the records of one job."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[float, float]] = []  # (seconds, loss)
        self._text = ""
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Loss against time, on a logarithmic scale. For the model field: the mean squared"
            " error of each trial; trials of other sizes of error belong to the search. For the"
            " model inr: the loss as a share of what the goal allows"
        )
        self.hide()

    def clear(self) -> None:
        """Begin anew, hidden until there are two points."""
        self.points = []
        self.hide()

    def add(self, record: Progress) -> None:
        """Add the loss of a record, if it has one."""
        if record.loss is None or not record.loss > 0:
            return
        if len(self.points) >= _MOST:
            del self.points[1::2]
        self.points.append((record.seconds, record.loss))
        self._text = f"loss {record.loss:.3g}"
        if record.validation_loss is not None:
            self._text += f", held out {record.validation_loss:.3g}"
        if record.bytes_so_far:
            self._text += f", {record.bytes_so_far:,} bytes"
        self.setVisible(len(self.points) > 1)
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw the last numbers, and the curve in a frame below them."""
        if len(self.points) < 2:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = painter.fontMetrics().height()
        frame = self.rect().adjusted(1, line + 3, -1, -2)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft, self._text)
        painter.setPen(self.palette().color(QPalette.ColorRole.Mid))
        painter.drawRect(frame)
        points = np.array(self.points)
        points[:, 1] = -np.log(points[:, 1])  # downwards, as pixels are counted
        points -= points.min(axis=0)
        points /= np.maximum(points.max(axis=0), 1e-12)
        inner = frame.adjusted(4, 4, -4, -4)
        places = points * (inner.width(), inner.height()) + (inner.left(), inner.top())
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
        painter.drawPolyline([QPointF(x, y) for x, y in places.tolist()])
        painter.end()
