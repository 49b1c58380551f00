"""What came out of a compression: its numbers, and buttons for what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QMessageBox, QPushButton, QVBoxLayout, QWidget

from ...errors import CinrError
from ..io.layer_matching import details_of
from ..io.map_layers import LayerData
from ..preferences import PLUGIN
from ..widgets.dialogs import ask_for_target
from ..widgets.dock import DockWidget
from .compressed_map import Compressed


def ask_for_archive(parent: QWidget, compressed: Compressed) -> Path | None:
    """Ask where to save the archive; None if the user cancels."""
    title, kind = "Save compressed map", "Compressed density maps"
    return ask_for_target(parent, title, compressed.path.name, kind)


def wants_to_save(parent: QWidget, name: str) -> bool:
    """Ask whether to save a map whose dock was closed."""
    answer = QMessageBox.question(
        parent,
        "Save compressed map?",
        f"{name} was compressed, but is not saved.",
        QMessageBox.StandardButton.Save | QMessageBox.StandardButton.Discard,
        QMessageBox.StandardButton.Save,
    )
    return bool(answer == QMessageBox.StandardButton.Save)


def offer_to_save(parent: QWidget, compressed: Compressed) -> None:
    """Offer to save a map whose dock was closed, then discard it."""
    try:
        if wants_to_save(parent, compressed.name):
            path = ask_for_archive(parent, compressed)
            if path is not None:
                compressed.save(path)
    finally:
        compressed.discard()


class ResultPanel(QWidget):
    """Numbers and buttons for one compressed map; hidden while there is none.

    `dock` shows the progress of decoding, and messages.
    """

    def __init__(self, dock: DockWidget) -> None:
        super().__init__()
        self._dock = dock
        self.compressed: Compressed | None = None
        self.heading, self.numbers = QLabel(), QLabel()
        for label in (self.heading, self.numbers):
            label.setWordWrap(True)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.save_button = QPushButton("Save as .cinr...")
        self.save_button.setToolTip("Write the file to a place of your choice")
        self.save_button.clicked.connect(self._save)
        self.show_button = QPushButton("Show decoded")
        self.show_button.setToolTip("Decode the file and show the map as a new layer")
        self.show_button.clicked.connect(lambda: self._with_decoded(self._select))
        self.error_button = QPushButton("Show error")
        self.error_button.setToolTip("Show where the decoded map differs from the original")
        self.error_button.clicked.connect(lambda: self._with_decoded(self._show_error))
        self.report_button = QPushButton("Open report")
        self.report_button.setToolTip("Show all numbers and curves in the Quality widget")
        self.report_button.clicked.connect(lambda: self._with_decoded(self._show_report))
        buttons = QGridLayout()
        buttons.addWidget(self.save_button, 0, 0)
        buttons.addWidget(self.show_button, 0, 1)
        buttons.addWidget(self.error_button, 1, 0)
        buttons.addWidget(self.report_button, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.heading)
        layout.addWidget(self.numbers)
        layout.addLayout(buttons)
        self.hide()

    @property
    def unsaved(self) -> bool:
        """Whether there is something that would be lost."""
        return self.compressed is not None and self.compressed.saved is None

    def show_result(self, compressed: Compressed) -> None:
        """Show another map; the one before is removed if it was not saved."""
        before = self.take()
        if before is not None:
            before.discard()
        self.compressed = compressed
        self.heading.setText(f"<b>{escape(compressed.name)}</b>, not saved yet")
        report = compressed.report
        rows = "".join(f"<tr><td>{n}</td><td>{escape(text)}</td></tr>" for n, text in report.rows())
        self.numbers.setText(f"<p>{escape(report.verdict())}</p><table>{rows}</table>")
        self.show()

    def take(self) -> Compressed | None:
        """Return the map, and show nothing."""
        compressed, self.compressed = self.compressed, None
        self.hide()
        return compressed

    def _save(self) -> None:
        compressed = self.compressed
        path = None if compressed is None else ask_for_archive(self, compressed)
        if compressed is None or path is None:
            return
        try:
            compressed.save(path)
        except CinrError as error:
            self._dock.say(str(error))
            return
        self.heading.setText(f"<b>{escape(compressed.name)}</b>, saved as {escape(path.name)}")
        self._dock.say(f"Saved {path}")

    def _with_decoded(self, action: Callable[[Compressed, Any], None]) -> None:
        """Do something with the decoded layer, which is decoded first if it is not there."""
        compressed, layers = self.compressed, self._dock.viewer.layers
        if compressed is None:
            return
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
            # What napari returns to plugins is wrapped; take the layer itself.
            action(compressed, next(layer for layer in layers if layer == added))

        self._dock.start(compressed.layer_steps(), f"Decoding {compressed.name}", add)

    def _select(self, compressed: Compressed, decoded: Any) -> None:
        self._dock.viewer.layers.selection.active = decoded

    def _show_error(self, compressed: Compressed, decoded: Any) -> None:
        widget = self._widget("Error overlay")
        widget.choose(decoded)
        widget.show_error()

    def _show_report(self, compressed: Compressed, decoded: Any) -> None:
        report, original = compressed.report, self._original(compressed)
        self._widget("Quality").show_report(report, original, decoded)

    def _original(self, compressed: Compressed) -> Any:
        layers = self._dock.viewer.layers
        same = (layer for layer in layers if str(layer.unique_id) == compressed.original_id)
        return next(same, None)

    def _widget(self, name: str) -> Any:
        """Return another widget of this plugin, in a new dock if it is not open."""
        dock, widget = self._dock.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.show()
        dock.raise_()
        return widget
