"""The dock widget Error overlay: where a decoded map differs from its original, as layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtWidgets import QVBoxLayout

from ...errors import CinrError, SettingsError
from ...progress import Steps
from ...quality.error_maps import ErrorMap, is_lazy
from ..io.layer_matching import details_of, is_decoded, is_derived, is_map, original_of
from ..io.map_layers import LayerData
from ..widgets.dock import DockWidget
from .blending import Blend
from .error_controls import ErrorControls
from .error_layers import (
    ErrorOverlaySettings,
    error_map_of,
    painting_steps,
    show,
    surface_layer,
    volume_layer,
    volume_steps,
)


class ErrorOverlayWidget(DockWidget):
    """Shows the error of a decoded map as a volume, or painted on the original's surface.

    It follows the layers of the viewer. When it is taken out of the window, work is cancelled, the
    viewer is let go of, and blended layers look as before.

    Parameters
    ----------
    napari_viewer : the viewer whose layers are compared.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._by_hand: dict[str, Any] = {}  # layers that are no longer chosen automatically
        self._pair: tuple[Any, Any] = None, None  # original and decoded map that are chosen
        self._at_work: tuple[Any, ...] = ()  # layers that work is going on with
        self._message = ""
        self._blend = Blend()
        self.controls = controls = ErrorControls()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(controls)
        layout.addWidget(self.bar)
        layout.addWidget(self.message, stretch=1)
        controls.decoded.activated.connect(self._on_decoded_by_hand)
        controls.original.activated.connect(self._on_original_by_hand)
        for chooser in (controls.decoded, controls.original):
            chooser.chosen.connect(self._update)
        controls.show_button.clicked.connect(self.show_error)
        controls.paint_button.clicked.connect(self.paint_error)
        controls.blend_check.toggled.connect(self._apply_blend)
        controls.blend_slider.valueChanged.connect(self._apply_blend)
        self.bar.changed.connect(self._update)
        self.attach()

    # -- what others call

    @property
    def settings(self) -> ErrorOverlaySettings:
        """What is chosen.

        Setting it raises `SettingsError` if a layer that it names is none of the maps that can be
        chosen; layers that it does not name are chosen automatically.
        """
        return self.controls.settings()

    @settings.setter
    def settings(self, settings: ErrorOverlaySettings) -> None:
        by_name = {layer.name: layer for layer in self._maps()}
        by_hand = {}
        for role, name in (("decoded", settings.decoded), ("original", settings.original)):
            if name is None:
                continue
            if name not in by_name:
                known = ", ".join(by_name) or "none"
                raise SettingsError(f"layer {name!r}: must be one of the maps ({known})")
            by_hand[role] = by_name[name]
        self._by_hand = by_hand
        self._refresh()
        self.controls.show_numbers(settings)

    def choose(self, decoded: Any) -> None:
        """Take this decoded layer, and its original by itself."""
        self._by_hand = {"decoded": decoded}
        self._refresh()

    def show_error(self) -> None:
        """Compute the error in the background and show it as a volume."""
        self._start(volume_steps, volume_layer, "Computing the error")

    def paint_error(self) -> None:
        """Show the original's surface, coloured by the error; computed in the background."""
        self._start(painting_steps, surface_layer, "Painting the surface")

    # -- layers come and go

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer."""
        layers = self.viewer.layers.events
        for emitter in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.resources.connect(emitter, self._refresh)
        self._refresh()

    def release(self) -> None:
        """Stop all work, disconnect from the viewer and show blended layers as before."""
        super().release()
        self._blend.restore()

    def _maps(self) -> list[Any]:
        return [layer for layer in self.viewer.layers if is_map(layer) and not is_derived(layer)]

    def _refresh(self) -> None:
        """Offer the layers that there are now, and choose the most likely ones."""
        maps = self._maps()
        working = self._at_work if self.bar.running else ()
        gone = [layer for layer in working if layer not in maps]
        self._by_hand = {role: layer for role, layer in self._by_hand.items() if layer in maps}
        self.controls.decoded.offer(maps)
        self.controls.original.offer(maps)
        self.controls.decoded.choose(self._by_hand.get("decoded") or _likely_decoded(maps))
        self._choose_original()
        if gone:
            self.bar.stop()
            self.say(f"Cancelled: layer {gone[0].name!r} was removed.")

    def _choose_original(self) -> None:
        decoded = self.controls.decoded.layer
        found = None if decoded is None else original_of(self._maps(), decoded)
        self.controls.original.choose(self._by_hand.get("original") or found)
        self._update()

    def _on_decoded_by_hand(self) -> None:
        self._by_hand = {"decoded": self.controls.decoded.layer}
        self._message = ""
        self._choose_original()

    def _on_original_by_hand(self) -> None:
        controls = self.controls
        self._by_hand = {"decoded": controls.decoded.layer, "original": controls.original.layer}
        self.say("")

    # -- what can be done now

    def _update(self) -> None:
        """Bring the controls in line with the layers that are chosen."""
        controls = self.controls
        pair = controls.original.layer, controls.decoded.layer
        if any(a is not b for a, b in zip(pair, self._pair, strict=True)):
            contour = _likely_contour(*pair)
            if contour is not None:
                controls.contour.setValue(contour)
        self._pair = pair
        problem = self._why_not()
        controls.allow(problem, self.bar.running)
        super().say(" ".join(filter(None, (self._message, problem))))
        self._apply_blend()

    def _why_not(self) -> str:
        """What keeps the two layers from being compared; empty if nothing does."""
        original, decoded = self._pair
        if decoded is None:
            return "No map is chosen: open a decoded map and its original."
        if original is None:
            return "The original is not at hand: open it, or choose a map of the same shape."
        try:
            error_map_of(original, decoded, self.settings)
        except CinrError as error:
            return f"{error}."
        return ""

    def say(self, text: str) -> None:
        """Show a line, and what can be done now."""
        self._message = text
        self._update()

    def _apply_blend(self) -> None:
        controls = self.controls
        on = controls.blend_check.isChecked() and controls.blend_check.isEnabled()
        controls.blend_slider.setEnabled(on)
        if on:
            self._blend.show(self.viewer.layers, *self._pair, controls.share)
        else:
            self._blend.restore()

    # -- work

    def _start(
        self,
        steps: Callable[[ErrorMap], Steps[Any]],
        make_layer: Callable[..., LayerData],
        title: str,
    ) -> None:
        self._update()  # what a layer holds may have been changed
        original, decoded = self._pair
        if self._why_not():
            return
        error_map = error_map_of(original, decoded, self.settings)
        self._message = ""
        self._at_work = self._pair
        shown = partial(self._show, original, decoded, error_map, make_layer)
        self.start(steps(error_map), title, shown)

    def _show(
        self,
        original: Any,
        decoded: Any,
        error_map: ErrorMap,
        make_layer: Callable[..., LayerData],
        result: tuple[Any, tuple[float, float]],
    ) -> None:
        content, (low, high) = result
        self.controls.blend_check.setChecked(False)
        new = make_layer(original, decoded, error_map, content, (low, high))
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


def _likely_decoded(maps: list[Any]) -> Any:
    """The map that a user most likely wants to judge: the last that came out of an archive."""
    out_of_archives = [layer for layer in maps if is_decoded(layer)]
    with_original = [layer for layer in out_of_archives if original_of(maps, layer) is not None]
    for group in (with_original, out_of_archives, maps):
        if group:
            return group[-1]
    return None


def _likely_contour(original: Any, decoded: Any) -> float | None:
    """The contour that a pair was compressed with, or is shown with."""
    pair = [layer for layer in (decoded, original) if layer is not None]
    for layer in pair:
        contour = details_of(layer).get("contour")
        if contour is not None:
            return float(contour)
    return float(pair[0].iso_threshold) if pair else None
