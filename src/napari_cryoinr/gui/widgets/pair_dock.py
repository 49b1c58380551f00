"""The base of docks that compare a decoded map with its original."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_not
from typing import Any

from qtpy.QtCore import QSignalBlocker

from ...progress import Steps
from ..io.layer_kinds import half_map_partner
from ..io.layer_matching import details_of, is_decoded, original_of, shape_of
from .dock import DockWidget
from .map_chooser import MapChooser, connect_layers, maps_of


class PairDock(DockWidget):
    """Offers the maps of a viewer, and chooses a decoded one and its original among them.

    Both are chosen automatically until the user chooses others, which stay chosen for as long as
    they exist.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.decoded = MapChooser("(choose a map)")
        self.decoded.setToolTip("The map that came out of a .cinr file, or any other map to judge")
        self.original = MapChooser("(not open)")
        self.original.setToolTip("The map it was made from; found automatically where possible")
        self._kept: dict[str, Any] = {}  # role: the layer that was chosen for it, or None
        self._shown_pair: tuple[Any, Any] | None = None
        self._at_work: tuple[Any, ...] = ()
        self._said = ""
        self.decoded.activated.connect(self._on_decoded_chosen)
        self.original.activated.connect(self._on_original_chosen)
        self.bar.changed.connect(self.refresh)

    def on_pair(self) -> None:
        """React to another pair."""

    def refresh(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""

    @property
    def pair(self) -> tuple[Any, Any]:
        """The original and the decoded layer; None where none is chosen."""
        return self.original.layer, self.decoded.layer

    def choose(self, decoded: Any) -> None:
        """Choose a decoded layer, and its original automatically."""
        self._choose(decoded=decoded)

    def keep_pair(self, original: Any, decoded: Any) -> None:
        """Choose both layers, or None; they stay chosen when other layers are added."""
        self._choose(original=original, decoded=decoded)

    def start_on_pair(self, steps: Steps[Any], title: str, done: Callable[[Any], None]) -> None:
        """Run a generator of progress that stops when one of the pair is removed."""
        self._said = ""
        self._at_work = self.pair
        self.start(steps, title, done)

    def say(self, text: str) -> None:
        """Show a line to the user; after an empty one, what is needed is shown."""
        self._said = text
        self.refresh()

    def show_message(self, problem: str) -> None:
        """Show the last line for the user, or else why nothing can be done."""
        super().say(self._said or problem)

    def why_not_pair(self) -> str:
        """Say what keeps the two layers from being compared; empty if nothing does."""
        original, decoded = self.pair
        if decoded is None:
            return "No map is chosen: open a decoded map and its original."
        if original is None:
            return "The original is not open: open it, or choose a map of the same shape."
        if original is decoded:
            return "The same layer is chosen twice: choose two different layers."
        shapes = [" × ".join(map(str, shape_of(layer))) for layer in (original, decoded)]
        if shapes[0] != shapes[1]:
            names = original.name, decoded.name
            return f"The shapes differ: {shapes[0]} ({names[0]}) and {shapes[1]} ({names[1]})."
        return ""

    def likely_contour(self) -> float | None:
        """Return the contour that a layer of the pair was compressed with, or is shown with."""
        layers = [layer for layer in reversed(self.pair) if layer is not None]
        contours = [details_of(layer).get("contour") for layer in layers]
        contours += [layer.iso_threshold for layer in layers]
        return next((float(one) for one in contours if one is not None), None)

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer."""
        connect_layers(self.resources, self.viewer, self._follow)
        self._shown_pair = None
        self._follow()

    def _choose(self, **kept: Any) -> None:
        self._kept, self._said = kept, ""
        self._follow()

    def _on_decoded_chosen(self) -> None:
        self.choose(self.decoded.layer)

    def _on_original_chosen(self) -> None:
        self.keep_pair(*self.pair)

    def _follow(self) -> None:
        """Offer the layers that there are now, and choose the most likely ones."""
        maps = maps_of(self.viewer)
        self._kept = {role: one for role, one in self._kept.items() if one is None or one in maps}
        with QSignalBlocker(self.decoded), QSignalBlocker(self.original):
            self.decoded.offer(maps)
            self.original.offer(maps)
            self.decoded.choose(self._kept.get("decoded", _likely_decoded(maps)))
            decoded = self.decoded.layer
            found = None if decoded is None else _counterpart(maps, decoded)
            self.original.choose(self._kept.get("original", found))
        if self._shown_pair is None or any(map(is_not, self.pair, self._shown_pair)):
            self._shown_pair = self.pair
            self.on_pair()
        gone = [layer for layer in self._at_work if layer not in maps]
        if gone and self.bar.running:
            self.bar.stop()
            self._said = f"Cancelled: layer {gone[0].name!r} was removed."
        self.refresh()


def _counterpart(maps: list[Any], layer: Any) -> Any:
    """Return the map that one is compared with, most likely: its half-map, or its original."""
    other = half_map_partner(layer, maps)
    return original_of(maps, layer) if other is None else other


def _likely_decoded(maps: list[Any]) -> Any:
    """Return the map to be judged, most likely: the last that came out of an archive."""
    decoded = [layer for layer in maps if is_decoded(layer)]
    with_original = [layer for layer in decoded if original_of(maps, layer) is not None]
    return next((group[-1] for group in (with_original, decoded, maps) if group), None)
