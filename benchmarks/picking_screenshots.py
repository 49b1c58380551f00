#!/usr/bin/env python3
"""Screenshots of a full round of particle picking: click, train, pick, correct, train again, save.

    python benchmarks/picking_screenshots.py MICROGRAPHS BOX OUT [--count 4] [--theme dark]
    (needs a display of at least 1400 × 900, or run it under Xvfb)

MICROGRAPHS is a folder of at least three micrographs with labels beside them (NAME.csv or
NAME_gt.csv), from which the clicks are taken: 25 labelled particles are clicked, and picks where no
label is are rejected. Pictures are of 1280 × 800 pixels, named picking-STATE.png.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from harness import parser_for
from napari.qt import get_qapp
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from scipy.spatial import cKDTree
from screenshots import Stage

from napari_cryoinr import read_coordinates
from napari_cryoinr.picking.coordinates import find_coordinates
from napari_cryoinr.picking.micrographs import find_micrographs
from napari_cryoinr.picking.session import CLICKED, PICKED

_CLICKS = 25  # in the first micrograph
_CORRECTIONS = 8  # of each kind in a micrograph
_LONGEST = 900.0  # seconds of a training
_RIGHT = 0.25  # of a box: as near as that to a label is right


class PickingStage(Stage):
    """A viewer with the widget, whose micrographs are clicked with the mouse."""

    def __init__(self, theme: str, folder: Path, source: Path, work: Path, count: int) -> None:
        super().__init__(theme, folder, "picking-{}.png")
        self.labels = {}
        for path in find_micrographs([source]):
            labels = find_coordinates(path, source)
            if labels is not None and len(self.labels) < count:
                shutil.copy(path, work / path.name)
                self.labels[path.name] = read_coordinates(labels, micrograph=path).xy
        self.pick = self.widget("Pick particles")
        self.pick.controller.micrographs.open_folder(work)
        self.shown(next(iter(self.labels)))

    def shoot(self, state: str, panel: Any = None) -> None:
        """Take a picture; the widget is scrolled to a panel, or to its top."""
        self.rest()
        self.pick.scroll.verticalScrollBar().setValue(0)
        if panel is not None:
            self.pick.scroll.ensureWidgetVisible(panel.parentWidget(), 0, 8)
        super().shoot(state)

    def rest(self) -> None:
        """Let pending events be processed."""
        for _ in range(20):
            get_qapp().processEvents()

    def shown(self, name: str) -> None:
        controller = self.pick.controller
        self.wait(lambda: getattr(controller.micrographs.current, "name", None) == name)
        self.wait(lambda: controller.view.has_preview and controller.view.preview.visible)
        self.rest()

    def work(self, button: Any, state: str | None = None, panel: Any = None) -> None:
        """Click a button, wait until its work is done, and take a picture if it has a name."""
        button.click()
        self.wait(lambda: not self.pick.bar.running, _LONGEST)
        self.rest()
        if state is not None:
            self.shoot(state, panel)

    def click(self, x: float, y: float) -> None:
        """Click with the mouse on a pixel of the micrograph."""
        row, column = self.viewer.layers["particles"].data_to_world((y, x))
        canvas = self.viewer.window._qt_viewer.canvas
        place = canvas.view.scene.transform.map([column, row, 0, 1])
        at = QPoint(*(round(float(one / place[3])) for one in place[:2]))
        modifier = Qt.KeyboardModifier.NoModifier
        QTest.mouseClick(canvas.native, Qt.MouseButton.LeftButton, modifier, at)
        get_qapp().processEvents()

    def correct(self, name: str) -> None:
        """Reject picks where no label is, click labels that were not found, accept two others."""
        controller = self.pick.controller
        labels, points = self.labels[name], controller.points
        near = _RIGHT * controller.session.box
        far = cKDTree(labels).query(points.xy)[0] > near
        picked = np.array(points.state) == PICKED
        wrong, right = points.xy[far & picked], points.xy[~far & picked]
        missed = labels[cKDTree(points.xy).query(labels)[0] > 2 * near]
        height, width = controller.micrographs.micrograph.data.shape
        changed = [*wrong[:_CORRECTIONS], *missed[:_CORRECTIONS]]
        for x, y in [*changed, *right[:2], *right[:2]]:  # a second click accepts
            if 0 <= x < width and 0 <= y < height:
                self.click(x, y)
        print(f"{name}: {len(wrong)} picks without a label, {len(missed)} labels without a pick")
        self.rest()


def first_round(stage: PickingStage, box: float) -> None:
    """Go from an open folder to corrected picks."""
    pick, name = stage.pick, next(iter(stage.labels))
    pick.particle.box.setValue(box)
    stage.rest()
    stage.shoot("opened")
    labels = stage.labels[name]
    for x, y in labels[np.random.default_rng(0).permutation(len(labels))[:_CLICKS]]:
        stage.click(x, y)
    print(f"clicked: {pick.controller.points.count(CLICKED)}")
    stage.shoot("clicked")
    pick.training.button.click()
    stage.wait(lambda: "training" in pick.bar._bar.text())
    stage.shoot("training")
    stage.wait(lambda: not pick.bar.running, _LONGEST)
    stage.work(pick.picking.button, "picked")
    stage.work(pick.view.scores, "scores")
    stage.work(pick.view.scores)
    stage.correct(name)
    pick.correction.reviewed.click()
    stage.shoot("corrected", pick.coordinates)


def second_round(stage: PickingStage) -> None:
    """Train again with the next micrograph, pick in all, write coordinates."""
    pick, name = stage.pick, list(stage.labels)[1]
    pick.work.next_button.click()
    stage.shown(name)
    stage.work(pick.picking.button)
    stage.correct(name)
    pick.correction.reviewed.click()
    stage.work(pick.training.button)
    pick.work.next_button.click()
    stage.shown(list(stage.labels)[2])
    stage.work(pick.picking.all_button, "all")
    # The usual folder under a relative name, so that the picture shows none of this machine.
    pick.controller.change_settings(out=str(Path("micrographs", "picking", "coordinates")))
    stage.work(pick.coordinates.button, "saved", pick.coordinates)
    for line in pick.training.rounds.text().splitlines():
        print(line)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("micrographs", type=Path)
    parser.add_argument("box", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--theme", default="dark")
    args = parser.parse_args()
    source, out, work = args.micrographs.resolve(), args.out.resolve(), Path("micrographs")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        work.mkdir()
        stage = PickingStage(args.theme, out, source, work, args.count)
        first_round(stage, args.box)
        second_round(stage)
        stage.viewer.close()


if __name__ == "__main__":
    main()
