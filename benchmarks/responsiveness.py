#!/usr/bin/env python3
"""How long napari's window stands still while a large map is compressed: gaps between timer ticks.

    python benchmarks/responsiveness.py OUT_NAME [--size 256] [--device cpu]
    (needs a display, or run it under Xvfb)

A timer of 5 ms runs on the GUI thread while the widget Compress map works; so does one without any
work, for comparison. The table goes to benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import napari
from harness import parser_for, write_results
from napari.qt import get_qapp
from qtpy.QtCore import QTimer

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table

_LIMIT = 0.1


class Ticks:
    """Gaps between ticks of a timer on the GUI thread, and garbage collections within them."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.collecting: list[float] = []  # seconds of each gap
        self._collected = self._collection_began = 0.0
        gc.callbacks.append(self._on_collection)
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self.collecting.append(self._collected)
        self._last, self._collected = now, 0.0

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collection_began = now
        else:
            self._collected += now - self._collection_began

    def row(self, what: str) -> dict[str, Any]:
        """The numbers of a stage, which ends with this."""
        self._timer.stop()
        gc.callbacks.remove(self._on_collection)
        gaps = sorted(self.gaps)
        largest = self.gaps.index(gaps[-1])
        return {
            "what": what,
            "seconds": round(sum(gaps), 2),
            "ticks": len(gaps),
            "median_ms": round(1e3 * gaps[len(gaps) // 2], 1),
            "percentile_99_ms": round(1e3 * gaps[int(0.99 * len(gaps))], 1),
            "largest_ms": round(1e3 * gaps[-1], 1),
            "of_it_garbage_collection_ms": round(1e3 * self.collecting[largest], 1),
            "largest_after_s": round(sum(self.gaps[:largest]), 2),
            "above_100_ms": sum(gap > _LIMIT for gap in gaps),
        }


def spin(until: Callable[[], bool]) -> None:
    while not until():
        get_qapp().processEvents()
        time.sleep(0.001)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--effort", default="balanced")
    args = parser.parse_args()
    density_map = cryoinr.synthetic_map(args.size)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.add_image(density_map.data, scale=density_map.voxel_size, units=("angstrom",) * 3)
    _, widget = viewer.window.add_plugin_dock_widget("napari-cryoinr", "Compress map")
    begun = time.perf_counter()
    ticks = Ticks()
    spin(lambda: widget.kept.text() not in ("", "-"))
    rows = [ticks.row("reading the map into the widget")]
    widget.settings = cryoinr.Settings(device=args.device, effort=args.effort)
    spin(lambda: time.perf_counter() - begun > 5)
    widget.estimate.stop()
    ticks, begun = Ticks(), time.perf_counter()
    spin(lambda: time.perf_counter() - begun > 5)
    rows.append(ticks.row("nothing"))
    widget.compress()
    ticks = Ticks()
    spin(lambda: not widget.bar.running)
    rows.append(ticks.row(f"compressing {args.size}³, {args.effort}, {args.device}"))
    widget.result.show_button.click()
    ticks = Ticks()
    spin(lambda: not widget.bar.running)
    rows.append(ticks.row("decoding it, and a new layer"))
    cells = [[str(value) for value in row.values()] for row in rows]
    table = markdown_table([name.replace("_", " ") for name in rows[0]], cells)
    print("\n".join(table))
    title = f"# The window while a map of {args.size}³ voxels is compressed"
    note = "Gaps between ticks of a timer of 5 ms on the GUI thread, in ms."
    write_results(args.out, rows, [title, "", note, "", *table])
    viewer.close()


if __name__ == "__main__":
    main()
