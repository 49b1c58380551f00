"""The layer "particles": a disc of the box around each particle, coloured by its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...picking.session import ACCEPTED, CLICKED, PICKED, REJECTED, Points
from ..io.layer_matching import KEY
from .clicks import Clicks
from .edits import Edits, edits_between

# Of Okabe and Ito, told apart by all kinds of colour vision and on grey.
COLOURS = {CLICKED: "#56B4E9", PICKED: "#F0E442", ACCEPTED: "#009E73", REJECTED: "#D55E00"}
_RGBA = {state: (*bytes.fromhex(colour[1:]), 255) for state, colour in COLOURS.items()}
_LINE = 0.06  # width of a disc's border, as a share of the box
_CROSS = 0.5  # size of a rejected one's cross, which is filled
NAME = "particles"


def place(layer: Any, where: dict[str, Any]) -> None:
    """Put a layer somewhere else; only what differs is set, for each costs milliseconds."""
    for name, value in where.items():
        before = getattr(layer, name)
        if name == "affine":
            same = np.array_equal(before.affine_matrix, value)
        elif name in ("units", "axis_labels"):
            same = tuple(map(str, before)) == tuple(map(str, value))
        else:
            same = np.array_equal(before, value)
        if not same:
            setattr(layer, name, value)


class Discs:
    """Shows points, and tells what the user does to them.

    Parameters
    ----------
    clicked : called with x and y of a click, pixels of the micrograph.
    edited : called when the layer was changed by others, to look at `take_edits` soon.
    """

    def __init__(
        self, viewer: Any, clicked: Callable[[float, float], None], edited: Callable[[], None]
    ) -> None:
        self._viewer = viewer
        self._clicks = Clicks(clicked)
        self._edited = edited
        self._keys: dict[str, Callable[[], None]] = {}
        self._shown: Points | None = None
        self._showing = False
        self.layer: Any = None

    def put(self, where: dict[str, Any]) -> None:
        """Empty the layer and put it into a place; it is made if it is not there.

        Parameters
        ----------
        where : scale, translate and so on.
        """
        if self.is_there:
            self.clear()
            place(self.layer, where)
            return
        self.layer = self._viewer.add_points(
            np.empty((0, 2)),
            name=NAME,
            face_color="transparent",
            border_color=COLOURS[CLICKED],
            border_width=_LINE,
            metadata={KEY: {"derived_from": "micrograph"}},
            features={"state": np.empty(0, object), "score": np.empty(0)},
            **where,
        )
        self._shown = None
        self.layer.mouse_drag_callbacks.append(self._clicks)
        self.layer.events.data.connect(self._on_data)
        for key, call in self._keys.items():
            self._bind(key, call)

    def bind(self, key: str, call: Callable[[], None]) -> None:
        """Call at a key that is pressed while the layer is selected."""
        self._keys[key] = call
        if self.is_there:
            self._bind(key, call)

    def show(self, points: Points, box: float) -> None:
        """Show these points and no others."""
        if not self.is_there:
            return
        layer = self.layer
        self._showing = True
        try:
            layer.selected_data = set()
            layer.data = points.xy[:, ::-1]
            layer.features = {"state": np.array(points.state, object), "score": points.score}
            if len(points):
                crossed = np.array([state == REJECTED for state in points.state])
                colours = np.array([_RGBA[state] for state in points.state]) / 255
                layer.border_color = colours
                layer.face_color = colours * crossed[:, None]
                layer.symbol = np.where(crossed, "x", "disc")
                layer.size = box * np.where(crossed, _CROSS, 1.0)
            layer.current_size = box
            layer.current_border_color = COLOURS[CLICKED]
        finally:
            self._showing = False
        self._shown = points

    def take_edits(self) -> tuple[Points, Edits] | None:
        """What others have done since `show`, to the points that were shown; once."""
        if self._shown is None or not self.is_there:
            return None
        edits = edits_between(self._shown.xy, np.asarray(self.layer.data, float)[:, ::-1])
        return (self._shown, edits) if edits != Edits() else None

    def clear(self) -> None:
        """Show nothing."""
        self._showing = True
        try:
            if len(self.layer.data):
                self.layer.data = np.empty((0, 2))
        finally:
            self._showing = False
        self._shown = None

    @property
    def is_active(self) -> bool:
        """Whether the layer is the selected one."""
        active = self._viewer.layers.selection.active
        return active is not None and self.layer is not None and active == self.layer

    def take_clicks(self) -> None:
        """Select the layer, in the mode in which clicks are ours."""
        if self.is_there:
            self._viewer.layers.selection.active = self.layer
            self.layer.mode = "pan_zoom"

    def remove(self) -> None:
        """Take the layer away."""
        layer = self.layer if self.is_there else None
        self.leave()
        if layer is not None:
            self._viewer.layers.remove(layer)

    def leave(self) -> None:
        """Let the layer be one like others."""
        if self.is_there:
            self.layer.mouse_drag_callbacks.remove(self._clicks)
            self.layer.events.data.disconnect(self._on_data)
            for key in self._keys:
                self.layer.bind_key(key, None)
        self.layer = self._shown = None

    def _bind(self, key: str, call: Callable[[], None]) -> None:
        self.layer.bind_key(key, lambda layer: call(), overwrite=True)

    def _on_data(self, event: Any = None) -> None:
        if not self._showing:
            self._edited()

    @property
    def is_there(self) -> bool:
        """Whether there is a layer; the user may have closed it."""
        return self.layer is not None and self.layer in self._viewer.layers
