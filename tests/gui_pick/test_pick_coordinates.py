"""Pick particles: coordinates that are imported, the bar with its keys, totals and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pick_actions import WAIT, click, drop, finished, shown, states
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

import napari_cryoinr as cryoinr
from napari_cryoinr.picking.coordinates.star_file import write_star_table
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.session import CLICKED
from spots import BOX

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
PLACES = Particles([[50.0, 60.0], [150.0, 200.0], [300.0, 100.0]], box=BOX)


@pytest.fixture(params=[".csv", ".box", ".star"])
def file(request, tmp_path) -> Path:
    """Three particles of m1, in a file of its name."""
    path = tmp_path / f"m1_gt{request.param}"
    cryoinr.write_coordinates(PLACES, path)
    return path


def test_a_file_is_taken_by_the_micrograph_of_its_name(
    viewer, opened, file, qtbot, monkeypatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *args: ([str(file)], ""))
    opened.coordinates.import_button.click()
    finished(opened, qtbot)
    assert opened.message.text() == "3 particles imported into 1 micrograph."
    session = opened.controller.session
    np.testing.assert_allclose(session.points("m1.mrc").xy, PLACES.xy)
    assert len(session.points("m0.mrc")) == 0
    opened.work.next_button.click()
    shown(opened, qtbot, "m1.mrc")
    assert states(viewer) == [CLICKED] * 3
    opened.correction.undo_button.click()  # all of them at once
    qtbot.waitUntil(lambda: not len(viewer.layers["particles"].data), timeout=WAIT)
    opened.correction.redo_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers["particles"].data) == 3, timeout=WAIT)


def test_a_file_that_is_dropped_twice_adds_nothing_twice(opened, tmp_path, qtbot) -> None:
    path = tmp_path / "mine.csv"  # of no micrograph's name: that which is shown
    cryoinr.write_coordinates(PLACES, path)
    for count in (3, 0):
        drop(opened, path)
        finished(opened, qtbot)
        assert opened.message.text() == f"{count} particles imported into 1 micrograph."
    assert opened.controller.points.count(CLICKED) == 3


def test_a_table_of_many_micrographs_in_pixels_of_another_size(opened, tmp_path, qtbot) -> None:
    path = tmp_path / "particles.star"
    coarse = Particles(PLACES.xy / 2, box=BOX / 2, pixel_size=8.0)  # the micrographs have 4 Å
    # m1 was not shown yet.
    write_star_table({"raw/m0.mrc": coarse, "m1.mrc": coarse, "raw/other.mrc": coarse}, path)
    opened.controller.change_settings(box=60.0)
    drop(opened, path)
    finished(opened, qtbot)
    session = opened.controller.session
    for name in ("m0.mrc", "m1.mrc"):
        np.testing.assert_allclose(session.points(name).xy, PLACES.xy)
    assert session.box == BOX  # of a session in which nothing was marked
    assert opened.message.text() == "6 particles imported into 2 micrographs."


def test_files_that_cannot_be_imported(widget, opened, tmp_path, qtbot) -> None:
    bad = tmp_path / "m0.csv"
    bad.write_text("x,y\n1,nonsense\n")
    other = tmp_path / "other.star"
    write_star_table({"other.mrc": PLACES}, other)
    far = tmp_path / "m1.csv"
    cryoinr.write_coordinates(Particles(PLACES.xy + 5000), far)
    expected = {
        bad: "must be a finite number",
        other: "belongs to none of the 3",
        far: "3 of 3 positions lie outside m1",
    }
    for path, words in expected.items():
        drop(opened, path)
        finished(opened, qtbot)
        assert words in opened.message.text()
        assert "\n" not in opened.message.text()
    assert not len(opened.controller.points)


def test_without_a_micrograph_a_line_says_what_to_do(widget, file) -> None:
    drop(widget, file)
    assert widget.message.text().startswith("Open a micrograph or a folder first")
    assert not widget.coordinates.import_button.isEnabled()


def test_a_folder_can_be_dropped_onto_the_list(widget, folder, qtbot) -> None:
    widget.resize(400, 700)
    widget.show()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    target, copy = widget.files.table.viewport(), Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(5, 5), copy, data, LEFT, NONE)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), copy, data, LEFT, NONE))
    shown(widget, qtbot, "m0.mrc")


def test_totals_are_those_of_all_micrographs(viewer, opened, qtbot) -> None:
    click(viewer, 100, 100)
    opened.work.next_button.click()
    shown(opened, qtbot, "m1.mrc")
    click(viewer, 100, 100)
    click(viewer, 300, 200)
    opened.correction.reviewed.click()
    expected = "3 micrographs, 1 reviewed, 3 particles"
    qtbot.waitUntil(lambda: opened.work.totals.text() == expected, timeout=WAIT)


def test_the_line_in_the_histogram_is_the_threshold(viewer, correcting, qtbot) -> None:
    histogram = correcting.picking.histogram
    scores = correcting.controller.entry.candidates.score
    (curve,) = histogram.curves
    assert curve.y[::2].sum() == len(scores)
    assert histogram.mark == pytest.approx(0.4)
    histogram.resize(300, histogram.height())
    QTest.mouseClick(histogram, LEFT, NONE, histogram.place_of(0.75).toPoint())
    assert correcting.picking.threshold.value() == pytest.approx(0.75, abs=0.02)
    assert histogram.mark == correcting.picking.threshold.value()
    count = int((scores >= histogram.mark).sum())
    qtbot.waitUntil(lambda: len(viewer.layers["particles"].data) == count, timeout=WAIT)


def test_the_bar_has_keys_and_stays(window, docked, picked, qtbot) -> None:
    widget = docked
    drop(widget, picked)
    shown(widget, qtbot, "m0.mrc")
    with qtbot.waitActive(window.window._qt_window, timeout=WAIT):
        window.window._qt_window.activateWindow()
    canvas = window.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus, timeout=WAIT)
    wanted = []
    widget.picking.pick_wanted.connect(wanted.append)
    QTest.keyClick(canvas, Qt.Key.Key_K)
    qtbot.waitUntil(lambda: False in wanted, timeout=WAIT)
    widget.bar.cancel()
    finished(widget, qtbot)
    QTest.keyClick(canvas, Qt.Key.Key_R)
    qtbot.waitUntil(widget.correction.reviewed.isChecked, timeout=WAIT)
    assert widget.controller.entry.reviewed
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(canvas, Qt.Key.Key_E, both)
    saved = picked / "picking" / "coordinates" / "m0.csv"
    qtbot.waitUntil(saved.is_file, timeout=WAIT)
    finished(widget, qtbot)
    for button, key in (
        (widget.work.back_button, "Page Up"),
        (widget.work.next_button, "Page Down"),
        (widget.picking.button, "(K)"),
        (widget.correction.reviewed, "(R)"),
        (widget.coordinates.button, "(Ctrl+Shift+E)"),
        (widget.correction.undo_button, "(Ctrl+Z)"),
        (widget.correction.redo_button, "(Ctrl+Shift+Z)"),
    ):
        assert key in button.toolTip()
    widget.scroll.verticalScrollBar().setValue(10_000)
    assert widget.picking.button.visibleRegion().boundingRect().height() > 10
    assert not widget.scroll.isAncestorOf(widget.picking.button)
