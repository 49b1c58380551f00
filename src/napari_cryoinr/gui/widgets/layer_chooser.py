"""A chooser of layers that follows the viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

from ..matching import is_decoded, is_derived, is_map
from .layout import narrow


class LayerChooser(QComboBox):
    """The maps of a viewer, or those that a condition lets in.

    Emits `chosen` when another layer is chosen, by the user or because one came or went; `layer`
    is None where there is none. `release` gives up the viewer.
    """

    chosen = Signal()

    def __init__(
        self,
        viewer: Any,
        accepts: Callable[[Any], bool] = is_map,
        *,
        follows_selection: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._accepts = viewer, accepts
        self._layers: list[Any] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        narrow(self)
        events = viewer.layers.events
        self._connections = [
            (events.inserted, self._update),
            (events.removed, self._update),
            (events.reordered, self._update),
        ]
        if follows_selection:
            self._connections.append((viewer.layers.selection.events.active, self._follow))
        for emitter, slot in self._connections:
            emitter.connect(slot)
        self._last: Any = None
        self.currentIndexChanged.connect(self._tell)
        self._update()
        if follows_selection:
            self._follow()

    @property
    def layer(self) -> Any:
        """The layer that is chosen, or None."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @layer.setter
    def layer(self, layer: Any) -> None:
        self.setCurrentIndex(next((i for i, one in enumerate(self._layers) if one is layer), -1))

    def release(self) -> None:
        """Listen to the viewer no more."""
        for emitter, slot in self._connections:
            emitter.disconnect(slot)
        for layer in self._layers:
            layer.events.name.disconnect(self._update)
        self._connections, self._layers = [], []

    def _update(self, event: Any = None) -> None:
        chosen = self.layer
        for layer in self._layers:
            layer.events.name.disconnect(self._update)
        self._layers = [
            layer for layer in self._viewer.layers if self._accepts(layer) and not is_derived(layer)
        ]
        for layer in self._layers:
            layer.events.name.connect(self._update)
        self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in self._layers])
        self.layer = chosen if any(one is chosen for one in self._layers) else None
        if self.currentIndex() < 0 and self._layers:
            self.setCurrentIndex(len(self._layers) - 1)
        self.blockSignals(False)
        self._tell()

    def _follow(self, event: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if active is not None and is_decoded(active):
            return  # who looks at the outcome has not chosen another map to compress
        if any(one is active for one in self._layers):
            self.layer = active

    def _tell(self, index: int = 0) -> None:
        if self.layer is not self._last:
            self._last = self.layer
            self.chosen.emit()
