"""How large the file would be for several numbers of a goal, as a curve to choose from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import Signal

from ... import workers
from ...codec.estimation import Estimate
from ...quality.verdict import size_text
from ...settings import Settings
from ..widgets.job_bar import JobBar
from ..widgets.layout import Section, button, wrapping_label
from ..widgets.plot import Axis, Curve, Plot
from ..widgets.resources import Resources
from .size_estimate import Request

AUTOMATIC_VOXELS = 1 << 19  # of maps up to this size it is made unasked, where it is shown
_HEIGHT = 150
_AMOUNTS: dict[str, tuple[float, ...]] = {
    "target_fsc": (0.9, 0.95, 0.98, 0.99, 0.995, 0.999),
    "target_nrmse": (0.2, 0.1, 0.05, 0.02, 0.01),
    "target_psnr": (30.0, 35.0, 40.0, 45.0, 50.0),
    "max_error": (0.2, 0.1, 0.05, 0.02),  # of the spread of the densities
}
_LABELS = {
    "target_fsc": "lowest FSC",
    "target_nrmse": "NRMSE",
    "target_psnr": "PSNR (dB)",
    "max_error": "largest error (density)",
}


class SizeCurve(Section):
    """A section with the curve; `chosen` has the goal and the number of a point that is clicked."""

    chosen = Signal(str, float)

    def __init__(self, theme: str, resources: Resources) -> None:
        self.plot = Plot(theme, _HEIGHT)
        self.plot.clickable = True
        self.plot.setToolTip("Click a point to promise that")
        self.plot.hide()
        self.bar = JobBar(resources)
        self.about = wrapping_label("What the curve shows")
        self.button = button("Estimate several", "", self.start)
        self.button.setToolTip("Encode the map for several numbers of the goal, in another process")
        self._request: Request | None = None
        self._key: tuple[object, ...] = ()
        self._goal = ""
        self.points: list[tuple[float, int]] = []  # numbers of the goal, and bytes
        super().__init__("Size against error", self.about, self.button, self.bar, self.plot)
        self.plot.clicked.connect(self._on_clicked)
        self.bar.changed.connect(self._refresh)
        self.toggled.connect(self._begin_unasked)
        self._refresh()

    def offer(self, request: Request | None, spread: float = 1.0) -> None:
        """Take what is shown now; a curve of another map or other settings is removed."""
        key = _key(request)
        if key != self._key:
            self.bar.stop()
            self.points, self._key = [], key
            self.plot.hide()
        self._request, self._spread = request, spread
        self._show_chosen()
        self._begin_unasked()
        self._refresh()

    def start(self) -> None:
        """Estimate in the background."""
        if (request := self._request) is None or self.bar.running:
            return
        self._goal = _goal_of(request.settings)
        scale = self._spread if self._goal == "max_error" else 1.0
        amounts = [float(f"{scale * amount:.3g}") for amount in _AMOUNTS[self._goal]]
        steps = workers.curve_steps(request.map, request.settings, self._goal, amounts)
        self.bar.start(
            steps,
            "Estimating several goals",
            lambda found: self._on_found(amounts, found),
            self.about.setText,
            kept="no curve is drawn",
        )

    def set_theme(self, theme: str) -> None:
        """Take the colours of another theme of napari."""
        self.plot.set_theme(theme)

    def _begin_unasked(self) -> None:
        request = self._request
        if request is None or not self.isExpanded() or self.points or self.bar.running:
            return
        if request.map.data.size <= AUTOMATIC_VOXELS:
            self.start()

    def _on_found(self, amounts: Sequence[float], found: Sequence[Estimate | None]) -> None:
        self.points = [
            (amount, estimate.bytes)
            for amount, estimate in zip(amounts, found, strict=True)
            if estimate is not None
        ]
        if len(self.points) > 1:
            self._draw()
        self._refresh()

    def _draw(self) -> None:
        values = np.array([self._height(amount) for amount, _ in self.points])
        sizes = np.array([size for _, size in self.points], np.float64)
        goal = self._goal

        def text(value: float) -> str:
            return f"{1 - value:.4g}" if goal == "target_fsc" else f"{value:.3g}"

        low, high = float(values.min()), float(values.max())
        log = goal != "target_psnr"
        pad = (high / low) ** 0.08 if log else 0.08 * (high - low)
        ends = (low / pad, high * pad) if log else (low - pad, high + pad)
        if goal == "target_fsc":  # better upwards
            ends = ends[1], ends[0]
        y = Axis(*ends, _LABELS[goal], log, text, at=tuple(values.tolist()))
        x = Axis(0.0, 1.08 * float(sizes.max()), "size of the file", text=_bytes)
        self.plot.show_curves([Curve(sizes, values, points=True)], x, y)
        self.plot.show()
        self._show_chosen()

    def _height(self, amount: float) -> float:
        return 1 - amount if self._goal == "target_fsc" else amount

    def _show_chosen(self) -> None:
        if self._request is None or not self.points:
            return
        given = getattr(self._request.settings, self._goal) or (
            0.99 if self._goal == "target_fsc" else None
        )
        near = [i for i, (n, _) in enumerate(self.points) if given and math.isclose(n, given)]
        self.plot.show_chosen(near[0] if near else -1)

    def _on_clicked(self, number: int) -> None:
        self.chosen.emit(self._goal, self.points[number][0])

    def _refresh(self) -> None:
        request = self._request
        self.button.setEnabled(request is not None and not self.bar.running)
        self.button.setVisible(not self.points and not self.bar.running)
        if self.points:
            smallest, largest = self.points[0], self.points[-1]
            self.about.setText(
                f"{size_text(min(smallest[1], largest[1]))} to"
                f" {size_text(max(smallest[1], largest[1]))}. Click a point to promise that."
            )
        elif not self.bar.running:
            self.about.setText("How large the file gets for several promises, to choose one.")


def _goal_of(settings: Settings) -> str:
    """Return the goal of the curve: that of the settings, or Fourier shells."""
    name = settings.goals[0] if settings.goals else "target_fsc"
    if name not in _AMOUNTS:
        name = "target_nrmse" if settings.keep == "contour" else "target_fsc"
    return name if settings.keep != "contour" or name != "target_fsc" else "target_nrmse"


def _key(request: Request | None) -> tuple[object, ...]:
    """Return what a curve depends on: all but the number of the goal."""
    if request is None:
        return ()
    rest = request.settings.to_dict()
    for name in ("target_fsc", "target_nrmse", "target_psnr", "target_ratio", "max_error"):
        rest.pop(name, None)
    return id(request.map), _goal_of(request.settings), repr(sorted(rest.items(), key=str))


def _bytes(value: float) -> str:
    return "0" if value == 0 else size_text(round(value))
