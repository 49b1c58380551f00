"""Fading one layer into another."""

from __future__ import annotations

from typing import Any

_CHANGED = ("visible", "opacity", "blending")


class Blend:
    """Shows two layers one through the other, and restores how they were shown before."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, dict[str, Any]]] = []

    def show(self, layers: Any, original: Any, decoded: Any, share: float) -> None:
        """Mix two layers; `share` is that of the decoded map, 0 to 1."""
        if [id(layer) for layer, _ in self._before] != [id(original), id(decoded)]:
            self.restore()
            self._before = [
                (layer, {name: getattr(layer, name) for name in _CHANGED})
                for layer in (original, decoded)
            ]
        upper_is_decoded = layers.index(decoded) > layers.index(original)
        lower, upper = (original, decoded) if upper_is_decoded else (decoded, original)
        above = share if upper_is_decoded else 1 - share
        # What lies below stays whole: both at half opacity would let the background through.
        lower.opacity, upper.opacity = 1.0, above
        lower.blending = upper.blending = "translucent_no_depth"
        lower.visible, upper.visible = above < 1, above > 0

    def restore(self) -> None:
        """Show the layers as they were before the first `show`."""
        for layer, state in self._before:
            for name, value in state.items():
                setattr(layer, name, value)
        self._before = []
