"""The layers of one micrograph: the image, its preview, the particles, and the score map.

Layers are used again for the next micrograph, for napari takes a tenth of a second to make one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...picking.micrographs import Micrograph
from ...picking.networks.network_base import ScoreMap
from ..io.layer_matching import KEY
from ..io.micrograph_layers import ContrastLimits, layer_placement
from .discs import Discs, place
from .preview import Preview

_DERIVED = "derived_from"


class Scene:
    """What is shown of a micrograph in a viewer.

    Attributes
    ----------
    raw : the image layer of the micrograph; None before there is one.
    discs : the particles.
    """

    def __init__(self, viewer: Any, discs: Discs) -> None:
        self._viewer = viewer
        self.discs = discs
        self.raw: Any = None
        self.preview: Any = None
        self.scores: Any = None
        self._is_own = False  # whether the raw layer was made here
        self._preview_wanted = True

    def show_micrograph(self, micrograph: Micrograph, limits: ContrastLimits) -> None:
        """Show a micrograph in a layer of our own."""
        where = layer_placement(micrograph)
        details = {"micrograph": micrograph.name, _DERIVED: micrograph.name}
        if self._is_own and self._is_there(self.raw):
            self.raw.data = micrograph.data
            self.raw.name = micrograph.name
            place(self.raw, where)
            self.raw.contrast_limits = limits
            self.raw.metadata = {KEY: details}
        else:
            self._leave()
            self.raw = self._viewer.add_image(
                micrograph.data,
                name=micrograph.name,
                contrast_limits=limits,
                metadata={KEY: details},
                **where,
            )
            self._is_own = True
            self._move(self.raw, 0)
        self._begin()

    def show_layer(self, layer: Any) -> None:
        """Show the micrograph of a layer of the user."""
        if self.raw is None or layer != self.raw:
            self._leave()
            self.raw, self._is_own = layer, False
        self._begin()

    def show_preview(self, preview: Preview) -> None:
        """Show the micrograph as a preview, if that is wanted."""
        where = self._placed((preview.offset,) * 2, (preview.step,) * 2)
        if self._is_there(self.preview):
            self.preview.data = preview.image
            self.preview.contrast_limits = preview.limits
            place(self.preview, where)
        else:
            self.preview = self._add(
                preview.image,
                "preview",
                where,
                contrast_limits=preview.limits,
                interpolation2d="linear",
            )
            self._order()
        self.want_preview(self._preview_wanted)

    def put_discs(self) -> None:
        """Make the layer of the particles again, if the user has closed it."""
        if self.raw is not None and not self.discs.is_there:
            self.discs.put(self._placed((0.0, 0.0), (1.0, 1.0)))
            self._order()

    @property
    def has_preview(self) -> bool:
        """Whether there is a preview, seen or not; the user may have closed it."""
        return self._is_there(self.preview)

    def want_preview(self, wanted: bool) -> None:
        """Show the preview, or the micrograph as it is."""
        self._preview_wanted = wanted
        shown = wanted and self._is_there(self.preview)
        if self._is_there(self.preview):
            self.preview.visible = shown
        if self._is_there(self.raw):
            self.raw.visible = not shown

    def show_scores(self, scores: ScoreMap) -> None:
        """Show how probable a particle is at each place; values of 0 to 1."""
        self.hide_scores()
        self.scores = self._add(
            scores.values,
            "particle score",
            self._placed(scores.start, scores.step),
            contrast_limits=(0.0, 1.0),
            colormap="inferno",
            blending="additive",
            opacity=0.6,
        )
        self._order()

    def hide_scores(self) -> None:
        """Take the score map away."""
        self._remove(self.scores)
        self.scores = None

    def owns(self, layer: Any) -> bool:
        """Whether a layer was made here."""
        own = [self.preview, self.scores, self.discs.layer, self.raw if self._is_own else None]
        return any(one is not None and layer == one for one in own)

    def release(self) -> None:
        """Leave the viewer with the micrographs that the user has opened, as they were."""
        self._leave()

    # -- how it is done

    def _begin(self) -> None:
        """Points above all else, in the place of the micrograph; without picture of the last."""
        self.hide_scores()
        self.discs.put(self._placed((0.0, 0.0), (1.0, 1.0)))
        self._order()

    def _placed(self, start: Any, step: Any) -> dict[str, Any]:
        """Where a layer lies whose pixel (0, 0) is at `start` in the micrograph, with this step."""
        raw = self.raw
        matrix = np.asarray(raw.affine.affine_matrix)
        world = np.append(np.asarray(raw.data_to_world(np.asarray(start, float)), float)[-2:], 1.0)
        return {
            "scale": np.asarray(raw.scale) * step,
            "rotate": np.asarray(raw.rotate),
            "shear": np.asarray(raw.shear),
            "affine": matrix,
            "translate": (np.linalg.inv(matrix) @ world)[:2],
            "units": tuple(map(str, raw.units)),
            "axis_labels": tuple(raw.axis_labels),
        }

    def _add(self, image: Any, name: str, where: dict[str, Any], **shown: Any) -> Any:
        details = {_DERIVED: str(self.raw.name)}
        return self._viewer.add_image(image, name=name, metadata={KEY: details}, **where, **shown)

    def _order(self) -> None:
        """Image, preview, scores and discs lie in this order, and the discs are what is clicked."""
        layers = self._viewer.layers
        for layer in (self.preview, self.scores, self.discs.layer):
            if self._is_there(layer):
                self._move(layer, len(layers))
        if self._is_there(self.discs.layer):
            layers.selection.active = self.discs.layer

    def _move(self, layer: Any, to: int) -> None:
        layers = self._viewer.layers
        at = layers.index(layer)
        if at != min(to, len(layers) - 1):
            layers.move(at, to)

    def _leave(self) -> None:
        for layer in (self.scores, self.preview):
            self._remove(layer)
        self.scores = self.preview = None
        if self._is_own:
            self._remove(self.raw)
        elif self._is_there(self.raw):
            self.raw.visible = True
        self.raw = None

    def _remove(self, layer: Any) -> None:
        if self._is_there(layer):
            self._viewer.layers.remove(layer)

    def _is_there(self, layer: Any) -> bool:
        return layer is not None and layer in self._viewer.layers
