"""The dock widget Error overlay: where a decoded map differs from its original, as layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from ...errors import CinrError
from ...progress import Steps
from ...quality.error_maps import CORRELATION, KINDS, ErrorMap, is_lazy
from ..io.layer_matching import details_of
from ..widgets.forms import RecordForm
from ..widgets.layout import Form, button, fill
from ..widgets.pair_dock import PairDock
from .error_layers import (
    ErrorSettings,
    error_layer,
    error_map_of,
    painting_steps,
    show,
    volume_steps,
)

_LABELS = {
    "kind": "Error",
    "window": "Window (voxels)",
    "contour": "Contour",
    "inside_only": "Only above the contour",
}
_TIPS = {
    "Show error": "Add the error as a volume over the decoded map",
    "Paint error on surface": "Colour the original's surface at the contour by the error",
    "Blend original (0) and decoded (1)": "Fade one map into the other; both look as before when"
    " this is off",
}
_BLENDED = ("visible", "opacity", "blending")  # properties of layers that a blend changes


class Blend:
    """Shows two layers one through the other, and restores how they were shown before."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, dict[str, Any]]] = []

    def show(self, layers: Any, original: Any, decoded: Any, share: float) -> None:
        """Mix two layers; `share` is that of the decoded map, 0 to 1."""
        if [id(layer) for layer, _ in self._before] != [id(original), id(decoded)]:
            self.restore()
            pair = (original, decoded)
            self._before = [(one, {k: getattr(one, k) for k in _BLENDED}) for one in pair]
        upper_is_decoded = layers.index(decoded) > layers.index(original)
        lower, upper = (original, decoded) if upper_is_decoded else (decoded, original)
        above = share if upper_is_decoded else 1 - share
        # What lies below stays whole: both at half opacity would let the background through.
        lower.opacity, upper.opacity = 1.0, above
        lower.blending = upper.blending = "translucent_no_depth"
        lower.visible, upper.visible = above < 1, above > 0

    def restore(self) -> None:
        """Show the layers as they were before the first `show`."""
        for layer, state in self._before:
            for name, value in state.items():
                setattr(layer, name, value)
        self._before = []


class ErrorOverlayWidget(PairDock):
    """Shows the error of a decoded map as a volume, or painted on the original's surface.

    The error is computed in a thread. Blended layers look as before when the dock is closed.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._blend = Blend()
        kinds = tuple((kind.title, kind.name) for kind in KINDS.values())
        self.form = RecordForm(ErrorSettings(), _LABELS, {"kind": kinds})
        self.form["window"].step = 2  # only odd windows have a centre
        show_text, paint_text, blend_text = _TIPS
        self.show_button = button(show_text, "", self.show_error)
        self.paint_button = button(paint_text, "", self.paint_error)
        self.blend_check = QCheckBox(blend_text)
        self.blend_slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.blend_slider.setRange(0, 1)
        self.blend_slider.setValue(0.5)
        self.blend_slider.setToolTip(
            "0 shows the original alone, 1 the decoded map alone; tick the box above first"
        )
        layers = Form()
        layers.add("Decoded", self.decoded)
        layers.add("Original", self.original)
        buttons = QWidget()
        fill(buttons, self.show_button, self.paint_button, kind=QHBoxLayout)
        blend = (self.blend_check, self.blend_slider)
        column = (layers, self.form.view, buttons, self.bar, *blend, self.message)
        fill(self, *column, margin=4).addStretch(1)
        self.form["kind"].changed.connect(self._on_kind)
        self.blend_check.toggled.connect(self._apply_blend)
        self.blend_slider.valueChanged.connect(self._apply_blend)
        self._on_kind()
        self.attach()

    def show_error(self) -> None:
        """Compute the error in the background and show it as a volume."""
        self._start(volume_steps, "Computing the error")

    def paint_error(self) -> None:
        """Show the original's surface, coloured by the error; computed in the background."""
        self._start(painting_steps, "Painting the surface")

    def release(self) -> None:
        """Stop all work, disconnect from the viewer and show blended layers as before."""
        super().release()
        self._blend.restore()

    def on_pair(self) -> None:
        """Take the contour of another pair."""
        contour = self.likely_contour()
        if contour is not None:
            self.form["contour"].value = f"{contour:.7g}"

    def refresh(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""
        problem, wait = self.why_not_pair(), self.bar.why_busy
        for control, why_not in (
            (self.show_button, problem or wait),
            (self.paint_button, problem or wait),
            (self.blend_check, problem),
        ):
            control.setEnabled(not why_not)
            control.setToolTip(why_not or _TIPS[control.text()])
        self.show_message(problem)
        self._apply_blend()

    def _on_kind(self) -> None:
        kind = KINDS[self.form["kind"].value]
        self.form["kind"].tooltip = kind.meaning
        self.form["window"].enabled = kind is CORRELATION

    def _apply_blend(self) -> None:
        on = self.blend_check.isChecked() and self.blend_check.isEnabled()
        self.blend_slider.setEnabled(on)
        if on:
            self._blend.show(self.viewer.layers, *self.pair, self.blend_slider.value())
        else:
            self._blend.restore()

    def _start(self, steps: Callable[[ErrorMap], Steps[Any]], title: str) -> None:
        self.say("")  # which also looks at what the layers hold now
        if self.why_not_pair():
            return
        try:
            error_map = error_map_of(*self.pair, self.form.record())
        except CinrError as error:
            self.say(f"{error}.")
            return
        self.start_on_pair(steps(error_map), title, partial(self._show, *self.pair, error_map))

    def _show(
        self,
        original: Any,
        decoded: Any,
        error_map: ErrorMap,
        result: tuple[Any, tuple[float, float]],
    ) -> None:
        content, (low, high) = result
        self.blend_check.setChecked(False)
        new = error_layer(original, decoded, error_map, content, (low, high))
        layer = show(self.viewer.layers, new)
        for other in self.viewer.layers:  # another error of the map would hide this one
            noted = details_of(other)
            is_error = "compared_with" in noted and noted["derived_from"] == str(decoded.unique_id)
            if is_error and other is not layer:
                other.visible = False
        painted = new[2] == "surface"
        decoded.visible = not painted
        if painted:
            original.visible = False
            self.viewer.dims.ndisplay = 3
        unit = f" {error_map.kind.unit}" if error_map.kind.unit else ""
        text = f"{layer.name}: colours from {low:.3g} to {high:.3g}{unit}."
        if is_lazy(content):
            text += " It is computed where you look, so moving through it takes a moment."
        self.say(text)
