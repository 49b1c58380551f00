"""The points layer "particles": a disc around each particle, coloured by its state.

The layer only displays points of a session. What the user does to it, by clicks or with napari's
own tools, is reported, to be done to the session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np

from ...picking.session import ACCEPTED, CLICKED, PICKED, REJECTED, Points
from ...support.array_types import Float64Array
from ..io.layer_matching import KEY
from ..io.micrograph_layers import set_placement

# From Okabe and Ito's palette: distinct for all kinds of colour vision, and on grey.
COLOURS = {CLICKED: "#56B4E9", PICKED: "#F0E442", ACCEPTED: "#009E73", REJECTED: "#D55E00"}
_RGBA = {state: (*bytes.fromhex(colour[1:]), 255) for state, colour in COLOURS.items()}
_LINE = 0.06  # width of a disc's border, as a share of the box
_CROSS = 0.5  # size of a rejected point's cross, as a share of the box
_DRAG = 4  # screen pixels; a mouse that moves farther drags the view
_UNDO_KEY, _REDO_KEY = "Control-Z", "Control-Shift-Z"
NAME = "particles"

Position = tuple[float, float]  # x, y


class PointEdits(NamedTuple):
    """Differences between two lists of points."""

    removed: list[int]  # indices
    moved: dict[int, Position]  # by index
    added: list[Position]


def compare_points(before: Float64Array, after: Float64Array) -> PointEdits:
    """Find the differences between two lists of points, both of shape (n, 2)."""
    old, new = [[(x, y) for x, y in points.tolist()] for points in (before, after)]
    if len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return PointEdits([], {index: b for index, (a, b) in pairs if a != b}, [])
    kept = Counter(old) & Counter(new)
    added, removed = Counter(new) - kept, []
    for index, place in enumerate(old):
        if kept[place]:
            kept[place] -= 1
        else:
            removed.append(index)
    return PointEdits(removed, {}, list(added.elements()))


class ParticleLayer:
    """Displays points and reports what the user does to them.

    `clicked` is called with x and y of a click, in pixels of the micrograph; `edited` when others
    have changed the layer, see `take_edits`; `undo` and `redo` at Ctrl+Z and Ctrl+Shift+Z while the
    layer is selected.
    """

    def __init__(
        self,
        viewer: Any,
        clicked: Callable[[float, float], None],
        edited: Callable[[], None],
        undo: Callable[[], None],
        redo: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._clicked, self._edited = clicked, edited
        self._keys = {_UNDO_KEY: undo, _REDO_KEY: redo}
        self._shown: Points | None = None
        self.layer: Any = None

    @property
    def exists(self) -> bool:
        """Whether the layer is in the viewer; the user may have removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def is_selected(self) -> bool:
        """Whether the layer is the selected one."""
        return self.exists and self._viewer.layers.selection.active == self.layer

    def put(self, placement: dict[str, Any]) -> None:
        """Empty the layer and move it (scale, translate and so on); make it if there is none."""
        self._shown = None
        if self.exists:
            self._set_data(np.empty((0, 2)))
            set_placement(self.layer, placement)
            return
        self.layer = self._viewer.add_points(
            np.empty((0, 2)),
            name=NAME,
            face_color="transparent",
            border_color=COLOURS[CLICKED],
            border_width=_LINE,
            metadata={KEY: {"derived_from": "micrograph"}},
            features={"state": np.empty(0, object), "score": np.empty(0)},
            **placement,
        )
        self.layer.mouse_drag_callbacks.append(self._on_mouse)
        self.layer.events.data.connect(self._on_data)
        for key, call in self._keys.items():
            self.layer.bind_key(key, lambda layer, call=call: call(), overwrite=True)

    def show(self, points: Points, box: float) -> None:
        """Show these points and no others; `box` is the diameter of a disc in pixels."""
        if not self.exists:
            return
        layer = self.layer
        layer.selected_data = set()
        self._set_data(points.xy[:, ::-1])
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
        self._shown = points

    def take_edits(self) -> tuple[Points, PointEdits] | None:
        """Return the points of the last `show`, and what others have done to the layer since."""
        if self._shown is None or not self.exists:
            return None
        edits = compare_points(self._shown.xy, np.asarray(self.layer.data, float)[:, ::-1])
        return (self._shown, edits) if any(edits) else None

    def select(self) -> None:
        """Select the layer, in the mode in which clicks are reported."""
        if self.exists:
            self._viewer.layers.selection.active = self.layer
            self.layer.mode = "pan_zoom"

    def release(self, *, remove: bool) -> None:
        """Report no more; the layer is removed, or becomes an ordinary one."""
        layer, self._shown = self.layer, None
        if self.exists:
            layer.mouse_drag_callbacks.remove(self._on_mouse)
            layer.events.data.disconnect(self._on_data)
            for key in self._keys:
                layer.bind_key(key, None)
            if remove:
                self._viewer.layers.remove(layer)
        self.layer = None

    def _set_data(self, data: Float64Array) -> None:
        with self.layer.events.data.blocker(self._on_data):
            self.layer.data = data

    def _on_data(self, event: Any = None) -> None:
        self._edited()

    def _on_mouse(self, layer: Any, event: Any) -> Generator[None, None, None]:
        """Report a click: a press and release of the left button without a drag in between.

        Clicks with a modifier, and those in other modes than pan and zoom, are napari's.
        """
        in_plane = layer.mode == "pan_zoom" and len(event.dims_displayed) == 2
        if event.button != 1 or event.modifiers or not in_plane:
            return
        start, farthest = np.array(event.pos), 0.0
        yield
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.abs(event.pos - start).max()))
            yield
        if max(farthest, float(np.abs(event.pos - start).max())) <= _DRAG:
            y, x = layer.world_to_data(event.position)
            self._clicked(float(x), float(y))
