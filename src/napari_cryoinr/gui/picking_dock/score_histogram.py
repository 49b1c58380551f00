"""The histogram of scores, with the threshold as a line that can be dragged."""

from __future__ import annotations

import numpy as np

from ...support.array_types import Float64Array
from ..widgets.plot import Axis, Curve, Plot

_HEIGHT = 84  # pixels
_BINS = 40


class ScoreHistogram(Plot):
    """How many candidates of the micrograph have which score, 0 to 1.

    `moved` has the score to which the line was dragged.
    """

    def __init__(self, theme: str) -> None:
        super().__init__(theme, _HEIGHT, bare=True, margin=8)
        self.setToolTip(
            "How many candidates in this micrograph have which score; those on the right of the"
            " line are picks. Drag the line to move the threshold"
        )
        self.draggable = True
        self.show_scores(None, None)

    def show_scores(self, scores: Float64Array | None, threshold: float | None) -> None:
        """Show the scores of the candidates, shape (n,), or none; None hides the line."""
        curves = []
        counts, edges = np.histogram([] if scores is None else scores, _BINS, (0.0, 1.0))
        if counts.any():
            curves = [Curve(np.repeat(edges, 2)[1:-1], np.repeat(counts, 2), filled=True)]
        top = 1.15 * max(int(counts.max()), 1)
        self.show_curves(curves, Axis(0, 1, at=(0, 0.25, 0.5, 0.75, 1)), Axis(0, top))
        self.show_mark(threshold, "")
