"""With which settings File > Save compresses layers, and what is there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...settings import Settings
from ..preferences import saved_settings
from .layer_kinds import half_map_partner
from .map_layers import LayerData

if TYPE_CHECKING:
    from ...codec.members import HalfMaps
    from .compressed import Compressed


@dataclass(frozen=True)
class Choice:
    """How layers are compressed, or the result that is there already."""

    settings: Settings
    thresholds: list[float | str]
    half_maps: HalfMaps | None = None
    finished: Compressed | None = None


def choose(viewer: Any, layers: list[LayerData]) -> Choice:
    """Take the settings of the open widget for its layer, else those of the Preferences page.

    Without a window, `viewer` is None.
    """
    if viewer is not None:
        from .session import session_of  # which needs Qt

        session = session_of(viewer)
        for number, (data, meta, _) in enumerate(layers):
            layer = _layer_of(viewer, data, meta)
            offer = None if layer is None else session.offer_for(layer)
            if offer is None:
                continue
            settings = offer.settings
            # A density means nothing for other maps.
            usual = settings.threshold if isinstance(settings.threshold, str) else "auto"
            thresholds = _thresholds(viewer, layers, usual)
            thresholds[number] = settings.threshold
            if len(layers) > 1:
                return Choice(settings, thresholds)
            return Choice(settings, thresholds, offer.half_maps, session.finished(layer, offer))
    settings = saved_settings()
    return Choice(settings, _thresholds(viewer, layers, settings.threshold))


def _layer_of(viewer: Any, data: Any, meta: dict[str, Any]) -> Any:
    """Return the layer that a writer was given, which may be one of no viewer."""
    named = (layer for layer in viewer.layers if layer.name == meta.get("name"))
    return next((layer for layer in named if layer.data is data), None)


def _thresholds(viewer: Any, layers: list[LayerData], default: float | str) -> list[float | str]:
    """Return a threshold for each layer: of two half-maps the default, so that they are known."""
    found = [None if viewer is None else _layer_of(viewer, *one[:2]) for one in layers]
    shown = [layer for layer in found if layer is not None]
    return [
        default
        if layer is not None and half_map_partner(layer, shown) is not None
        else _threshold(viewer, meta, default)
        for layer, (_, meta, _) in zip(found, layers, strict=True)
    ]


def _threshold(viewer: Any, meta: dict[str, Any], default: float | str) -> float | str:
    """Return the layer's iso threshold if it is shown as an iso-surface, else the default."""
    in_3d = viewer is None or viewer.dims.ndisplay == 3  # without a window the layer alone decides
    is_iso = str(meta.get("rendering")) == "iso" and meta.get("iso_threshold") is not None
    return float(meta["iso_threshold"]) if is_iso and in_3d else default
