#!/usr/bin/env python3
"""How long napari's window is blocked while a large map is compressed: gaps between timer ticks.

    python benchmarks/responsiveness.py OUT_NAME [--size 256] [--device cpu] [--effort balanced]
    (needs a display, or run it under Xvfb)

A timer of 5 ms runs on the GUI thread while the widget Compress map works; so does one without any
work, for comparison. The table goes to benchmarks/results/OUT_NAME.json and .md.
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

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table


def gaps_until(done: Callable[[], bool], what: str) -> dict[str, Any]:
    """Run the GUI until something is done; returns the gaps between ticks of a timer, in ms."""
    times = [time.perf_counter()]
    timer = QTimer()
    timer.timeout.connect(lambda: times.append(time.perf_counter()))
    timer.start(5)
    while not done():
        get_qapp().processEvents()
        time.sleep(0.001)
    timer.stop()
    gaps = 1e3 * np.diff([*times, time.perf_counter()])
    median, most, largest = np.percentile(gaps, (50, 99, 100)).round(1).tolist()
    row = {"what": what, "seconds": round(gaps.sum() / 1e3, 2), "ticks": len(gaps)}
    row |= {"median_ms": median, "percentile_99_ms": most, "largest_ms": largest}
    return row | {"above_100_ms": int(np.count_nonzero(gaps > 100))}


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
    rows = [gaps_until(widget.button.isEnabled, "reading the map into the widget")]
    widget.settings = cryoinr.Settings(device=args.device, effort=args.effort)
    gaps_until(lambda: widget.size.text() != "estimating...", "estimating")
    end = time.perf_counter() + 5
    rows.append(gaps_until(lambda: time.perf_counter() > end, "nothing"))
    widget.compress()
    what = f"compressing {args.size}³, {args.effort}, {args.device}"
    rows.append(gaps_until(lambda: not widget.bar.running, what))
    widget.result.show_button.click()
    rows.append(gaps_until(lambda: not widget.bar.running, "decoding it, and a new layer"))
    cells = [[str(value) for value in row.values()] for row in rows]
    table = markdown_table([name.replace("_", " ") for name in rows[0]], cells)
    print("\n".join(table))
    title = f"# The window while a map of {args.size}³ voxels is compressed"
    note = "Gaps between ticks of a timer of 5 ms on the GUI thread, in ms."
    write_results(args.out, rows, [title, "", note, "", *table])
    viewer.close()


if __name__ == "__main__":
    main()
