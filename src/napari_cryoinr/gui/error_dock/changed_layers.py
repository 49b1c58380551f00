"""How layers were shown before a widget changed them."""

from __future__ import annotations

from typing import Any


class ChangedLayers:
    """Changes how layers are shown, and takes that back.

    What the user has changed meanwhile stays as he has set it.
    """

    def __init__(self) -> None:
        self._changes: dict[tuple[int, str], tuple[Any, Any, Any]] = {}  # layer, before, now

    def set(self, layer: Any, **values: Any) -> None:
        """Set properties of a layer, such as `visible`."""
        for name, value in values.items():
            key = id(layer), name
            _, before, _ = self._changes.get(key, (layer, getattr(layer, name), None))
            setattr(layer, name, value)
            self._changes[key] = layer, before, getattr(layer, name)

    def restore(self) -> None:
        """Show all layers as before the first `set`."""
        changes, self._changes = self._changes, {}
        for (_, name), (layer, before, now) in changes.items():
            if getattr(layer, name) == now:
                setattr(layer, name, before)
