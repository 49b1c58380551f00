"""`cryoinr demo`: napari with a map, the widget Compress map and the guided tour."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_cryoinr.gui import demo_window
from napari_cryoinr.gui.compress_dock import compress_widget

PLUGIN = "napari-cryoinr"
WAIT = 120_000


@pytest.fixture
def window(make_napari_viewer, npe2pm, monkeypatch, quick):
    monkeypatch.setattr(compress_widget, "saved_settings", lambda: quick)
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield make_napari_viewer(show=True)


def begun(tour, qtbot):
    """The tour, once its map was read."""
    qtbot.waitUntil(lambda: bool(tour.steps) and tour.compress.facts is not None, timeout=WAIT)
    return tour


@pytest.fixture
def small_tour(window, small_map, tmp_path, qtbot):
    """The tour with a map of the user's, which is compressed in a second."""
    path = tmp_path / "mine.mrc"
    cryoinr.write_map(small_map, path)
    return begun(demo_window.prepare(window, path), qtbot)


def reaches(tour, number: int, qtbot) -> None:
    """Wait until the tour is at a step, counted from 1."""
    qtbot.waitUntil(lambda: tour.index == number - 1, timeout=WAIT)
    assert f"{number} of 5" in tour.text.text()


@pytest.mark.slow
@pytest.mark.viewer
def test_the_demo_shows_the_map_in_the_package(window, qtbot) -> None:
    tour = begun(demo_window.prepare(window), qtbot)
    assert tour.compress.button.text() == "Compress emd_6824"
    assert window.canvas.overlays.scale_bar.visible
    reaches(tour, 1, qtbot)
    assert not tour.back_button.isEnabled()
    tour.do_button.click()
    reaches(tour, 2, qtbot)
    assert window.dims.ndisplay == 3
    tour.do_button.click()
    reaches(tour, 3, qtbot)
    assert tour.compress.threshold.density == pytest.approx(4.0, abs=0.05)  # its σ is 1
    tour.end_button.click()
    assert not tour.isVisible()
    assert tour.compress is None
    assert window.layers[0].name == "emd_6824"


@pytest.mark.slow
@pytest.mark.viewer
def test_the_tour_goes_on_by_itself_when_the_user_did_a_step(
    small_tour, window, qtbot, monkeypatch, tmp_path
) -> None:
    tour, compress = small_tour, small_tour.compress
    window.dims.ndisplay = 3
    reaches(tour, 2, qtbot)
    compress.threshold.slider.setValue(0.9 * compress.threshold.slider.value())
    reaches(tour, 3, qtbot)
    compress.button.click()
    reaches(tour, 4, qtbot)
    compress.result.flip()
    reaches(tour, 5, qtbot)
    assert not tour.next_button.isVisible()
    target = tmp_path / "mine.cinr"
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: True)
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda dialog: [str(target)])
    tour.do_button.click()
    assert target.is_file()
    qtbot.waitUntil(lambda: "\N{CHECK MARK}" in tour.text.text(), timeout=WAIT)
    assert tour.index == 4


@pytest.mark.viewer
def test_going_back_to_a_step_that_is_done_stays_there(
    small_tour, window, qtbot, monkeypatch
) -> None:
    tour = small_tour
    tour.do_button.click()
    reaches(tour, 2, qtbot)
    tour.back_button.click()
    reaches(tour, 1, qtbot)
    assert "\N{CHECK MARK}" in tour.text.text()
    looked = []
    monkeypatch.setattr(tour, "_state", lambda: looked.append(1) or True)
    qtbot.waitUntil(lambda: len(looked) > 3, timeout=WAIT)
    assert tour.index == 0
    monkeypatch.undo()
    for number in (2, 3, 4, 5):
        tour.next_button.click()
        reaches(tour, number, qtbot)


@pytest.mark.viewer
def test_nothing_changes_under_a_mouse_that_drags(small_tour, window, qtbot, monkeypatch) -> None:
    tour = small_tour
    tour.onward()
    asked = []

    def buttons() -> Qt.MouseButton:
        asked.append(1)
        return Qt.MouseButton.LeftButton

    monkeypatch.setattr(QApplication, "mouseButtons", buttons)
    tour.compress.threshold.slider.setValue(0.9 * tour.compress.threshold.slider.value())
    qtbot.waitUntil(lambda: len(asked) > 3, timeout=WAIT)
    assert tour.index == 1
    monkeypatch.undo()
    reaches(tour, 3, qtbot)


def test_a_map_that_is_not_there_is_refused(capsys) -> None:
    assert run(["demo", "gone.mrc"]) == 1
    assert capsys.readouterr().err == "error: gone.mrc: no such file\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others always have a display")
def test_no_display_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from napari_cryoinr.cli import main; main()", "demo"],
        env={"PATH": "", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: there is no display")
