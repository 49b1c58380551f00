"""What ties the threshold of a widget to a layer: its iso-surface, and the overlay in slices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..jobs.job import Job
from .map_facts import MapFacts, facts_steps
from .occupancy_overlay import OccupancyOverlay


class LayerLink:
    """Reads a layer in the background, and keeps its iso threshold and a threshold alike.

    Parameters
    ----------
    known : gets the facts, once and again whenever the layer's data is replaced.
    moved : gets the density when the iso threshold is moved in the layer's controls.
    failed : gets what is wrong with the layer.
    """

    def __init__(
        self,
        viewer: Any,
        layer: Any,
        *,
        known: Callable[[MapFacts], None],
        moved: Callable[[float], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.layer = layer
        self.facts: MapFacts | None = None
        self.overlay: OccupancyOverlay | None = None
        self._viewer, self._known, self._moved, self._failed = viewer, known, moved, failed
        self._job: Job | None = None
        self._moving = False
        self._events = [
            (layer.events.iso_threshold, self._on_iso),
            (layer.events.data, self._on_data),
        ]
        for emitter, slot in self._events:
            emitter.connect(slot)
        self._read()

    def chosen_density(self) -> float | None:
        """The iso threshold of a layer that is shown as an iso-surface; None for others."""
        return float(self.layer.iso_threshold) if str(self.layer.rendering) == "iso" else None

    def show(self, density: float | None, overlaid: bool) -> None:
        """Move the iso-surface and the overlay to a density; None stands for the whole volume."""
        if self.facts is None:
            return
        if density is not None and overlaid:
            self.layer.rendering = "iso"
        if density is not None and not math.isclose(self.layer.iso_threshold, density):
            self._moving = True
            try:
                self.layer.iso_threshold = density
            finally:
                self._moving = False
        if density is None or not overlaid:
            self._remove_overlay()
            return
        if self.overlay is None or self.overlay.layer not in self._viewer.layers:
            self._remove_overlay()
            self.overlay = OccupancyOverlay(self._viewer, self.layer)
        self.overlay.show(density, self.facts.spread)

    def release(self) -> None:
        """Leave the layer alone, and take the overlay away."""
        self.forget()
        self._remove_overlay()

    def forget(self) -> None:
        """Listen to the layer no more: the viewer is gone."""
        if self._job is not None:
            self._job.forget()
        for emitter, slot in self._events:
            emitter.disconnect(slot)
        self._events = []

    def _read(self) -> None:
        if self._job is not None:
            self._job.forget()
        data, meta, _ = self.layer.as_layer_data_tuple()
        self._job = Job(facts_steps(data, meta), done=self._on_facts, failed=self._failed)

    def _on_facts(self, facts: MapFacts) -> None:
        self.facts = facts
        self._known(facts)

    def _on_data(self, event: Any = None) -> None:
        self._remove_overlay()
        self._read()

    def _on_iso(self, event: Any = None) -> None:
        if not self._moving:
            self._moved(float(self.layer.iso_threshold))

    def _remove_overlay(self) -> None:
        if self.overlay is not None:
            self.overlay.remove()
            self.overlay = None
