"""Clicks on the canvas, told from drags."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

_DRAG = 4  # pixels of the screen; a mouse that moves farther drags the view


class Clicks:
    """A mouse callback of a layer: calls back with x and y, in pixels of its data, for each click.

    Clicks with a modifier or with another button are left to others, and so are those in any mode
    of the layer but pan and zoom.
    """

    def __init__(self, clicked: Callable[[float, float], None]) -> None:
        self._clicked = clicked

    def __call__(self, layer: Any, event: Any) -> Generator[None, None, None]:
        if (
            event.button != 1
            or event.modifiers
            or layer.mode != "pan_zoom"
            or len(event.dims_displayed) != 2
        ):
            return
        start, farthest = np.array(event.pos), 0.0
        yield
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.abs(event.pos - start).max()))
            yield
        if max(farthest, float(np.abs(event.pos - start).max())) <= _DRAG:
            y, x = layer.world_to_data(event.position)
            self._clicked(float(x), float(y))
