#!/usr/bin/env python3
"""Twelve tasks of a user in a real window, with real clicks and keys: how many, and how long.

    python benchmarks/user_tasks.py OUT_NAME MAPS_FOLDER MICROGRAPHS_FOLDER PICTURES
        [--themes dark light]
    (needs a display of at least 1400 × 900, or run it under Xvfb)

Menus, buttons, dialogs and the canvas are clicked, names of files are typed, as the tutorial says
it. A typed name counts as one. Seconds are from the first click to the end of the task, with the
program's work and without the time in which a person looks and thinks. A picture of 1280 × 800
pixels is taken at the end of each task: PICTURES/TASK-THEME.png.

MAPS_FOLDER holds the maps that the tasks name; MICROGRAPHS_FOLDER micrographs with labels beside
them (NAME_gt.csv), from which the clicks are taken.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import parser_for, write_results
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QMenu, QWidget
from screenshots import Stage

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.picking.coordinates import find_coordinates

MAP, TOMOGRAM = "emd_6824.mrc", "tomo_microtubule_13pf_int16.mrc"
THRESHOLD = "4"
CLICKS, BOX = 12, 84
LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
POLL = 50  # milliseconds


@dataclass
class Task:
    """What a task took."""

    name: str
    how: str  # what is done, in words
    clicks: int = 0
    keys: int = 0  # keys, and names that were typed
    seconds: float = 0.0


class User(Stage):
    """Somebody at the window."""

    def __init__(self, theme: str, folder: Path) -> None:
        super().__init__(theme, folder, f"{{}}-{theme}.png")
        self.window = self.viewer.window._qt_window
        self.tasks: list[Task] = []
        self._began = 0.0

    def begin(self, name: str, how: str) -> None:
        self.tasks.append(Task(name, how))
        self._began = time.monotonic()

    def end(self) -> None:
        task = self.tasks[-1]
        task.seconds = time.monotonic() - self._began
        self.shoot(f"task-{len(self.tasks):02}-{task.name.replace(' ', '-')}")

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        """Click a widget, once it is there and can be clicked."""
        self.wait(widget.isEnabled)
        scroll = _scroll_area(widget)
        if scroll is not None:
            scroll.ensureWidgetVisible(widget)
            QApplication.processEvents()
        self.wait(widget.isVisible)
        self.tasks[-1].clicks += 1
        QTest.mouseClick(widget, LEFT, NONE, widget.rect().center() if place is None else place)

    def menu(self, *names: str) -> None:
        """Click through the menus."""
        bar: Any = self.window.menuBar()
        for name in names:
            found = [a for a in bar.actions() if a.text().replace("&", "").startswith(name)]
            if not found:
                raise LookupError(f"no {name!r} among {[a.text() for a in bar.actions()]}")
            self.wait(found[0].isEnabled)
            self.tasks[-1].clicks += 1
            opened: QMenu | None = found[0].menu()
            QTest.mouseClick(bar, LEFT, NONE, bar.actionGeometry(found[0]).center())
            if opened is not None:
                self.wait(opened.isVisible)
                bar = opened

    def answer(self, name: str, files: Path, kind: str = "") -> None:
        """Type the name of a file into the dialog that is about to open, and press Enter."""
        self.tasks[-1].keys += 2
        timer = QTimer(self.window)

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                return
            timer.stop()
            if kind:
                dialog.selectNameFilter(next(f for f in dialog.nameFilters() if kind in f))
                self.tasks[-1].clicks += 2
            line = dialog.findChild(QLineEdit)
            assert line is not None
            line.setText(str(files / name))
            QTest.keyClick(line, Qt.Key.Key_Return)

        timer.timeout.connect(look)
        timer.start(POLL)

    def type(self, line: QLineEdit, text: str) -> None:
        """Type a value into a line, and press Enter."""
        self.click(line)
        line.selectAll()
        self.tasks[-1].keys += 1
        QTest.keyClicks(line, text)
        QTest.keyClick(line, Qt.Key.Key_Return)

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
        """Press a key with the canvas in focus."""
        self.tasks[-1].keys += 1
        QTest.keyClick(self.viewer.window._qt_viewer.canvas.native, key, modifier)

    def on_canvas(self, layer: Any, x: float, y: float) -> None:
        """Click a pixel of a layer."""
        canvas = self.viewer.window._qt_viewer.canvas
        row, column = layer.data_to_world((y, x))
        place = canvas.view.scene.transform.map([column, row, 0, 1])
        self.click(canvas.native, QPoint(*(round(float(one / place[3])) for one in place[:2])))

    def open(self, path: Path) -> None:
        """File > Open File(s)..."""
        count = len(self.viewer.layers)
        self.answer(path.name, path.parent)
        self.menu("File", "Open File")
        self.wait(lambda: len(self.viewer.layers) > count)

    def dock(self, name: str) -> Any:
        """Open a widget from the menu, and return it."""
        self.menu("Plugins", "CryoINR", name)
        self.wait(lambda: _title(name) in self.viewer.window.dock_widgets)
        return self.viewer.window.dock_widgets[_title(name)]


def _title(name: str) -> str:
    return f"{name} (CryoINR)"


def _scroll_area(widget: QWidget) -> Any:
    parent = widget.parentWidget()
    while parent is not None and not hasattr(parent, "ensureWidgetVisible"):
        parent = parent.parentWidget()
    return parent


def compressing(user: User, maps: Path, work: Path) -> None:
    """Open, compress, compare, save, open again, error."""
    viewer = user.viewer
    user.begin("open", "File > Open File(s)..., the name, Enter")
    user.open(maps / MAP)
    user.end()

    user.begin("compress", "Plugins > CryoINR > Compress map, the contour, Compress")
    dock = user.dock("Compress map")
    user.wait(lambda: dock.facts is not None)
    user.type(dock.threshold.findChild(QLineEdit), THRESHOLD)
    user.click(dock.button)
    user.wait(lambda: dock.result.compressed is not None and not dock.bar.running)
    user.end()

    user.begin("compare", "G flips original and decoded; Report")
    user.key(Qt.Key.Key_G)
    user.wait(lambda: any("decoded" in layer.name for layer in viewer.layers))
    user.wait(lambda: not dock.bar.running)
    user.click(dock.result.report_button)
    user.wait(lambda: _title("Compare maps") in viewer.window.dock_widgets)
    user.end()

    user.begin("error", "Compress map, Error")
    _raise(user, "Compress map")
    user.click(dock.result.error_button)
    user.wait(lambda: any("error" in layer.name for layer in viewer.layers))
    user.end()

    user.begin("save", "Compress map, Save..., the name, Enter")
    _raise(user, "Compress map")
    user.answer("small.cinr", work)
    user.click(dock.result.save_button)
    user.wait((work / "small.cinr").exists)
    user.end()

    viewer.layers.clear()
    user.begin("open again", "File > Open File(s)..., the name, Enter")
    user.open(work / "small.cinr")
    user.end()


def _raise(user: User, name: str) -> None:
    """Click the tab of a dock."""
    dock = user.viewer.window._wrapped_dock_widgets[_title(name)]
    user.tasks[-1].clicks += 1
    dock.show()
    dock.raise_()
    QApplication.processEvents()


def other_inputs(user: User, maps: Path, work: Path) -> None:
    """A batch, a mask, half-maps, a tomogram."""
    viewer = user.viewer
    viewer.layers.clear()
    dock = viewer.window.dock_widgets[_title("Compress map")]

    user.begin("batch", "Compress map, Batch, the folders, the button")
    _raise(user, "Compress map")
    user.click(dock.batch.toggleButton())
    opened = time.monotonic() + 1.0
    user.wait(lambda: time.monotonic() > opened)  # the section unfolds
    dock.batch.source.setCurrentIndex(1)
    user.tasks[-1].clicks += 2
    user.type(dock.batch.from_folder.line_edit.native, str(work / "maps"))
    user.type(dock.batch.to_folder.line_edit.native, str(work / "archives"))
    user.click(dock.batch.button)
    user.wait(lambda: dock.batch.bar.running)
    user.wait(lambda: not dock.batch.bar.running, 900)
    assert len(list((work / "archives").glob("*.cinr"))) == len(list((work / "maps").iterdir()))
    user.end()

    user.begin("mask", "File > Open File(s)..., File > Save Selected Layers..., x.cinr, Enter")
    user.open(work / "mask.mrc")
    user.answer("mask.cinr", work)
    user.menu("File", "Save Selected")
    user.wait((work / "mask.cinr").exists)
    assert (cryoinr.open_archive(work / "mask.cinr")[0].read() == viewer.layers[-1].data).all()
    user.end()
    viewer.layers.clear()

    user.begin("half-maps", "File > Open File(s)... twice, both selected, File > Save Selected")
    user.open(work / "half1.mrc")
    user.open(work / "half2.mrc")
    viewer.layers.selection = set(viewer.layers)
    user.tasks[-1].clicks += 2
    user.answer("halves.cinr", work)
    user.menu("File", "Save Selected")
    user.wait((work / "halves.cinr").exists, 600)
    assert len(cryoinr.open_archive(work / "halves.cinr")) == 2
    user.end()
    viewer.layers.clear()

    user.begin("tomogram", "File > Open File(s)..., Compress map, whole volume, Compress")
    user.open(maps / TOMOGRAM)
    user.wait(lambda: dock.facts is not None)
    _raise(user, "Compress map")
    dock.threshold.kind.setCurrentIndex(dock.threshold.kind.findData("none"))
    user.tasks[-1].clicks += 2
    count = len(dock.result.session.results)
    user.click(dock.button)
    user.wait(lambda: len(dock.result.session.results) > count, 600)
    user.end()
    viewer.layers.clear()


def picking(user: User, work: Path) -> None:
    """Pick a folder; undo."""
    folder = work / "micrographs"
    first = sorted(folder.glob("*.mrc"))[0]
    places = find_coordinates(first, folder)
    assert places is not None
    labels = cryoinr.read_coordinates(places, micrograph=first).xy
    user.begin("pick a folder", f"Pick particles, a folder, {CLICKS} particles, Train, Pick all")
    dock = user.dock("Pick particles")
    user.answer("micrographs", work)
    user.click(dock.files.open_button)
    user.wait(lambda: "particles" in user.viewer.layers)
    user.wait(lambda: dock.controller.view.has_preview)
    dock.particle.box.setValue(BOX)
    user.tasks[-1].keys += 1
    layer = user.viewer.layers["particles"]
    for x, y in labels[:CLICKS]:
        user.on_canvas(layer, x, y)
    user.click(dock.training.button)
    user.wait(lambda: dock.bar.running)
    user.wait(lambda: not dock.bar.running, 900)
    user.click(dock.picking.all_button)
    user.wait(lambda: dock.bar.running)
    user.wait(lambda: not dock.bar.running, 300)
    user.end()

    user.begin("undo", "a click on the canvas, Ctrl+Z")
    before = len(layer.data)
    user.on_canvas(layer, *labels[CLICKS + 1])
    user.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    user.wait(lambda: len(layer.data) == before)
    user.end()


def prepare(maps: Path, micrographs: Path, work: Path) -> None:
    """Make the files that the tasks use."""
    (work / "maps").mkdir()
    (work / "micrographs").mkdir()
    density_map = cryoinr.read_map(maps / MAP)
    for number in range(3):
        cryoinr.write_map(cryoinr.synthetic_map(48, seed=number), work / f"maps/map{number}.mrc")
    mask = (density_map.data > float(THRESHOLD)).astype(np.float32)
    cryoinr.write_map(replace(density_map, data=mask), work / "mask.mrc")
    random = np.random.default_rng(0)
    for number in (1, 2):
        noise = random.standard_normal(density_map.data.shape, np.float32)
        half = density_map.data + np.float32(0.5) * noise
        cryoinr.write_map(replace(density_map, data=half), work / f"half{number}.mrc")
    for labels in sorted(micrographs.glob("*_gt.csv"))[:2]:
        name = labels.name.removesuffix("_gt.csv")
        shutil.copy(labels, work / "micrographs")
        for path in micrographs.glob(f"{name}_avg.mrc"):
            shutil.copy(path, work / "micrographs")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out")
    parser.add_argument("maps", type=Path)
    parser.add_argument("micrographs", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--themes", nargs="+", default=["dark", "light"])
    args = parser.parse_args()
    args.pictures.mkdir(exist_ok=True, parents=True)
    data: dict[str, Any] = {}
    parts: list[Callable[[User, Path, Path], None]] = [compressing, other_inputs]
    for theme in args.themes:
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            prepare(args.maps.resolve(), args.micrographs.resolve(), work)
            user = User(theme, args.pictures)
            # As `napari.run` has it: errors in what is clicked become notifications.
            with chdir(work), notification_manager:
                for part in parts:
                    part(user, args.maps.resolve(), work)
                picking(user, work)
            user.viewer.close()
        data[theme] = [asdict(task) for task in user.tasks]
    rows = [
        [*map(str, (one["name"], one["how"], one["clicks"], one["keys"])), f"{one['seconds']:.0f}"]
        for one in data[args.themes[0]]
    ]
    lines = [f"# {args.out}: what a user's tasks take", ""]
    lines += markdown_table(["task", "how", "clicks", "keys, names", "seconds"], rows)
    lines += ["", "Seconds are those of the program: nobody looked or thought between two clicks."]
    write_results(args.out, data, lines)


if __name__ == "__main__":
    main()
