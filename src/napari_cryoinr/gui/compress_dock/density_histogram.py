"""The histogram of a map's densities, with the threshold as a line that can be dragged."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QStyle, QWidget

from ..widgets.plot import Axis, Curve, Plot
from .map_facts import MapFacts

_HEIGHT = 84  # pixels


class DensityHistogram(Plot):
    """Logarithmic counts against density, as wide as the track of a slider below it.

    `moved` has the density to which the line was dragged.
    """

    def __init__(self, theme: str, slider: QWidget) -> None:
        handle = slider.style().pixelMetric(QStyle.PixelMetric.PM_SliderLength, None, slider)
        super().__init__(theme, _HEIGHT, bare=True, margin=handle // 2)
        self.setToolTip(
            "How many voxels have which density, on a logarithmic scale: solvent is the peak,"
            " structure the tail on its right. Drag the line to move the threshold"
        )
        self.draggable = True

    def show_map(self, facts: MapFacts | None, in_sigma: bool) -> None:
        """Show the densities of a map, in ticks of its standard deviation or as they are."""
        if facts is None:
            self.show_curves((), Axis(0, 1, text=lambda _: ""), Axis(0, 1))
            self.show_mark(None)
            return
        edges, counts = facts.histogram.edges, facts.histogram.counts
        x = np.repeat(edges, 2)[1:-1]
        y = np.repeat(np.maximum(counts, 0.5), 2)
        low, high = float(edges[0]), float(edges[-1])

        def text(density: float) -> str:
            return f"{density:.4g}"

        axis = Axis(low, high, text=text)
        if in_sigma:
            low, high = facts.to_sigma(low), facts.to_sigma(high)
            x = (x - facts.stats.mean) / (facts.stats.sigma or 1.0)
            axis = Axis(low, high, text=lambda number: f"{number:.4g} σ")
        top = 1.3 * max(float(counts.max(initial=1)), 1.0)
        self.show_curves([Curve(x, y, filled=True)], axis, Axis(0.5, top, log=True))
