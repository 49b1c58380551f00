"""What the buttons below a result do: layers and other widgets of this plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..io.layer_matching import details_of
from ..io.map_layers import LayerData
from ..preferences import PLUGIN
from ..widgets.job_bar import JobBar
from .compressed_map import Compressed


class ResultActions:
    """Show the decoded map of a result, its error, and its report.

    Parameters
    ----------
    bar : where decoding shows its progress.
    said : gets a line for the user.
    """

    def __init__(self, viewer: Any, bar: JobBar, said: Callable[[str], None]) -> None:
        self._viewer, self._bar, self._said = viewer, bar, said

    def show_decoded(self, compressed: Compressed) -> None:
        """Show the decoded map as a layer."""
        self._with_decoded(compressed, self._select)

    def show_error(self, compressed: Compressed) -> None:
        """Open the widget Error overlay for this map, and show the error that it is set to."""

        def show(decoded: Any) -> None:
            widget = self._widget("Error overlay")
            widget.choose(decoded)
            widget.show_error()

        self._with_decoded(compressed, show)

    def open_report(self, compressed: Compressed) -> None:
        """Open the widget Quality with what was measured."""

        def show(decoded: Any) -> None:
            widget = self._widget("Quality")
            widget.show_report(compressed.report, self._original(compressed), decoded)

        self._with_decoded(compressed, show)

    def _select(self, layer: Any) -> None:
        self._viewer.layers.selection.active = layer

    def _with_decoded(self, compressed: Compressed, action: Callable[[Any], None]) -> None:
        """Do something with the decoded layer, which is made where it is not there yet."""
        path = str(compressed.archive.path)
        for layer in self._viewer.layers:
            if details_of(layer).get("path") == path:
                action(layer)
                return
        if self._bar.running:
            self._said("Wait for the work that is going on, or cancel it")
            return

        def add(made: LayerData) -> None:
            data, meta, _ = made
            original = self._original(compressed)
            if original is not None:  # as the user looks at the original
                meta |= {"colormap": original.colormap, "rendering": original.rendering}
                meta |= {"contrast_limits": original.contrast_limits}
            added = self._viewer.add_image(data, **meta)
            # What napari hands to plugins is wrapped; all else here is found in its list.
            action(next(layer for layer in self._viewer.layers if layer == added))

        title = f"Decoding {compressed.name}"
        self._bar.start(compressed.layer_steps(), title, add, self._said)

    def _original(self, compressed: Compressed) -> Any:
        for layer in self._viewer.layers:
            if str(layer.unique_id) == compressed.original_id:
                return layer
        return None

    def _widget(self, name: str) -> Any:
        """One of our widgets, in the dock where it is, or in a new one."""
        dock, widget = self._viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.show()
        dock.raise_()
        return widget
