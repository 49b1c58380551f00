"""Charts inside napari: matplotlib draws an image in a thread, in the colours of napari's theme.

Loading matplotlib takes a second, and drawing a chart a fifth of one: on the GUI thread the window
would stall. This module does not load it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QImage, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget
from superqt.utils import qdebounced

from ...progress import Progress, Steps
from ...quality.charts import Style
from .resources import Resources

Draw = Callable[..., None]  # draw(figure, style=style)

_SIZES: dict[str, Any] = {"title": 10.0, "label": 8.5, "small": 8.5, "narrow": True}
_SMALLEST = QSize(300, 280)  # pixels; a smaller chart has no room for its letters
_DPI = 100
_RESIZING = 150  # ms without another size before a chart is drawn for it
_DRAWING = "drawing"  # kind of job
_one_at_a_time = threading.Lock()  # matplotlib's caches are shared


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A chart as matplotlib has drawn it."""

    figure: Any
    pixels: bytes  # RGBA
    width: int
    height: int
    ratio: float  # pixels of the device in one of Qt's


def style_of(theme: str) -> Style:
    """Return the colours of one of napari's themes, and sizes for a dock."""
    from napari.utils.theme import get_theme

    chosen = get_theme(theme)
    colours = {"face": chosen.background.as_hex("long"), "text": chosen.text.as_hex("long")}
    if chosen.type == "dark":
        colours |= {"first": "#7db4f0", "second": "#ff9a52", "mark": "#b8bcc4"}
        return Style(**colours, **_SIZES, palest=0.3)
    return Style(**colours, **_SIZES)


class ChartCanvas(QWidget):
    """Shows a chart, drawn again when that, the size or the theme changes; not while it is hidden.

    While a chart is being drawn, the one before is shown.
    """

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.setMinimumSize(_SMALLEST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.figure: Any = None  # of the chart that is shown
        self._style = style_of(theme)
        self._draw_chart: Draw | None = None
        self._image: QImage | None = None
        self._stale = True
        self._resources = Resources()
        self._renew_later = qdebounced(self._renew, timeout=_RESIZING)
        self.destroyed.connect(self._resources.release)

    @property
    def is_current(self) -> bool:
        """Whether the chart that was asked for last is shown, or none was."""
        return not self._stale and not self._resources.is_running(_DRAWING)

    def show_chart(self, draw: Draw) -> None:
        """Draw with `draw(figure, style=style)`, in a thread; again whenever that is needed."""
        self._draw_chart = draw
        self._renew()

    def set_theme(self, theme: str) -> None:
        """Take the colours of another theme of napari."""
        self._style = style_of(theme)
        self._image = None  # in the colours of the one before
        self._renew()

    def sizeHint(self) -> QSize:
        """Return the smallest size, which the layout enlarges."""
        return _SMALLEST

    def showEvent(self, event: Any) -> None:
        """Draw what was not drawn while the canvas was hidden."""
        super().showEvent(event)
        if self._stale:
            self._renew()

    def resizeEvent(self, event: Any) -> None:
        """Draw for another size, once that stays."""
        super().resizeEvent(event)
        self._stale = True
        self._renew_later()

    def paintEvent(self, event: Any) -> None:
        """Paint the chart as it was drawn last, stretched until it is drawn for this size."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._style.face))
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self.rect(), self._image)
        painter.end()

    def _renew(self) -> None:
        self._renew_later.cancel()
        self._stale = not self.isVisible()
        if self._stale or self._draw_chart is None:
            return
        size, ratio = self.size(), float(self.devicePixelRatioF())
        steps = _drawing_steps(self._draw_chart, self._style, size.width(), size.height(), ratio)
        self._resources.start_job(_DRAWING, steps, done=self._on_drawn)

    def _on_drawn(self, drawn: _Drawn) -> None:
        self.figure = drawn.figure
        shape = drawn.width, drawn.height, 4 * drawn.width
        self._image = QImage(drawn.pixels, *shape, QImage.Format.Format_RGBA8888).copy()
        self._image.setDevicePixelRatio(drawn.ratio)
        self.update()


def _drawing_steps(
    draw: Draw, style: Style, width: int, height: int, ratio: float
) -> Steps[_Drawn]:
    """Draw a chart of so many of Qt's pixels."""
    yield Progress("drawing", 0, 2)
    with _one_at_a_time:
        yield Progress("drawing", 1, 2)  # another chart may have been asked for meanwhile
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        figure = Figure(
            (width / _DPI, height / _DPI),
            dpi=_DPI * ratio,
            facecolor=style.face,
            layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05),
        )
        canvas = FigureCanvasAgg(figure)
        draw(figure, style=style)
        canvas.draw()
        columns, rows = canvas.get_width_height()
        return _Drawn(figure, bytes(canvas.buffer_rgba()), columns, rows, ratio)
