"""The dock widget Error overlay: where a decoded map differs from its original, as layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout

from ...errors import CinrError, SettingsError
from ...progress import Steps
from ...quality.error_maps import ErrorMap, is_lazy
from ..io.layer_matching import details_of
from ..widgets.map_chooser import maps_of
from ..widgets.pair_dock import PairDock
from .blending import Blend
from .error_controls import ErrorControls
from .error_layers import (
    ErrorOverlaySettings,
    error_layer,
    error_map_of,
    painting_steps,
    show,
    volume_steps,
)


class ErrorOverlayWidget(PairDock):
    """Shows the error of a decoded map as a volume, or painted on the original's surface.

    The error is computed in a thread. Blended layers look as before when the dock is closed.

    Parameters
    ----------
    napari_viewer : the viewer whose layers are compared.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._blend = Blend()
        self.controls = ErrorControls(self.decoded, self.original)
        self.show_button = QPushButton("Show error")
        self.paint_button = QPushButton("Paint error on surface")
        buttons = QHBoxLayout()
        buttons.addWidget(self.show_button)
        buttons.addWidget(self.paint_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.controls)
        layout.addLayout(buttons)
        for widget in (self.bar, self.controls.blend_check, self.controls.blend_row, self.message):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.show_button.clicked.connect(self.show_error)
        self.paint_button.clicked.connect(self.paint_error)
        self.controls.blend_check.toggled.connect(self._apply_blend)
        self.controls.blend_slider.valueChanged.connect(self._apply_blend)
        self.attach()

    @property
    def settings(self) -> ErrorOverlaySettings:
        """What is chosen.

        Setting it raises `SettingsError` if a layer that it names is none of the maps that can be
        chosen; layers that it does not name are chosen automatically.
        """
        original, decoded = (None if layer is None else layer.name for layer in self.pair)
        return replace(self.controls.settings(), decoded=decoded, original=original)

    @settings.setter
    def settings(self, settings: ErrorOverlaySettings) -> None:
        by_name = {layer.name: layer for layer in maps_of(self.viewer)}
        named = {"decoded": settings.decoded, "original": settings.original}
        named = {role: name for role, name in named.items() if name is not None}
        for name in named.values():
            if name not in by_name:
                known = ", ".join(by_name) or "none"
                raise SettingsError(f"layer {name!r}: must be one of the maps ({known})")
        self._choose(**{role: by_name[name] for role, name in named.items()})
        self.controls.show_settings(settings)

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

    # -- what can be done now

    def on_pair(self) -> None:
        """Take the contour of another pair."""
        contour = self.likely_contour()
        if contour is not None:
            self.controls.contour.setValue(contour)

    def refresh(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""
        problem, wait = self.why_not_pair(), self.bar.why_busy
        surface_tip = "Colour the original's surface at the contour by the error"
        blend_tip = "Fade one map into the other; both look as before when this is off"
        for control, why_not, tip in (
            (self.show_button, problem or wait, "Add the error as a volume over the decoded map"),
            (self.paint_button, problem or wait, surface_tip),
            (self.controls.blend_check, problem, blend_tip),
        ):
            control.setEnabled(not why_not)
            control.setToolTip(why_not or tip)
        self.show_message(problem)
        self._apply_blend()

    def _apply_blend(self) -> None:
        controls = self.controls
        on = controls.blend_check.isChecked() and controls.blend_check.isEnabled()
        controls.blend_slider.setEnabled(on)
        if on:
            self._blend.show(self.viewer.layers, *self.pair, controls.blend_slider.value())
        else:
            self._blend.restore()

    # -- work

    def _start(self, steps: Callable[[ErrorMap], Steps[Any]], title: str) -> None:
        self.say("")  # and look at what the layers hold now
        if self.why_not_pair():
            return
        try:
            error_map = error_map_of(*self.pair, self.controls.settings())
        except CinrError as error:
            self.say(f"{error}.")
            return
        done = partial(self._show, *self.pair, error_map)
        self.start_on_pair(steps(error_map), title, done)

    def _show(
        self,
        original: Any,
        decoded: Any,
        error_map: ErrorMap,
        result: tuple[Any, tuple[float, float]],
    ) -> None:
        content, (low, high) = result
        self.controls.blend_check.setChecked(False)
        new = error_layer(original, decoded, error_map, content, (low, high))
        layer = show(self.viewer.layers, new)
        for other in self.viewer.layers:  # of which one would hide another
            if other is not layer and _shows_error_of(decoded, other):
                other.visible = False
        painted = new[2] == "surface"
        decoded.visible = not painted
        if painted:
            original.visible = False
            self.viewer.dims.ndisplay = 3
        unit = f" {error_map.kind.unit}" if error_map.kind.unit else ""
        text = f"{layer.name}: colours from {low:.3g} to {high:.3g}{unit}."
        if is_lazy(content):
            text += " It is computed where you look, so that moving through it takes a moment."
        self.say(text)


def _shows_error_of(decoded: Any, layer: Any) -> bool:
    noted = details_of(layer)
    return "compared_with" in noted and noted.get("derived_from") == str(decoded.unique_id)
