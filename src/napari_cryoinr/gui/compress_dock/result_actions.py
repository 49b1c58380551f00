"""What the buttons below a result do: layers and other widgets of this plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..io.layer_matching import details_of
from ..io.map_layers import LayerData
from ..preferences import PLUGIN
from ..widgets.dock import DockWidget
from .compressed_map import Compressed
from .result_panel import ResultPanel


class ResultActions:
    """Show the decoded map of a result, its error, and its report.

    Parameters
    ----------
    dock : where decoding shows its progress.
    panel : whose buttons do this.
    """

    def __init__(self, dock: DockWidget, panel: ResultPanel) -> None:
        self._dock, self._panel = dock, panel
        panel.show_button.clicked.connect(self.show_decoded)
        panel.error_button.clicked.connect(self.show_error)
        panel.report_button.clicked.connect(self.open_report)

    def show_decoded(self) -> None:
        """Show the decoded map as a layer."""
        self._with_decoded(self._select)

    def show_error(self) -> None:
        """Open the widget Error overlay for this map, and show the error that it is set to."""

        def show(compressed: Compressed, decoded: Any) -> None:
            widget = self._widget("Error overlay")
            widget.choose(decoded)
            widget.show_error()

        self._with_decoded(show)

    def open_report(self) -> None:
        """Open the widget Quality with what was measured."""

        def show(compressed: Compressed, decoded: Any) -> None:
            widget = self._widget("Quality")
            widget.show_report(compressed.report, self._original(compressed), decoded)

        self._with_decoded(show)

    def _select(self, compressed: Compressed, layer: Any) -> None:
        self._dock.viewer.layers.selection.active = layer

    def _with_decoded(self, action: Callable[[Compressed, Any], None]) -> None:
        """Do something with the decoded layer, which is made where it is not there yet."""
        compressed = self._panel.compressed
        if compressed is None:
            return
        layers = self._dock.viewer.layers
        for layer in layers:
            if details_of(layer).get("path") == str(compressed.path):
                action(compressed, layer)
                return
        if self._dock.bar.running:
            self._dock.say(self._dock.bar.why_busy)
            return

        def add(made: LayerData) -> None:
            data, meta, _ = made
            original = self._original(compressed)
            if original is not None:  # as the user looks at the original
                meta |= {"colormap": original.colormap, "rendering": original.rendering}
                meta |= {"contrast_limits": original.contrast_limits}
            added = self._dock.viewer.add_image(data, **meta)
            # What napari hands to plugins is wrapped; all else here is found in its list.
            action(compressed, next(layer for layer in layers if layer == added))

        self._dock.start(compressed.layer_steps(), f"Decoding {compressed.name}", add)

    def _original(self, compressed: Compressed) -> Any:
        for layer in self._dock.viewer.layers:
            if str(layer.unique_id) == compressed.original_id:
                return layer
        return None

    def _widget(self, name: str) -> Any:
        """One of our widgets, in the dock where it is, or in a new one."""
        dock, widget = self._dock.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.show()
        dock.raise_()
        return widget
