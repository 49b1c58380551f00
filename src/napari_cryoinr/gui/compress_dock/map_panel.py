"""The map that is compressed: which layer, and what it was recognised as."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QWidget

from ..io.layer_kinds import half_map_partner, volume_words
from ..widgets.layout import fill, wrapping_label
from ..widgets.map_chooser import SelectedMapChooser
from .map_facts import MapFacts

_NO_MAP = "Open a density map: File > Open File(s)..., or File > Open Sample > CryoINR"


class MapPanel(QWidget):
    """Chooses the layer and describes it, or says why a layer is not offered and what to do."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self.chooser = SelectedMapChooser(viewer)
        self.chooser.setToolTip("The layer that is compressed; follows the selected layer")
        self.kind = wrapping_label("What the layer was recognised as")
        self.about = wrapping_label("Shape, voxel size, and bytes of the voxels")
        fill(self, self.chooser, self.kind, self.about).setSpacing(4)

    def describe(self, facts: MapFacts | None, problem: str) -> str:
        """Describe the layer; return why it cannot be compressed now, empty if it can."""
        layer = self.chooser.layer
        if layer is None:
            wrong = self.chooser.no_map or _NO_MAP
        else:
            wrong = problem or ("" if facts is not None else f"Reading {layer.name}...")
        self.kind.setVisible(facts is not None and not wrong)
        if wrong or facts is None:
            self.about.setText(wrong)
            return wrong
        partner = half_map_partner(layer, self._viewer.layers)
        words = volume_words(facts.kind)
        if partner is not None and facts.kind != "labels":
            words = f"Half-map; its partner is {partner.name}"
        self.kind.setText(words)
        self.about.setText(facts.about())
        return ""
