"""Drop-down lists of a viewer's maps."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy

from ..io.layer_kinds import MAP, recognise
from ..io.layer_matching import is_decoded, is_derived, is_map
from .layout import narrow
from .resources import Resources


def maps_of(viewer: Any) -> list[Any]:
    """Return the layers of a viewer that are density maps, not overlays, from the bottom up."""
    return [layer for layer in viewer.layers if is_map(layer) and not is_derived(layer)]


def connect_layers(resources: Resources, viewer: Any, callback: Any) -> None:
    """Call `callback` when layers come, go, change places or get another name."""
    events = viewer.layers.events
    for emitter in (events.inserted, events.removed, events.reordered, events.renamed):
        resources.connect(emitter, callback)


class MapChooser(QComboBox):
    """Choose one of the layers that the owner offers, or none, which is shown as `nothing`."""

    chosen = Signal()  # the layer is another one, chosen by the user or by `choose`

    def __init__(self, nothing: str) -> None:
        super().__init__()
        self._nothing = nothing
        self._layers: list[Any] = [None]
        narrow(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.addItem(nothing)
        self.currentIndexChanged.connect(self.chosen)

    @property
    def layer(self) -> Any:
        """The layer that is chosen; None for none."""
        return self._layers[max(self.currentIndex(), 0)]  # -1 while the list is refilled

    def choose(self, layer: Any) -> None:
        """Choose a layer; none if it is not offered."""
        at = [i for i, offered in enumerate(self._layers) if offered is layer]
        self.setCurrentIndex(at[0] if at else 0)

    def offer(self, layers: Iterable[Any]) -> bool:
        """Offer these layers, without a signal; return whether the chosen one is not among them."""
        before = self.layer
        self._layers = [None, *layers]
        with QSignalBlocker(self):
            self.clear()
            self.addItems([self._nothing, *(layer.name for layer in self._layers[1:])])
            self.choose(before)
        return self.layer is not before


class SelectedMapChooser(MapChooser):
    """Chooses one of the maps of a viewer: the selected one, until the user chooses another.

    Selecting a decoded map does not choose it: looking at a result is not choosing another map to
    compress. An image that is no map leaves nothing chosen. Layers of these `kinds` are offered
    (see `layer_kinds`).
    """

    def __init__(self, viewer: Any, kinds: Collection[str] = (MAP,)) -> None:
        super().__init__("(no map)")
        self._viewer, self._kinds = viewer, kinds
        self.no_map = ""  # why the selected layer is not chosen, and what to do; see `LayerKind`

    def connect_viewer(self, resources: Resources) -> None:
        """Follow the layers of the viewer and which of them is selected."""
        connect_layers(resources, self._viewer, self._refresh)
        resources.connect(self._viewer.layers.selection.events.active, self._on_active)
        self._refresh()

    def _refresh(self) -> None:
        layers = self._viewer.layers
        gone = self.offer(layer for layer in layers if recognise(layer).kind in self._kinds)
        self._on_active()
        if self.layer is None and self._layers[-1] is not None and not self.no_map:
            self.choose(self._layers[-1])
        elif gone and self.layer is None:
            self.chosen.emit()

    def _on_active(self) -> None:
        from napari.layers import Image, Labels

        active = self._viewer.layers.selection.active
        self.no_map = ""
        if active is None or is_decoded(active) or is_derived(active):
            return
        for layer in self._layers[1:]:
            if layer == active:  # not the same object: napari wraps what it passes to plugins
                self.choose(layer)
                return
        if isinstance(active, Image | Labels):
            kind = recognise(active)
            elsewhere = f"{kind.words}; compress it by File > Save Selected Layers as .cinr."
            self.no_map = kind.advice or f"{active.name!r}: {elsewhere}"
            self.choose(None)
            self.chosen.emit()
