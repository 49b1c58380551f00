"""What came out of compressions: the verdict, what can be done with it, and the results so far."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from app_model.types import KeyBinding
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from ...errors import CinrError
from ..io.compressed import Compressed
from ..io.layer_matching import details_of
from ..io.map_layers import LayerData
from ..io.session import session_of
from ..widgets.dock import DockWidget
from ..widgets.layout import Section, button, fill
from ..widgets.plugin_docks import open_dock
from .flipping import KEY, copy_look, flip
from .result_view import ResultView
from .results_table import ResultsTable


class ResultPanel(QWidget):
    """The chosen result of the viewer's session, and a table of all; hidden while there is none."""

    def __init__(self, dock: DockWidget) -> None:
        super().__init__()
        self._dock = dock
        self.session = session_of(dock.viewer)
        self.heading = QLabel()
        self.heading.setWordWrap(True)
        self.heading.setTextFormat(Qt.TextFormat.RichText)
        self.view = ResultView()
        tip = "Write the file to a place of your choice"
        self.save_button = button("Save...", tip, self.save)
        tip = f"Show the decoded map in the place of the original, and back (key {KEY})"
        self.flip_button = button("Flip", tip, self.flip)
        tip = "Show where the decoded map differs from the original"
        self.error_button = button("Error", tip, self._show_error)
        tip = "Show all numbers and curves in the widget Compare maps"
        self.report_button = button("Report", tip, self._show_report)
        self.table = ResultsTable(self.session, self.save, self.show_decoded)
        buttons = (self.save_button, self.flip_button, self.error_button, self.report_button)
        area = QWidget()
        grid = fill(area, kind=QGridLayout)
        for column, one in enumerate(buttons):
            grid.addWidget(one, 0, column)
        self.results = Section("Results of this session", self.table)
        self.results.expand(animate=False)
        fill(self, self.heading, self.view, area, self.results)
        self.table.chosen.connect(self._show_current)
        self.hide()

    @property
    def compressed(self) -> Compressed | None:
        """The result that is shown."""
        return self.table.current

    def connect_viewer(self) -> None:
        """Follow the results of the viewer, and bind the key that flips."""
        resources, viewer = self._dock.resources, self._dock.viewer
        resources.connect(self.session.changed, self._refresh)
        if KeyBinding.from_str(KEY) not in viewer.keymap:  # a user may have bound it
            viewer.bind_key(KEY, lambda _: self.flip())
            resources.at_release(lambda: viewer.bind_key(KEY, None))
        self._refresh()

    def show_result(self, compressed: Compressed) -> None:
        """Add a result to those of the session, and show it."""
        self.session.add(compressed)
        self.table.choose(compressed)

    def say_what_is_kept(self) -> None:
        """Notify the user of results that are not saved; for a dock that was closed."""
        if not (unsaved := self.session.unsaved):
            return
        from napari.utils.notifications import show_info

        names = ", ".join(one.name for one in unsaved)
        text = "kept until the window is closed: open Compress map again to save"
        show_info(f"Not saved yet: {names}; {text}")

    def save(self) -> None:
        """Ask where to save the shown result."""
        if (compressed := self.compressed) is None:
            return
        try:
            path = self.session.ask_and_save(self, compressed)
        except CinrError as error:
            self._dock.say(str(error))
            return
        if path is not None:
            self._dock.say(f"Saved {path}")

    def flip(self) -> None:
        """Show the decoded map in the place of the original, or the original again."""
        if (compressed := self.compressed) is None:
            self._dock.say("Nothing to flip yet: compress a map first.")
            return

        def show(decoded: Any) -> None:
            original = self._original(compressed)
            if original is None:
                decoded.visible = True
                self._dock.say(f"{compressed.name} is not open any more; this is the decoded map.")
                return
            shown = flip(original, decoded)
            which = "the decoded map" if shown is decoded else "the original"
            self._dock.say(f"Shown: {which} ({KEY} flips).")

        self._with_decoded(show)

    def show_decoded(self) -> None:
        """Show the map as it comes out of the file."""

        def show(decoded: Any) -> None:
            decoded.visible = True
            self._layers.selection.active = decoded

        self._with_decoded(show)

    def _refresh(self) -> None:
        self.table.refresh()
        self._show_current()

    def _show_current(self) -> None:
        compressed = self.compressed
        self.setVisible(compressed is not None)
        if compressed is None:
            return
        self.view.show_report(compressed.report, compressed.kept)
        if compressed.saved is None:
            saved = "not saved yet"
        else:
            saved = f"saved as {escape(compressed.saved.name)}"
            self.heading.setToolTip(str(compressed.saved))
        self.heading.setText(f"<b>{escape(compressed.name)}</b>, {saved}")

    def _show_error(self) -> None:
        def show(decoded: Any) -> None:
            widget = open_dock(self._dock.viewer, "Error overlay")
            widget.choose(decoded)
            widget.show_error()

        self._with_decoded(show)

    def _show_report(self) -> None:
        compressed = self.compressed
        assert compressed is not None  # the button is hidden otherwise
        report = compressed.report

        def show(decoded: Any) -> None:
            widget = open_dock(self._dock.viewer, "Compare maps")
            widget.show_report(report, self._original(compressed), decoded)

        self._with_decoded(show)

    def _with_decoded(self, action: Callable[[Any], None]) -> None:
        """Do something with the decoded layer, which is decoded first if it is not there."""
        compressed = self.compressed
        if compressed is None:
            return
        for layer in self._layers:
            if details_of(layer).get("path") == str(compressed.path):
                action(layer)
                return
        if self._dock.bar.running:
            self._dock.say(self._dock.bar.why_busy)
            return

        def add(made: LayerData) -> None:
            self._dock.say("")
            action(self._add(made, self._original(compressed)))

        self._dock.start(compressed.layer_steps(), f"Decoding {compressed.name}", add)

    def _add(self, made: LayerData, original: Any) -> Any:
        """Add the decoded layer, hidden above its original; what is selected stays so."""
        data, meta, _ = made
        selected = set(self._layers.selection)
        added = self._dock.viewer.add_image(data, **meta, visible=original is None)
        # What napari returns to plugins is wrapped; take the layer itself.
        layer = next(one for one in self._layers if one == added)
        if original is not None:
            copy_look(original, layer)
            self._layers.move(self._layers.index(layer), self._layers.index(original) + 1)
        self._layers.selection = selected
        return layer

    @property
    def _layers(self) -> Any:
        return self._dock.viewer.layers

    def _original(self, compressed: Compressed) -> Any:
        id_ = compressed.original_id
        return next((one for one in self._layers if str(one.unique_id) == id_), None)
