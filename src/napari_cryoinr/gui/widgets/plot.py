"""A small chart that Qt paints at once; matplotlib takes a tenth of a second for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from ...quality.charts import Style
from ...support.array_types import Float64Array, FloatArray
from .chart_canvas import style_of

_GAP = 4  # pixels
_TICK_SPACE = 56  # pixels from one tick of the x axis to the next, at least
_POINT = 3.5  # radius in pixels
_FAINT = 70  # opacity of areas and grid lines, of 255


def short_number(value: float) -> str:
    """Return a number for a tick: few digits, 1.2k or 3M where it is large."""
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale and abs(value) < 1e13:
            return f"{value / scale:.4g}{unit}"
    return f"{value:.4g}"


@dataclass(frozen=True)
class Axis:
    """One axis: its ends, whether it is logarithmic, its label, and how ticks are written."""

    low: float
    high: float
    label: str = ""
    log: bool = False
    text: Callable[[float], str] = short_number
    at: tuple[float, ...] = ()  # ticks; by default round values

    def shares(self, values: FloatArray | Sequence[float]) -> Float64Array:
        """Return where values lie between the ends, 0 to 1."""
        numbers = np.asarray(values, np.float64)
        low, high = self.low, self.high
        if self.log:
            numbers = np.log(np.maximum(numbers, 1e-300))
            low, high = math.log(max(low, 1e-300)), math.log(max(high, 1e-300))
        return (numbers - low) / ((high - low) or 1.0)

    def value(self, share: float) -> float:
        """Return the inverse of `shares`."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        """Return round values for at most so many ticks."""
        if self.at:
            return list(self.at)
        if self.log:
            return self._decades(most)
        raw = (self.high - self.low) / max(most, 1)
        if not raw > 0:
            return [self.low]
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _decades(self, most: int) -> list[float]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        every = max(1, -(-(last - first + 1) // max(most, 1)))
        found = [10.0**n for n in range(first, last + 1, every)]
        if len(found) > 1 or most < 2:
            return found
        values = [m * 10.0**n for n in range(first - 1, last + 1) for m in (1, 2, 5)]
        return [value for value in values if self.low <= value <= self.high][:most]


@dataclass(frozen=True, eq=False)
class Curve:
    """A line of a chart, with its name in the legend."""

    x: FloatArray
    y: FloatArray
    name: str = ""
    second: bool = False  # in the second colour
    filled: bool = False  # the area below it too
    points: bool = False  # with a mark at each point


class Plot(QWidget):
    """Curves in a frame with two axes, and a line at one x, which the user may drag.

    Names of the axes and of the curves are above and below it, so that it may be narrow.
    """

    moved = Signal(float)  # the x to which the user has dragged the line
    clicked = Signal(int)  # the number of the point of the first curve that the user has clicked

    def __init__(self, theme: str, height: int, *, bare: bool = False, margin: int = 0) -> None:
        super().__init__()
        self._style: Style = style_of(theme)
        self._bare, self._margin = bare, margin  # without a y axis; pixels at both sides then
        self._x, self._y = Axis(0, 1), Axis(0, 1)
        self._curves: tuple[Curve, ...] = ()
        self._mark: float | None = None
        self._mark_text, self._chosen = "", -1
        self.draggable = self.clickable = False
        self.setFixedHeight(height)
        self.setMinimumWidth(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves that are shown."""
        return self._curves

    @property
    def mark(self) -> float | None:
        """Where the line is; None if there is none."""
        return self._mark

    def show_curves(self, curves: Sequence[Curve], x: Axis, y: Axis) -> None:
        """Show other curves."""
        self._curves, self._x, self._y = tuple(curves), x, y
        self.update()

    def show_mark(self, x: float | None, text: str = "") -> None:
        """Show the line somewhere else, with a text at its end, or none."""
        self._mark, self._mark_text = x, text
        self.update()

    def show_chosen(self, number: int) -> None:
        """Show one point of the first curve as chosen; -1 for none."""
        self._chosen = number
        self.update()

    def set_theme(self, theme: str) -> None:
        """Take the colours of another theme of napari."""
        self._style = style_of(theme)
        self.update()

    def place_of(self, x: float, y: float | None = None) -> QPointF:
        """Return the pixel of a point; by default of the middle of the line at x."""
        frame = self._frame()
        height = 0.5 if y is None else float(self._y.shares([y])[0])
        share = float(self._x.shares([x])[0])
        return QPointF(
            frame.left() + share * frame.width(), frame.bottom() - height * frame.height()
        )

    def mousePressEvent(self, event: Any) -> None:
        """Move the line to the mouse, or choose the point that is nearest to it."""
        if self.clickable and self._curves:
            places = self._pixels(self._curves[0])
            apart = np.hypot(*(places - (event.position().x(), event.position().y())).T)
            if apart.size:
                self.clicked.emit(int(np.argmin(apart)))
        self._drag(event)

    def mouseMoveEvent(self, event: Any) -> None:
        """Move the line with the mouse."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._drag(event)

    def _drag(self, event: Any) -> None:
        if not self.draggable:
            return
        frame = self._frame()
        share = (event.position().x() - frame.left()) / max(frame.width(), 1.0)
        self.moved.emit(self._x.value(min(max(share, 0.0), 1.0)))

    def paintEvent(self, event: Any) -> None:
        """Paint all of it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = self._frame()
        self._paint_axes(painter, frame)
        painter.save()
        painter.setClipRect(frame.adjusted(-_POINT, -_POINT, _POINT, _POINT))
        for curve in self._curves:
            self._paint_curve(painter, curve, frame)
        painter.restore()
        if self._mark is not None:
            self._paint_mark(painter, frame)
        painter.end()

    def _frame(self) -> QRectF:
        """Return where the curves are, in pixels."""
        line = self.fontMetrics().height()
        left, top = (self._margin, 1) if self._bare else (self._left(), line + _GAP)
        bottom = line + _GAP + (line if self._x.label else 0)
        right = self._margin if self._bare else 8
        return QRectF(left, top, self.width() - left - right, self.height() - top - bottom)

    def _left(self) -> int:
        ticks = self._y.ticks(4)
        texts = [self.fontMetrics().horizontalAdvance(self._y.text(tick)) for tick in ticks]
        return max(texts, default=0) + 2 * _GAP

    def _pixels(self, curve: Curve) -> Float64Array:
        """Return the places of its points, (n, 2)."""
        frame = self._frame()
        x = frame.left() + self._x.shares(curve.x) * frame.width()
        y = frame.bottom() - self._y.shares(curve.y) * frame.height()
        return np.stack([x, y], axis=1)

    def _paint_axes(self, painter: QPainter, frame: QRectF) -> None:
        metrics, text = self.fontMetrics(), QColor(self._style.text)
        line, faint = metrics.height(), QColor(self._style.text)
        faint.setAlpha(_FAINT)
        painter.setPen(faint)
        painter.drawRect(frame)
        if not self._bare:
            for tick in self._y.ticks(4):
                y = frame.bottom() - float(self._y.shares([tick])[0]) * frame.height()
                painter.setPen(faint)
                painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
                painter.setPen(text)
                box = QRectF(0, y - line / 2, frame.left() - _GAP, line)
                painter.drawText(box, Qt.AlignmentFlag.AlignRight, self._y.text(tick))
        painter.setPen(text)
        before = -math.inf
        for tick in self._x.ticks(max(3, int(frame.width() / _TICK_SPACE))):
            x = frame.left() + float(self._x.shares([tick])[0]) * frame.width()
            words = self._x.text(tick)
            width = metrics.horizontalAdvance(words)
            start = min(max(x - width / 2, 0.0), self.width() - width)
            if start < before + _GAP:
                continue
            before = start + width
            painter.drawLine(QPointF(x, frame.bottom()), QPointF(x, frame.bottom() + 3))
            painter.drawText(QPointF(start, frame.bottom() + line), words)
        if self._x.label:
            box = QRectF(frame.left(), self.height() - line - 1, frame.width(), line)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, self._x.label)
        if not self._bare:
            self._paint_legend(painter)

    def _paint_legend(self, painter: QPainter) -> None:
        """Write the name of the y axis, and at the right end those of the curves."""
        metrics = self.fontMetrics()
        painter.drawText(QPointF(0, metrics.ascent()), self._y.label)
        end = float(self.width())
        for curve in reversed(self._curves):
            if curve.name:
                end -= metrics.horizontalAdvance(curve.name)
                painter.setPen(QColor(self._colour(curve)))
                painter.drawText(QPointF(end, metrics.ascent()), curve.name)
                end -= 3 * _GAP

    def _paint_curve(self, painter: QPainter, curve: Curve, frame: QRectF) -> None:
        places = self._pixels(curve)
        if not len(places):
            return
        colour = QColor(self._colour(curve))
        line = QPolygonF([QPointF(x, y) for x, y in places.tolist()])
        if curve.filled:
            area = QPolygonF(line)
            area.append(QPointF(places[-1, 0], frame.bottom()))
            area.append(QPointF(places[0, 0], frame.bottom()))
            faint = QColor(colour)
            faint.setAlpha(_FAINT)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(faint)
            painter.drawPolygon(area)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, 1.6))
        painter.drawPolyline(line)
        if curve.points:
            painter.setBrush(colour)
            for number, place in enumerate(line):
                radius = 2 * _POINT if number == self._chosen else _POINT
                painter.drawEllipse(place, radius, radius)

    def _paint_mark(self, painter: QPainter, frame: QRectF) -> None:
        assert self._mark is not None
        x = self.place_of(self._mark).x()
        if not frame.left() - 1 <= x <= frame.right() + 1:
            return
        metrics = self.fontMetrics()
        painter.setPen(QPen(QColor(self._style.second), 2))
        painter.drawLine(QPointF(x, frame.top()), QPointF(x, frame.bottom()))
        if self._mark_text:
            width = metrics.horizontalAdvance(self._mark_text)
            start = x + _GAP if x + _GAP + width < frame.right() else x - _GAP - width
            painter.drawText(QPointF(start, frame.top() + metrics.ascent() + 1), self._mark_text)

    def _colour(self, curve: Curve) -> str:
        return self._style.second if curve.second else self._style.first
