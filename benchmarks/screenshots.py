#!/usr/bin/env python3
"""Screenshots of napari with a map opened from a `.cinr` file: 2-D and iso-surface.

python benchmarks/screenshots.py FILE.cinr FOLDER     (needs a display, or run it under Xvfb)
"""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from napari.qt import get_qapp


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    (layer,) = viewer.open(source, plugin="napari-cryoinr")
    viewer.canvas.overlays.scale_bar.visible = True

    def shoot(name: str) -> None:
        for _ in range(20):
            get_qapp().processEvents()
        viewer.screenshot(str(folder / name), canvas_only=False, flash=False)

    shoot("napari-2d.png")
    viewer.dims.ndisplay = 3
    layer.colormap = "bop blue"
    viewer.scene.camera.angles = (10.0, -35.0, 60.0)
    viewer.scene.camera.zoom *= 1.7
    shoot("napari-iso.png")
    viewer.close()


if __name__ == "__main__":
    main()
