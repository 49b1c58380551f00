"""What the plots of a study share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

MARK = "#444444"
"""Colour of lines at what is claimed or asked for."""
# Okabe and Ito's colours, which colour-blind readers can distinguish, with a marker for each.
_COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")
_COLUMNS = 4


def style(number: int) -> dict[str, Any]:
    """Return colour and marker of the series of this number; the first 77 differ."""
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    return {"color": colour, "marker": marker, "markersize": 5}


def add_legend(figure: FigureBase) -> None:
    """Add a legend below the plot."""
    figure.legend(loc="outside lower center", ncols=_COLUMNS, frameon=False, fontsize=8)
