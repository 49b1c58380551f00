"""A chooser of maps that follows the viewer's layers and which of them is selected."""

from __future__ import annotations

from typing import Any

from ..io.layer_matching import is_decoded, is_derived, is_map
from .connections import Connections
from .map_chooser import MapChooser


class FollowingChooser(MapChooser):
    """Chooses one of the maps of a viewer: the selected one, until the user chooses another.

    Decoded maps are offered, but not followed: who looks at the outcome has not chosen another map
    to compress.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__("(no map)")
        self._viewer = viewer
        self._events = Connections()
        layers = viewer.layers.events
        for emitter in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self._events.connect(emitter, self._refresh)
        self._events.connect(viewer.layers.selection.events.active, self._follow)
        self.destroyed.connect(self._events.disconnect)
        self._refresh()

    def release(self) -> None:
        """Follow no more."""
        self._events.disconnect()

    def _refresh(self) -> None:
        maps = [layer for layer in self._viewer.layers if is_map(layer) and not is_derived(layer)]
        gone = self.offer(maps)
        if self.layer is None and maps:
            self.choose(maps[-1])
        elif gone:
            self.chosen.emit()
        self._follow()

    def _follow(self) -> None:
        active = self._viewer.layers.selection.active
        if active is None or is_decoded(active):
            return
        for layer in self.layers:
            if layer == active:  # not the same object: what napari hands to plugins is wrapped
                self.choose(layer)
