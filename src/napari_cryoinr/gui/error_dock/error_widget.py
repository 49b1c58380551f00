"""The dock widget Error overlay: where a decoded map differs from its original, as layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import is_not
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from ...errors import CinrError
from ...progress import Steps
from ...quality.error_maps import CORRELATION, KINDS, SIGNED, ErrorKind, ErrorMap, is_lazy
from ..io.layer_matching import details_of, is_derived
from ..widgets.forms import RecordForm
from ..widgets.layout import button, fill
from ..widgets.pair_dock import PairDock
from ..widgets.resources import Resources
from .changed_layers import ChangedLayers
from .error_layers import (
    ErrorSettings,
    PaintedSurface,
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
_HIDE, _HIDE_TIP = "Hide error", "Take the error off; the other layers look as before it was shown"


class Blend:
    """Shows two layers one through the other, and restores how they were shown before."""

    def __init__(self) -> None:
        self._changed = ChangedLayers()
        self._pair: tuple[Any, Any] | None = None

    def show(self, layers: Any, original: Any, decoded: Any, share: float) -> None:
        """Mix two layers; `share` is that of the decoded map, 0 to 1."""
        if self._pair is None or any(map(is_not, self._pair, (original, decoded))):
            self.restore()
            self._pair = original, decoded
        upper_is_decoded = layers.index(decoded) > layers.index(original)
        lower, upper = (original, decoded) if upper_is_decoded else (decoded, original)
        above = share if upper_is_decoded else 1 - share
        mixed = {"blending": "translucent_no_depth"}
        # What lies below stays whole: both at half opacity would let the background through.
        self._changed.set(lower, opacity=1.0, visible=above < 1, **mixed)
        self._changed.set(upper, opacity=above, visible=above > 0, **mixed)

    def restore(self) -> None:
        """Show the layers as they were before the first `show`."""
        self._changed.restore()
        self._pair = None


class ErrorOverlayWidget(PairDock):
    """Shows the error of a decoded map as a volume, or painted on the original's surface.

    The error is computed in a thread. The other layers look as before once the error is hidden, be
    it by the button, the eye of its layer, or because it is deleted. Blended layers look as before
    when the dock is closed.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._blend = Blend()
        self._changed = ChangedLayers()  # other layers, by an error that is shown
        self._shown: Any = None  # the layer of that error
        self._display_before: int | None = None  # dimensions that were displayed, if others are
        self._watch = Resources()  # connections to that layer
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
        self.form.view.add("Decoded", self.decoded, row=0)
        self.form.view.add("Original", self.original, row=1)
        self.hide_button = button(_HIDE, _HIDE_TIP, self.hide_error)
        buttons = QWidget()
        fill(buttons, self.show_button, self.paint_button, self.hide_button, kind=QHBoxLayout)
        blend = (self.blend_check, self.blend_slider)
        column = (self.form.view, buttons, self.bar, *blend, self.message)
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

    def hide_error(self) -> None:
        """Take the error off, and show the other layers as before."""
        if self._shown is not None:
            self._shown.visible = False

    def release(self) -> None:
        """Stop all work, disconnect from the viewer and show blended layers as before."""
        super().release()
        self._blend.restore()
        self._shown, self._changed = None, ChangedLayers()  # the error stays on show

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer."""
        self.resources.at_release(self._watch.release)
        super().connect_viewer()

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
        if self._shown is not None and self._shown not in self.viewer.layers:
            self._take_back()
        self.hide_button.setEnabled(self._shown is not None)
        self.hide_button.setToolTip(_HIDE_TIP if self._shown is not None else "No error is shown")
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
            if self._painted:
                self.hide_error()  # it would hide both
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
        content, limits = result
        self._take_back()
        painted = isinstance(content, PaintedSurface)
        if painted:
            self.blend_check.setChecked(False)
        layer = show(self.viewer.layers, error_layer(original, decoded, error_map, content, limits))
        for other in self.viewer.layers:
            noted = details_of(other)
            if other is layer or not is_derived(other):
                continue
            if "compared_with" not in noted:  # a tint would mix with the colours of the error
                self._changed.set(other, visible=False)
            elif noted["derived_from"] == str(decoded.unique_id):  # it would hide this one
                other.visible = False
        if painted:
            self._changed.set(decoded, visible=False)
            self._changed.set(original, visible=False)
            self._display_before = self.viewer.dims.ndisplay
            self.viewer.dims.ndisplay = 3
        elif not self.blend_slider.isEnabled():
            self._changed.set(decoded, visible=True)
        self._shown = layer
        self._watch.connect(layer.events.visible, self._on_visible)
        text = f"{layer.name}: {_range_text(error_map.kind, *limits)}."
        if is_lazy(content):
            text += " It is computed where you look, so moving through it takes a moment."
        self.say(text)

    @property
    def _painted(self) -> bool:
        return self._shown is not None and self._shown._type_string == "surface"

    def _on_visible(self) -> None:
        if self._shown is not None and not self._shown.visible:
            self._take_back()
            self.say("")

    def _take_back(self) -> None:
        """Show the other layers as before an error was shown."""
        self._shown = None
        self._watch.release()
        self._changed.restore()
        before, self._display_before = self._display_before, None
        if before is not None:
            self.viewer.dims.ndisplay = before


def _range_text(kind: ErrorKind, low: float, high: float) -> str:
    """Say what the ends of the colours mean."""
    if kind is SIGNED:
        return f"blue is too low by up to {-low:.3g}, red too high by up to {high:.3g}"
    return f"colours from {low:.3g} to {high:.3g}"
