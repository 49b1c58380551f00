"""The layer that is chosen: read in the background, shown with its threshold, measured."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, QSignalBlocker, Signal

from ...codec.members import HalfMaps
from ..io.layer_kinds import half_map_partner
from ..widgets.resources import Resources
from .keep_panel import KeepPanel
from .map_analysis import Analysis, MapAnalysis, SoftMask, Where
from .map_facts import MapFacts, facts_steps
from .map_panel import MapPanel
from .threshold_preview import ThresholdPreview

_READING = "reading the map"  # kind of job


class ChosenMap(QObject):
    """Follows the layer of a `MapPanel`, and shows in the viewer what a `KeepPanel` says.

    Attributes
    ----------
    facts : what the layer holds; None until it has been read.
    problem : why it cannot be compressed.
    analysis : the spectrum of what is kept; None until it is known.
    inside : voxels inside the soft mask; None where there is none, or until it is known.
    """

    changed = Signal()  # `facts` or `problem`
    masked = Signal()  # `inside`
    analysed = Signal()  # `analysis`

    def __init__(
        self, viewer: Any, resources: Resources, what: MapPanel, keep: KeepPanel, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.facts: MapFacts | None = None
        self.problem: Exception | None = None
        self.analysis: Analysis | None = None
        self.inside: int | None = None
        self._viewer, self._resources, self._what, self._keep = viewer, resources, what, keep
        self._preview: ThresholdPreview | None = None
        self._partner: Any = None
        self._followed = False
        self._measuring = MapAnalysis(resources, self._show_mask, self._show_analysis)
        what.chooser.chosen.connect(self.follow)

    @property
    def layer(self) -> Any:
        """The chosen layer; None for none."""
        return self._what.chooser.layer

    @property
    def is_followed(self) -> bool:
        """Whether `follow` was called, and `drop_preview` not since."""
        return self._followed

    def follow(self) -> None:
        """Show the chosen layer, and read it."""
        self.drop_preview()
        self._followed = True
        layer, keep = self.layer, self._keep
        self._partner = None if layer is None else half_map_partner(layer, self._viewer.layers)
        if layer is not None and layer._type_string == "image":
            self._preview = ThresholdPreview(
                self._viewer, layer, moved=keep.threshold.choose_density, replaced=self._read
            )
        self._read()

    def look_for_partner(self) -> None:
        """Read the layer again if its other half-map has come or gone."""
        layer = self.layer
        if layer is None:
            return
        partner = half_map_partner(layer, self._viewer.layers)
        if getattr(partner, "unique_id", None) != getattr(self._partner, "unique_id", None):
            self._partner = partner
            self._read()

    def show(self, whole: bool) -> None:
        """Show the threshold in the viewer; not where the whole volume is kept anyway."""
        if self.facts is not None and self._preview is not None:
            density = None if whole else self._keep.threshold.density
            self._preview.show(density, self.facts.spread, self._keep.overlay.isChecked())
            self._preview.mask.set_shown(self._keep.mask_shown.isChecked())

    def measure(self, where: Where, half_maps: HalfMaps | None) -> None:
        """Work out the soft mask and the spectrum of what is kept, after a pause."""
        if self.facts is not None:
            self._measuring.request(self.facts.map, where, half_maps)

    def drop_preview(self, *, remove: bool = True) -> None:
        """Show nothing any more; without `remove` Qt may have deleted the window."""
        preview, self._preview, self._followed = self._preview, None, False
        if preview is not None:
            preview.release(remove=remove)

    def forget_measured(self) -> None:
        """Show neither a soft mask nor a spectrum: everything is kept as it is."""
        self._measuring.stop()
        self._show_mask(None)
        if self.analysis is not None:
            self._show_analysis(None)

    def stop(self) -> None:
        """End what is being measured."""
        self._measuring.stop()

    def _read(self) -> None:
        self._resources.stop_job(_READING)
        self._measuring.stop()
        self.facts = self.problem = self.inside = None
        self._what.show_facts(None)
        self._show_analysis(None)
        self._keep.show_map(None)
        if (layer := self.layer) is not None:
            steps = facts_steps(layer, self._partner)
            call = {"done": self._on_facts, "failed": self._on_unreadable}
            self._resources.start_job(_READING, steps, **call)
        self.changed.emit()

    def _on_facts(self, facts: MapFacts) -> None:
        self.facts, threshold = facts, self._keep.threshold
        density = None if self._preview is None else self._preview.iso_density
        with QSignalBlocker(threshold):
            if density is not None and abs(density - facts.auto) > 1e-3 * facts.spread:
                threshold.setting = density  # the user, or a file, has chosen it
            elif isinstance(threshold.setting, float):  # a density of the map before
                threshold.setting = "auto"
        self._what.show_facts(facts)
        self._keep.show_map(facts)

    def _on_unreadable(self, error: Exception) -> None:
        self.problem = error
        self.changed.emit()

    def _show_mask(self, mask: SoftMask | None) -> None:
        self.inside = None if mask is None else mask.inside
        if self._preview is not None:
            self._preview.mask.show(mask)
        self.masked.emit()

    def _show_analysis(self, analysis: Analysis | None) -> None:
        self.analysis = analysis
        self.analysed.emit()
