"""Callbacks of napari's events that are taken off together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Connections:
    """What a widget listens to; knows nothing of Qt, so that it outlives the widget.

    napari takes a widget out of a dock that is closed without deleting it, and deletes it with the
    window: connect `disconnect` to its signal `destroyed`.
    """

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[[], None]]] = []

    @property
    def connected(self) -> bool:
        """Whether anything is listened to."""
        return bool(self._made)

    def connect(self, emitter: Any, callback: Callable[[], None]) -> None:
        """Call back at an event of napari."""
        emitter.connect(callback)
        self._made.append((emitter, callback))

    def disconnect(self) -> None:
        """Take all callbacks off."""
        for emitter, callback in self._made:
            emitter.disconnect(callback)
        self._made.clear()
