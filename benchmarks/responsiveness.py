#!/usr/bin/env python3
"""How long napari's window is blocked in a user's tasks with a large map: gaps between timer ticks.

    python benchmarks/responsiveness.py OUT_NAME [--size 256] [--device cpu] [--effort fast]
    (needs a display, or run it under Xvfb)

A timer of 5 ms runs on the GUI thread while the docks work: the map is read, its soft mask shown,
its threshold moved, the size estimated, the map compressed, flipped and reported on, its error
shown and painted, two maps compared; so does one without any work, for comparison. The last two
columns leave out the time in which the canvas is drawn: without a graphics card OpenGL draws on
the processor. The table goes to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from harness import parser_for, write_results
from napari.qt import get_qapp
from qtpy.QtCore import QTimer
from vispy.gloo import finish

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.gui.widgets.plugin_docks import open_dock

SETTLED = 1.0  # seconds after a task ends in which what it left for later counts as well


class Watch:
    """Measures the gaps of tasks, one after the other."""

    def __init__(self, viewer: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self._times: list[float] = []
        self._drawn = 0.0  # seconds since the last tick
        self._drawing: list[float] = []  # seconds within each gap
        self._began = 0.0
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        draw = viewer.window._qt_viewer.canvas._scene_canvas.events.draw
        draw.connect(self._begin_drawing, position="first")
        draw.connect(self._end_drawing, position="last")

    def _tick(self) -> None:
        self._times.append(time.perf_counter())
        self._drawing.append(self._drawn)
        self._drawn = 0.0

    def _begin_drawing(self, _: Any) -> None:
        self._began = time.perf_counter()

    def _end_drawing(self, _: Any) -> None:
        finish()  # all that OpenGL was told so far
        self._drawn += time.perf_counter() - self._began

    def task(
        self,
        what: str,
        begin: Callable[[], Any],
        done: Callable[[], bool],
        settled: float = SETTLED,
    ) -> Any:
        """Begin a task and run the GUI until it is done; returns what beginning it returned."""
        self._times, self._drawing = [], []
        begun: list[Any] = []
        self._tick()
        self._timer.start(5)
        QTimer.singleShot(0, lambda: begun.append(begin()))
        end = None
        while end is None or time.perf_counter() < end:
            get_qapp().processEvents()
            time.sleep(0.001)
            if end is None and begun and done():
                end = time.perf_counter() + settled
        self._timer.stop()
        self._tick()
        gaps = 1e3 * np.diff(self._times)
        without = gaps - 1e3 * np.array(self._drawing[1:])
        median, most = np.percentile(gaps, (50, 99)).round(1).tolist()
        row = {"what": what, "seconds": round(float(gaps.sum()) / 1e3, 2), "ticks": len(gaps)}
        row |= {"median_ms": median, "percentile_99_ms": most}
        for name, values in (("", gaps), ("_without_drawing", without)):
            row[f"largest_ms{name}"] = round(float(values.max()), 1)
            row[f"above_100_ms{name}"] = int(np.count_nonzero(values > 100))
        self.rows.append(row)
        print(row, flush=True)
        return begun[0]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--effort", default="fast")
    args = parser.parse_args()
    density_map = cryoinr.synthetic_map(args.size)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.add_image(density_map.data, scale=density_map.voxel_size, units=("angstrom",) * 3)
    watch = Watch(viewer)
    measure(watch, viewer, cryoinr.Settings(device=args.device, effort=args.effort))
    cells = [[str(value) for value in row.values()] for row in watch.rows]
    table = markdown_table([name.replace("_", " ") for name in watch.rows[0]], cells)
    title = f"# The window while a user works with a map of {args.size}³ voxels"
    note = "Gaps between ticks of a timer of 5 ms on the GUI thread, in ms."
    write_results(args.out, watch.rows, [title, "", note, "", *table])
    viewer.close()


def measure(watch: Watch, viewer: Any, settings: cryoinr.Settings) -> None:
    """Do the tasks."""
    end = time.perf_counter() + 5
    watch.task("nothing", lambda: None, lambda: time.perf_counter() > end)
    open_it = lambda name: open_dock(viewer, name)  # noqa: E731
    dock = watch.task("opening Compress map", lambda: open_it("Compress map"), lambda: True, 0.0)
    ready = lambda: dock.facts is not None and dock.chosen.inside is not None  # noqa: E731
    watch.task("reading the map", lambda: None, lambda: ready() and dock.analysis is not None)
    dock.settings = settings
    watch.task("a moved threshold", lambda: _move(dock), ready)
    watch.task("the soft mask is shown", lambda: dock.keep.mask_shown.setChecked(True), ready)
    dock.keep.mask_shown.setChecked(False)
    estimated = lambda: "estimating" not in dock.size.text().lower()  # noqa: E731
    watch.task("estimating the size", dock.estimate_button.click, estimated)
    idle = lambda: not dock.bar.running  # noqa: E731
    watch.task("compressing", dock.compress, lambda: idle() and dock.result.compressed is not None)
    decoded = lambda: idle() and len(viewer.layers) > 1 and viewer.layers[1].visible  # noqa: E731
    watch.task("decoding and flipping", dock.result.flip, decoded)
    opened = watch.task("opening Compare maps", lambda: open_it("Compare maps"), lambda: True, 0.0)
    watch.task("the report", dock.result.report_button.click, lambda: opened.report is not None)
    watch.task("comparing two maps", opened.measure, lambda: not opened.bar.running)
    errors = watch.task(
        "opening Error overlay", lambda: open_it("Error overlay"), lambda: True, 0.0
    )
    watch.task("an error", dock.result.error_button.click, lambda: not errors.bar.running)
    watch.task("a painted error", errors.paint_error, lambda: not errors.bar.running)
    watch.task("3-D", lambda: setattr(viewer.dims, "ndisplay", 3), lambda: True)
    watch.task("2-D", lambda: setattr(viewer.dims, "ndisplay", 2), lambda: True)


def _move(dock: Any) -> None:
    dock.threshold.setting = 1.2 * dock.threshold.density


if __name__ == "__main__":
    main()
