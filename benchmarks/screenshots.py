#!/usr/bin/env python3
"""Screenshots of the widgets in their main states, in napari's dark and light theme.

    python benchmarks/screenshots.py MAP THRESHOLD FOLDER [--themes dark light]
    (needs a display of at least 1400 × 900, or run it under Xvfb)

MAP is an MRC/CCP4 file. Pictures are of 1280 × 800 pixels, named STATE-THEME.png.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from harness import parser_for
from napari.qt import get_qapp
from PIL import Image

import napari_cryoinr as cryoinr

PLUGIN = "napari-cryoinr"
_WAIT = 600.0


class Stage:
    """A viewer with the widgets, and a camera; {} in the pattern of file names is the state."""

    def __init__(self, theme: str, folder: Path, pattern: str) -> None:
        self.folder, self.pattern = folder.resolve(), pattern
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window.resize(1280, 800)

    def widget(self, name: str) -> Any:
        dock, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.show()
        dock.raise_()
        return widget

    def wait(self, until: Callable[[], bool], seconds: float = _WAIT) -> None:
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise TimeoutError("the window did not come to the state to be shown")
            get_qapp().processEvents()
            time.sleep(0.005)

    def shoot(self, state: str) -> None:
        end = time.monotonic() + 0.7
        self.wait(lambda: time.monotonic() > end)
        path = self.folder / self.pattern.format(state)
        picture = Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False))
        # 256 colours are enough for a window, and a third of the bytes; an octree keeps rare ones.
        picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(path, optimize=True)
        print(path, flush=True)

    def turn(self) -> None:
        """Look at the surface from the side."""
        self.viewer.dims.ndisplay = 3
        self.viewer.scene.camera.angles = (10.0, -35.0, 60.0)
        self.viewer.scene.camera.zoom *= 1.6


def opened_states(stage: Stage, path: Path, threshold: float) -> None:
    """Show an archive of the map, as it is opened."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / f"{path.stem}.cinr"
        settings = cryoinr.Settings(threshold=threshold, device="cpu")
        cryoinr.compress(cryoinr.read_map(path), archive, settings)
        stage.viewer.open(archive, plugin=PLUGIN)
        stage.viewer.canvas.overlays.scale_bar.visible = True
        stage.shoot("opened-slice")
        stage.turn()
        stage.viewer.layers[0].colormap = "bop blue"
        stage.shoot("opened-surface")
    stage.viewer.layers.clear()
    stage.viewer.dims.ndisplay = 2


def compress_states(stage: Stage, path: Path, threshold: float) -> Any:
    """Show the widget Compress map from opening a map to its result; returns the widget."""
    viewer = stage.viewer
    viewer.open(path, plugin=PLUGIN)
    widget = stage.widget("Compress map")
    stage.wait(lambda: widget.button.isEnabled())
    widget.threshold.choose_density(threshold)
    stage.wait(lambda: widget.size.text() != "estimating...")
    stage.shoot("compress-threshold")
    stage.turn()
    stage.shoot("compress-surface")
    widget.compress()
    stage.wait(lambda: widget.curve.slices.isVisible())
    widget._scroll.ensureWidgetVisible(widget.curve)
    stage.shoot("compress-running")
    stage.wait(lambda: not widget.bar.running)
    stage.shoot("compress-result")
    return widget


def settings_states(stage: Stage, widget: Any) -> None:
    """Show the sections for the model `paper` and the loss weights, and a batch."""
    viewer = stage.viewer
    viewer.dims.ndisplay = 2
    widget.method.form["model"].value = "paper"
    sections = widget.forms.sections
    for name in ("paper", "weights"):
        sections[name].expand(animate=False)
    stage.wait(lambda: sections["weights"].isVisible() and widget.size.text() != "estimating...")
    widget.result.hide()
    stage.wait(lambda: widget._scroll.verticalScrollBar().maximum() > 0)
    widget._scroll.verticalScrollBar().setValue(10_000)
    stage.shoot("compress-paper")
    widget.result.show()
    for name in ("paper", "weights"):
        sections[name].collapse(animate=False)
    threshold = widget.threshold.setting
    widget.settings = cryoinr.Settings(threshold=threshold, effort="fast", device="cpu")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("archives").mkdir()
        widget.batch.expand(animate=False)
        widget.batch.to_folder.line_edit.value = "archives"  # else magicgui makes it absolute
        widget.batch.start()
        stage.wait(lambda: not widget.batch.bar.running)
        widget._scroll.verticalScrollBar().setValue(10_000)
        stage.shoot("compress-batch")
        widget.batch.collapse(animate=False)


def error_states(stage: Stage, widget: Any) -> None:
    """Show the error of the result as a volume and on the surface, and the report."""
    widget.result.error_button.click()
    error = stage.widget("Error overlay")
    stage.wait(lambda: not widget.bar.running and not error.bar.running)
    stage.viewer.dims.ndisplay = 2
    stage.wait(lambda: len(stage.viewer.layers) > 3)
    stage.viewer.dims.set_current_step(0, stage.viewer.dims.nsteps[0] // 3)
    stage.viewer.reset_view()
    stage.shoot("error-slice")
    error.paint_error()
    stage.wait(lambda: not error.bar.running)
    stage.viewer.scene.camera.angles = (10.0, -35.0, 60.0)
    stage.shoot("error-surface")
    widget.result.report_button.click()
    quality = stage.widget("Compare maps")
    stage.wait(lambda: not quality.bar.running)
    quality.measure()
    stage.wait(lambda: not quality.bar.running)
    stage.shoot("quality-numbers")
    for name, chart in quality.view.charts.items():
        quality.view.tabs.setCurrentWidget(chart)
        stage.shoot(f"quality-{name.lower()}")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("map", type=Path)
    parser.add_argument("threshold", type=float)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--themes", nargs="+", default=["dark", "light"])
    args = parser.parse_args()
    for theme in args.themes:
        stage = Stage(theme, args.folder, f"{{}}-{theme}.png")
        opened_states(stage, args.map.resolve(), args.threshold)
        widget = compress_states(stage, args.map.resolve(), args.threshold)
        settings_states(stage, widget)
        error_states(stage, widget)
        stage.viewer.close()


if __name__ == "__main__":
    main()
