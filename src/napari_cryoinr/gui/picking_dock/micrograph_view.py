"""The layers of the current micrograph: image, preview, score map and particles.

Layers are used again for the next micrograph: napari takes a tenth of a second to make one.
"""

from __future__ import annotations

from typing import Any

from ...picking.micrographs import Micrograph
from ...picking.networks.network_base import ScoreMap
from ...support.array_types import FloatArray
from ..io.layer_matching import KEY
from ..io.micrograph_layers import ContrastLimits, derived_placement, layer_placement, set_placement
from .particle_layer import ParticleLayer
from .preview import Preview


class MicrographView:
    """What a viewer shows of a micrograph."""

    def __init__(self, viewer: Any, particles: ParticleLayer) -> None:
        self._viewer, self._particles = viewer, particles
        self.image: Any = None  # layers; None if there is none
        self.preview: Any = None
        self.scores: Any = None
        self._owns_image = False  # or it is a layer of the user
        self._preview_wanted = True

    @property
    def has_preview(self) -> bool:
        """Whether there is a preview, visible or not; the user may have removed it."""
        return self._exists(self.preview)

    def show(self, micrograph: Micrograph, limits: ContrastLimits, layer: Any) -> None:
        """Show a micrograph in the layer of the user that it is from; None: in one of ours."""
        if layer is None:
            if not self._owns_image:
                self.release()
            placement = layer_placement(micrograph)
            self.image = self._show(self.image, micrograph.data, micrograph.name, placement, limits)
        elif self.image is None or layer != self.image:
            self.release()
            self.image = layer
        self._owns_image = layer is None
        self.hide_scores()
        self.put_particles()

    def show_preview(self, preview: Preview) -> None:
        """Show the preview of the micrograph, if it is wanted."""
        placement = derived_placement(self.image, (preview.offset,) * 2, (preview.step,) * 2)
        content = (preview.image, "preview", placement, preview.limits)
        self.preview = self._show(self.preview, *content, interpolation2d="linear")
        self.set_preview_wanted(self._preview_wanted)

    def set_preview_wanted(self, wanted: bool) -> None:
        """Show the preview, or the micrograph as it is."""
        self._preview_wanted = wanted
        if self.has_preview:
            self.preview.visible = wanted
        if self._exists(self.image):
            self.image.visible = not (wanted and self.has_preview)

    def show_scores(self, scores: ScoreMap) -> None:
        """Show the score map: the probability of a particle at each place, 0 to 1."""
        placement = derived_placement(self.image, scores.start, scores.step)
        content = (scores.values, "particle score", placement, (0.0, 1.0))
        look: dict[str, Any] = {"colormap": "inferno", "blending": "additive", "opacity": 0.6}
        self.scores = self._show(self.scores, *content, **look)

    def hide_scores(self) -> None:
        """Remove the score map."""
        self._remove(self.scores)
        self.scores = None

    def put_particles(self) -> None:
        """Put an empty layer of particles in the place of the micrograph."""
        self._particles.put(derived_placement(self.image, (0.0, 0.0), (1.0, 1.0)))
        self._order()

    def release(self) -> None:
        """Remove all layers but those that the user has opened, which are as they were."""
        self.hide_scores()
        self._remove(self.preview)
        self.preview = None
        if self._owns_image:
            self._remove(self.image)
        elif self._exists(self.image):
            self.image.visible = True
        self.image, self._owns_image = None, False

    def _show(
        self,
        layer: Any,
        data: FloatArray,
        name: str,
        placement: dict[str, Any],
        limits: ContrastLimits,
        **made_with: Any,
    ) -> Any:
        """Give an image layer other content, or make it; return it."""
        if self._exists(layer):
            layer.data, layer.name, layer.contrast_limits = data, name, limits
            set_placement(layer, placement)
            return layer
        layer = self._viewer.add_image(
            data,
            name=name,
            contrast_limits=limits,
            metadata={KEY: {"derived_from": "micrograph"}},
            **placement,
            **made_with,
        )
        self._order(layer)
        return layer

    def _order(self, new: Any = None) -> None:
        """Put image, preview, score map and particles in this order, and select the particles."""
        layers = self._viewer.layers
        for layer in (self.preview, new, self.scores, self._particles.layer):
            if self._exists(layer):
                layers.move(layers.index(layer), len(layers))
        if self._particles.exists:
            layers.selection.active = self._particles.layer

    def _remove(self, layer: Any) -> None:
        if self._exists(layer):
            self._viewer.layers.remove(layer)

    def _exists(self, layer: Any) -> bool:
        return layer is not None and layer in self._viewer.layers
