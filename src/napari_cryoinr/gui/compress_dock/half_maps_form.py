"""The half-maps of a map, chosen among the layers of its shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal

from ...codec.members import HalfMaps
from ...progress import Progress, Steps
from ..io.layer_kinds import half_map_partner
from ..io.layer_matching import is_decoded, shape_of
from ..io.map_layers import MapReader, map_reader
from ..widgets.layout import Form
from ..widgets.map_chooser import MapChooser, maps_of
from ..widgets.resources import Resources

_KIND = "reading the half-maps"


class HalfMapsForm(Form):
    """Two lists of layers; the chosen ones are read in the background."""

    changed = Signal()  # other half-maps are there, or none any more

    def __init__(self, resources: Resources) -> None:
        super().__init__()
        self._resources = resources
        self.maps: HalfMaps | None = None  # once they have been read
        self.problem = ""  # why there are none
        self.one, self.two = MapChooser("(choose a half-map)"), MapChooser("(choose a half-map)")
        for number, chooser in enumerate((self.one, self.two), 1):
            chooser.setToolTip("An independent half-map of the map, on the same grid")
            self.add(f"Half-map {number}", chooser)
            chooser.chosen.connect(self.read)

    @property
    def layers(self) -> tuple[Any, Any] | None:
        """The two layers that are chosen; None unless there are two."""
        one, two = self.one.layer, self.two.layer
        return None if one is None or two is None or one is two else (one, two)

    def offer(self, viewer: Any, layer: Any) -> bool:
        """Offer the other maps of a layer's shape; return whether there are two."""
        offered: list[Any] = []
        if layer is not None:
            others = [one for one in maps_of(viewer) if one is not layer and not is_decoded(one)]
            offered = [one for one in others if shape_of(one) == shape_of(layer)]
        with QSignalBlocker(self.one), QSignalBlocker(self.two):
            gone = [chooser.offer(offered) for chooser in (self.one, self.two)]
            if len(offered) > 1 and self.layers is None:
                for chooser, half in zip((self.one, self.two), _likely(offered), strict=True):
                    chooser.choose(half)
        if any(gone):
            self.forget()
        return len(offered) > 1

    def read(self) -> None:
        """Read the chosen layers in the background."""
        self.forget()
        if (layers := self.layers) is None:
            self.problem = "Choose two half-maps of this map"
            self.changed.emit()
            return
        self.problem = "Reading the half-maps..."
        steps = _read_steps([map_reader(layer) for layer in layers])
        self._resources.start_job(_KIND, steps, done=self._on_read, failed=self._on_unreadable)
        self.changed.emit()

    def forget(self) -> None:
        """Forget what was read."""
        self._resources.stop_job(_KIND)
        self.maps, self.problem = None, "Choose two half-maps of this map"

    def _on_read(self, maps: HalfMaps) -> None:
        self.maps, self.problem = maps, ""
        self.changed.emit()

    def _on_unreadable(self, error: Exception) -> None:
        self.problem = str(error)
        self.changed.emit()


def _read_steps(readers: list[MapReader]) -> Steps[HalfMaps]:
    yield Progress("reading", 0, 2)
    one = readers[0]()
    yield Progress("reading", 1, 2)
    return one, readers[1]()


def _likely(layers: Iterable[Any]) -> tuple[Any, Any]:
    """Return the pair that names tell, or the first two."""
    offered = list(layers)
    for one in offered:
        if (other := half_map_partner(one, offered)) is not None:
            return one, other
    return offered[0], offered[1]
