"""What came out of a compression: its numbers, and buttons for what can be done with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from weakref import finalize

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QMessageBox, QWidget

from ... import workers
from ...archive import Archive, open_archive
from ...codec.members import HalfMaps
from ...errors import CinrError
from ...maps.density_map import DensityMap
from ...progress import Steps
from ...quality.quality_report import QualityReport
from ...settings import Settings
from ...support import atomic_files
from ...support.output_paths import file_stems
from ..io.layer_matching import KEY, details_of
from ..io.map_layers import LayerData
from ..io.reader import member_layer
from ..preferences import PLUGIN
from ..widgets.dock import DockWidget, ask_for_target
from ..widgets.layout import button, fill


@dataclass(eq=False)
class Compressed:
    """The result of a compression, in a temporary folder that is removed with this object."""

    archive: Archive
    report: QualityReport
    original_id: str  # `unique_id` of the layer that was compressed
    saved: Path | None = None  # where it was saved to

    def __post_init__(self) -> None:
        # Called at the latest when this object is collected, or when the program ends.
        self.discard = finalize(self, shutil.rmtree, self.path.parent, ignore_errors=True)

    @property
    def name(self) -> str:
        """Name of the map."""
        return self.archive[0].name

    @property
    def path(self) -> Path:
        """Where the file is until it is discarded."""
        return Path(self.archive.path)

    def save(self, path: Path) -> None:
        """Copy the file to another path; raise `CinrError` if that cannot be written."""
        try:
            with atomic_files.replacing(path) as written:
                shutil.copyfile(self.path, written)
        except OSError as error:
            raise CinrError(f"{path}: cannot be written ({error.strerror or error})") from error
        self.saved = path

    def layer_steps(self) -> Steps[LayerData]:
        """Decode the map into a layer, which refers to its original."""
        voxels = yield from self.archive[0].read_steps()
        data, meta, kind = member_layer(self.archive, self.archive[0], voxels)
        meta["name"] = f"{self.name} decoded"
        meta["metadata"][KEY]["original_id"] = self.original_id
        return data, meta, kind


def compressed_steps(
    density_map: DensityMap, settings: Settings, original_id: Any, half_maps: HalfMaps | None = None
) -> Steps[Compressed]:
    """Compress a map in a child process; closing the generator leaves nothing behind."""
    folder = atomic_files.new_temporary_folder()
    try:
        (stem,) = file_stems([density_map.name])
        path = folder / f"{stem}.cinr"
        (report,) = yield from workers.compress_steps(
            density_map, path, settings, half_maps=half_maps, shows=True
        )
        return Compressed(open_archive(path), report, str(original_id))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def ask_for_archive(parent: QWidget, compressed: Compressed) -> Path | None:
    """Ask where to save the archive; None if the user cancels."""
    title, kind = "Save compressed map", "Compressed density maps"
    return ask_for_target(parent, title, compressed.path.name, kind)


def wants_to_save(parent: QWidget, name: str) -> bool:
    """Ask whether to save a map whose dock was closed."""
    save, discard = QMessageBox.StandardButton.Save, QMessageBox.StandardButton.Discard
    title, text = "Save compressed map?", f"{name} was compressed, but is not saved."
    answer = QMessageBox.question(parent, title, text, save | discard, save)
    return bool(answer == save)


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
    """Numbers and buttons for one compressed map; hidden while there is none."""

    def __init__(self, dock: DockWidget) -> None:
        super().__init__()
        self._dock = dock
        self.compressed: Compressed | None = None
        self.heading, self.numbers = QLabel(), QLabel()
        for label in (self.heading, self.numbers):
            label.setWordWrap(True)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        tip = "Write the file to a place of your choice"
        self.save_button = button("Save as .cinr...", tip, self._save)
        tip = "Decode the file and show the map as a new layer"
        self.show_button = button("Show decoded", tip, self._show_decoded)
        tip = "Show where the decoded map differs from the original"
        self.error_button = button("Show error", tip, self._show_error)
        tip = "Show all numbers and curves in the Quality widget"
        self.report_button = button("Open report", tip, self._show_report)
        buttons = (self.save_button, self.show_button, self.error_button, self.report_button)
        area = QWidget()
        grid = fill(area, kind=QGridLayout)
        for i, one in enumerate(buttons):
            grid.addWidget(one, i // 2, i % 2)
        fill(self, self.heading, self.numbers, area)
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
        compressed = self._shown()
        path = ask_for_archive(self, compressed)
        if path is None:
            return
        try:
            compressed.save(path)
        except CinrError as error:
            self._dock.say(str(error))
            return
        self.heading.setText(f"<b>{escape(compressed.name)}</b>, saved as {escape(path.name)}")
        self._dock.say(f"Saved {path}")

    def _show_decoded(self) -> None:
        self._with_decoded(lambda layer: setattr(self._layers.selection, "active", layer))

    def _show_error(self) -> None:
        def show(decoded: Any) -> None:
            widget = self._widget("Error overlay")
            widget.choose(decoded)
            widget.show_error()

        self._with_decoded(show)

    def _show_report(self) -> None:
        report, original = self._shown().report, self._original()
        self._with_decoded(
            lambda decoded: self._widget("Quality").show_report(report, original, decoded)
        )

    def _with_decoded(self, action: Callable[[Any], None]) -> None:
        """Do something with the decoded layer, which is decoded first if it is not there."""
        compressed = self._shown()
        for layer in self._layers:
            if details_of(layer).get("path") == str(compressed.path):
                action(layer)
                return
        if self._dock.bar.running:
            self._dock.say(self._dock.bar.why_busy)
            return

        def add(made: LayerData) -> None:
            data, meta, _ = made
            original = self._original()
            if original is not None:  # as the user looks at the original
                meta |= {"colormap": original.colormap, "rendering": original.rendering}
                meta |= {"contrast_limits": original.contrast_limits}
            added = self._dock.viewer.add_image(data, **meta)
            # What napari returns to plugins is wrapped; take the layer itself.
            action(next(layer for layer in self._layers if layer == added))

        self._dock.start(compressed.layer_steps(), f"Decoding {compressed.name}", add)

    def _shown(self) -> Compressed:
        assert self.compressed is not None  # the buttons are hidden otherwise
        return self.compressed

    @property
    def _layers(self) -> Any:
        return self._dock.viewer.layers

    def _original(self) -> Any:
        original_id = self._shown().original_id
        return next((one for one in self._layers if str(one.unique_id) == original_id), None)

    def _widget(self, name: str) -> Any:
        """Return another widget of this plugin, in a new dock if it is not open."""
        dock, widget = self._dock.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.show()
        dock.raise_()
        return widget
