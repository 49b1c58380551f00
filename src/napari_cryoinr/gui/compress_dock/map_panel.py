"""What is compressed: which layer, what it was recognised as, and whether with its partner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from ... import models
from ...settings import GOALS, Settings
from ..io.layer_kinds import LABELS, MAP, STACK, volume_words
from ..widgets.layout import button, fill, wrapping_label
from ..widgets.map_chooser import SelectedMapChooser
from ..widgets.plugin_docks import open_dock
from .map_facts import MapFacts, NoDensityError

_NO_MAP = "Open a density map: File > Open File(s)..., or File > Open Sample > CryoINR"
_REMEDY = "Nothing can be compressed before they have a density."
_EXACT = "Every voxel comes back as it is: there is no threshold, promise or model to choose."
_BOTH = "Both are kept as a whole, noise included, so that they can be compared again."
_FIRST = "Each is a map of its own in one file. What is shown below is of the first."
_NOISE_SAYS_NO = "Their names say that they are a pair; their noise does not"


class MapPanel(QWidget):
    """Chooses the layer and describes it, or says why a layer is not offered and what to do."""

    changed = Signal()  # other voxels are compressed, or exactly

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._facts: MapFacts | None = None
        self.chooser = SelectedMapChooser(viewer, (MAP, STACK, LABELS))
        self.chooser.setToolTip("The layer that is compressed; follows the selected layer")
        self.kind = wrapping_label("What the layer was recognised as")
        self.about = wrapping_label("Shape, voxel size, and bytes of the voxels")
        self.note = wrapping_label("What that means for the file")
        self.both = QCheckBox("Compress both half-maps into one file")
        self.exact = QCheckBox("Keep every voxel exactly")
        self.exact.setToolTip("Untick to compress it as a density map, with an error")
        tip = "Open the widget Prepare map, which makes a copy with the background in their place"
        self.repair_button = button("Repair in Prepare map", tip, self._repair)
        parts = (self.kind, self.about, self.both, self.exact, self.note, self.repair_button)
        fill(self, self.chooser, *parts).setSpacing(4)
        for box in (self.both, self.exact):
            box.toggled.connect(self.changed)
        self.show_facts(None)

    @property
    def together(self) -> bool:
        """Whether the layer and its partner, the other half-map, are compressed into one file."""
        return self._facts is not None and bool(self._facts.partner) and self.both.isChecked()

    @property
    def exactly(self) -> bool:
        """Whether every voxel is kept: labels always, masks unless the user wants otherwise."""
        return self._facts is not None and self._facts.kind == "labels" and self.exact.isChecked()

    def fitted(self, settings: Settings) -> Settings:
        """Return settings as they count for the layer."""
        facts = self._facts
        if self.exactly:
            goals: dict[str, Any] = dict.fromkeys(GOALS) | {"lossless": True}
            plain: dict[str, Any] = {"model": models.AUTO, "keep": "auto", "threshold": "none"}
            return replace(settings, resolution="auto", **(goals | plain))
        if facts is not None and self.together:
            # Where nothing else is asked for, they are recognised again, and the file says so.
            free = settings.goal is None and settings.model_name != "paper" and facts.alike
            return replace(settings, threshold="auto", keep="auto" if free else "volume")
        if facts is not None and facts.kind == "labels" and settings.keep == "auto":
            return replace(settings, keep=settings.kept())  # or it would be recognised
        return settings

    def show_facts(self, facts: MapFacts | None) -> None:
        """Take what was found of the layer, with the usual choices for that."""
        self._facts = facts
        pair = facts is not None and facts.partner is not None
        mask = facts is not None and facts.kind == "labels"
        labels = mask and self.chooser.layer._type_string == "labels"
        with QSignalBlocker(self.both), QSignalBlocker(self.exact):
            self.both.setChecked(facts is not None and facts.alike)
            self.exact.setChecked(mask)
        self.both.setVisible(pair)
        self.exact.setVisible(mask and not labels)
        tip = "One archive with a member for each, as the command line makes it of two files"
        self.both.setToolTip(tip if facts is None or facts.alike else _NOISE_SAYS_NO)

    def describe(self, problem: Exception | None) -> str:
        """Describe the layer; return why it cannot be compressed now, empty if it can."""
        layer, facts = self.chooser.layer, self._facts
        no_density = isinstance(problem, NoDensityError)
        if layer is None:
            wrong = self.chooser.no_map or _NO_MAP
        elif problem is not None:
            wrong = f"{problem}. {_REMEDY}" if no_density else str(problem)
        else:
            wrong = "" if facts is not None else f"Reading {layer.name}..."
        self.repair_button.setVisible(no_density and layer is not None)
        self.kind.setVisible(not wrong)
        note = ""
        if wrong or facts is None:
            self.about.setText(wrong)
        else:
            self.kind.setText(_kind_words(facts, self.exactly))
            self.about.setText(facts.about())
            note = _FIRST if facts.volumes > 1 else ""
            if self.exactly:
                note = _EXACT
            elif self.together:
                note = _BOTH
        self.note.setText(note)
        self.note.setVisible(bool(note))
        return wrong

    def _repair(self) -> None:
        layer = self.chooser.layer
        open_dock(self._viewer, "Prepare map").chooser.choose(layer)


def _kind_words(facts: MapFacts, exactly: bool) -> str:
    if facts.kind == "labels":
        words = f"Mask or labels, {'kept exactly' if exactly else 'taken as a density map'}"
    elif facts.partner is not None:
        words = f"Half-map; its partner is {facts.partner.name}"
    else:
        words = volume_words(facts.kind)
    if facts.volumes == 1:
        return words
    return f"Stack of {facts.volumes} volumes. {words}"
