"""The wiring in a real napari window: open, save, cancel, close, sample data."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.io import writer
from napari_cryoinr.gui.jobs import blocking_run
from napari_cryoinr.progress import Progress

pytest.importorskip("napari")
pytestmark = pytest.mark.viewer

PLUGIN = "napari-cryoinr"


@pytest.fixture
def viewer(make_napari_viewer, npe2pm):
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        yield viewer


@pytest.fixture(params=["field", "paper"])
def long_saves(monkeypatch, request, quick, quick_paper):
    """File > Save that would work for minutes."""
    if request.param == "field":
        field = dataclasses.replace(quick.field, iterations=100_000)
        settings = dataclasses.replace(quick, field=field)
    else:
        paper = dataclasses.replace(quick_paper.paper, max_steps=100_000, patience=100_000)
        settings = dataclasses.replace(quick_paper, paper=paper)
    monkeypatch.setattr(writer, "saved_settings", lambda: settings)


class Ticks:
    """Counts timer ticks of the GUI thread, and the longest gap between two of them."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.count, self.gap, self._last = 0, 0.0, time.monotonic()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(10)

    def _tick(self) -> None:
        now = time.monotonic()
        self.gap, self._last = max(self.gap, now - self._last), now
        self.count += 1

    def stop(self) -> None:
        self._timer.stop()


def active_bars() -> list:
    from napari.utils.progress import progress

    return list(progress._all_instances)


def after(milliseconds: int, action) -> None:
    from qtpy.QtCore import QTimer

    QTimer.singleShot(milliseconds, action)


def test_open_and_look(viewer, archive_path: Path) -> None:
    (layer,) = viewer.open(archive_path, plugin=PLUGIN)
    flat = viewer.screenshot(flash=False)
    viewer.dims.ndisplay = 3
    surface = viewer.screenshot(flash=False)
    assert flat[..., :3].std() > 1
    assert surface[..., :3].std() > 1
    assert not np.array_equal(flat, surface)
    assert layer.rendering == "iso"


def test_saving_keeps_the_window_alive(viewer, tmp_path, small_map, monkeypatch, quick) -> None:
    field = dataclasses.replace(quick.field, iterations=1000)
    monkeypatch.setattr(writer, "saved_settings", lambda: dataclasses.replace(quick, field=field))
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    target = tmp_path / "a.cinr"
    ticks = Ticks()
    written = viewer.layers.save(str(target), plugin=PLUGIN)
    ticks.stop()
    assert written == [str(target)]
    assert cryoinr.open_archive(target)[0].shape == small_map.data.shape
    assert ticks.count > 20
    assert not active_bars()


def test_the_iso_threshold_counts_in_3d_only(
    viewer, tmp_path, small_map, monkeypatch, quick
) -> None:
    monkeypatch.setattr(writer, "saved_settings", lambda: quick)
    viewer.add_image(
        small_map.data, units=("angstrom",) * 3, name="a", rendering="iso", iso_threshold=1.25
    )
    thresholds = []
    for ndisplay in (2, 3):
        viewer.dims.ndisplay = ndisplay
        viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN)
        thresholds.append(cryoinr.open_archive(tmp_path / "a.cinr")[0].threshold)
    assert thresholds[0] != 1.25
    assert thresholds[1] == 1.25


def test_cancel_leaves_nothing_behind(viewer, tmp_path, small_map, long_saves) -> None:
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    target = tmp_path / "a.cinr"
    target.write_bytes(b"what was there before")
    pressed = []

    def press_cancel() -> None:
        pressed.append(time.monotonic())
        for bar in active_bars():
            bar.cancel()

    after(2500, press_cancel)
    with pytest.warns(UserWarning) as caught:  # ours, and napari's that nothing was written
        assert viewer.layers.save(str(target), plugin=PLUGIN) == []
    assert any("cancelled" in str(warning.message) for warning in caught)
    assert pressed
    assert target.read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.cinr"]
    assert not blocking_run._busy
    assert not active_bars()


def test_closing_the_window_ends_a_save(viewer, tmp_path, small_map, long_saves) -> None:
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    after(1500, viewer.close)
    start = time.monotonic()
    with pytest.warns(UserWarning, match="tried to save|cancelled"):
        assert viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN) == []
    assert time.monotonic() - start < 10
    assert not list(tmp_path.iterdir())
    assert not blocking_run._busy


def test_a_second_save_is_refused_while_one_runs(viewer, tmp_path, small_map, long_saves) -> None:
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    errors = []

    def save_again() -> None:
        try:
            viewer.layers.save(str(tmp_path / "b.cinr"), plugin=PLUGIN)
        except cryoinr.CinrError as error:
            errors.append(str(error))
        for bar in active_bars():
            bar.cancel()

    after(500, save_again)
    with pytest.warns(UserWarning, match="tried to save|cancelled"):
        viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN)
    assert len(errors) == 1
    assert "another map" in errors[0]
    assert not list(tmp_path.iterdir())


def test_deleting_the_layer_during_a_save_does_no_harm(
    viewer, tmp_path, small_map, monkeypatch, quick
) -> None:
    monkeypatch.setattr(writer, "saved_settings", lambda: quick)
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    after(50, viewer.layers.clear)
    viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN)
    assert len(cryoinr.open_archive(tmp_path / "a.cinr")) == 1
    assert len(viewer.layers) == 0


def test_an_error_in_the_work_comes_out_and_cleans_up(viewer) -> None:
    def failing():
        yield Progress("working", 1, 2)
        raise cryoinr.GoalMissed("it did not work")

    with pytest.raises(cryoinr.GoalMissed, match="did not work"):
        blocking_run.run(failing(), "Test")
    assert not blocking_run._busy
    assert not active_bars()


def test_the_generator_is_closed_when_cancelled(viewer) -> None:
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield Progress("working", 1, 2)
                time.sleep(0.01)
        finally:
            closed.set()

    after(300, lambda: [bar.cancel() for bar in active_bars()])
    start = time.monotonic()
    with pytest.raises(blocking_run.Cancelled):
        blocking_run.run(endless(), "Test")
    assert closed.is_set()
    assert time.monotonic() - start < 5


def test_another_thread_simply_drains(viewer) -> None:
    def three():
        for step in range(3):
            yield Progress("working", step, 3)
        return threading.current_thread().name

    names = []
    thread = threading.Thread(
        target=lambda: names.append(blocking_run.run(three(), "Test")), name="mine"
    )
    thread.start()
    thread.join()
    assert names == ["mine"]


def test_sample_data_in_a_window(viewer) -> None:
    (layer,) = viewer.open_sample(PLUGIN, "synthetic")
    viewer.dims.ndisplay = 3
    assert viewer.screenshot(flash=False)[..., :3].std() > 1
    assert layer.name == "synthetic map"
