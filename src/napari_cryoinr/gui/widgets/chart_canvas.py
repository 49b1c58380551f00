"""Charts inside napari: matplotlib on a Qt widget, in the colours of napari's theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QSizePolicy

from ...quality.charts import Style

Draw = Callable[..., None]  # draw(figure, style=style)

_SIZES: dict[str, Any] = {"title": 10.0, "label": 8.5, "small": 8.5, "narrow": True}
_SMALLEST = QSize(300, 280)  # pixels; a smaller chart has no room for its letters


def style_of(theme: str) -> Style:
    """Return the colours of one of napari's themes, and sizes for a dock."""
    from napari.utils.theme import get_theme

    chosen = get_theme(theme)
    colours = {"face": chosen.background.as_hex("long"), "text": chosen.text.as_hex("long")}
    if chosen.type == "dark":
        colours |= {"first": "#7db4f0", "second": "#ff9a52", "mark": "#b8bcc4"}
        return Style(**colours, **_SIZES, palest=0.3)
    return Style(**colours, **_SIZES)


class ChartCanvas(FigureCanvasQTAgg):
    """A canvas that redraws its chart when that, or the theme, changes; not while it is hidden."""

    def __init__(self, theme: str) -> None:
        super().__init__(Figure(layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05)))
        self.setMinimumSize(_SMALLEST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._style = style_of(theme)
        self._draw_chart: Draw | None = None
        self._stale = True

    def show_chart(self, draw: Draw) -> None:
        """Draw with `draw(figure, style=style)`, now and whenever it is needed again."""
        self._draw_chart = draw
        self._renew()

    def set_theme(self, theme: str) -> None:
        """Take the colours of another theme of napari."""
        self._style = style_of(theme)
        self._renew()

    def sizeHint(self) -> QSize:
        """Return the smallest size, which the layout enlarges."""
        return _SMALLEST

    def showEvent(self, event: Any) -> None:
        """Draw what was not drawn while the canvas was hidden."""
        super().showEvent(event)
        if self._stale:
            self._renew()

    def _renew(self) -> None:
        self._stale = not self.isVisible()
        if self._stale:
            return
        self.figure.clear()
        self.figure.set_facecolor(self._style.face)
        if self._draw_chart is not None:
            self._draw_chart(self.figure, style=self._style)
        self.draw_idle()
