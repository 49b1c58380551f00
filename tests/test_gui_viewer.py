"""Opening and saving in a real napari window: nothing freezes, cancelling leaves nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from leftovers import children
from napari_cryoinr.gui.io import save_settings
from napari_cryoinr.gui.widgets.floating_bar import FloatingBar

pytest.importorskip("napari")
pytestmark = pytest.mark.viewer

PLUGIN = "napari-cryoinr"


@pytest.fixture
def viewer(make_napari_viewer, npe2pm, temporary):
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        yield viewer
    assert not active_bars()


@pytest.fixture
def quick_saves(monkeypatch, quick):
    """File > Save in no time."""
    monkeypatch.setattr(save_settings, "saved_settings", lambda: quick)


@pytest.fixture
def long_saves(monkeypatch, quick):
    """File > Save that would work for minutes."""
    field = dataclasses.replace(quick.field, iterations=100_000)
    settings = dataclasses.replace(quick, field=field)
    monkeypatch.setattr(save_settings, "saved_settings", lambda: settings)


def active_bars() -> list[FloatingBar]:
    from napari import current_viewer

    viewer = current_viewer()
    found = [] if viewer is None else viewer.window._qt_window.findChildren(FloatingBar)
    return [bar for bar in found if bar.bar.running]


def press_cancel() -> None:
    for bar in active_bars():
        bar.bar.cancel_button.click()


@pytest.fixture
def once() -> Callable[[Callable[[], object], Callable[[], object]], None]:
    """Do something in the event loop as soon as a condition holds."""
    from qtpy.QtCore import QTimer

    timers = []

    def once(condition: Callable[[], object], action: Callable[[], object]) -> None:
        timer = QTimer()
        timers.append(timer)

        def look() -> None:
            if condition():
                timer.stop()
                action()

        timer.timeout.connect(look)
        timer.start(10)

    return once


def training() -> bool:
    """Whether the child process is at work."""
    return any(bar.isVisible() for bar in active_bars()) and bool(children())


def save(viewer, path: Path) -> list[str]:
    return viewer.layers.save(str(path), plugin=PLUGIN)


def test_open_and_look(viewer, archive_path: Path) -> None:
    (layer,) = viewer.open(archive_path, plugin=PLUGIN)
    flat = viewer.screenshot(flash=False)
    viewer.dims.ndisplay = 3
    surface = viewer.screenshot(flash=False)
    assert flat[..., :3].std() > 1
    assert surface[..., :3].std() > 1
    assert not np.array_equal(flat, surface)
    assert layer.rendering == "iso"


def test_the_window_lives_while_a_child_process_saves(
    viewer, tmp_path, small_map, quick_saves, once
) -> None:
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    seen: list[int] = []

    def remove_the_layer() -> None:
        seen.append(len(children()))
        viewer.layers.clear()

    once(children, remove_the_layer)
    assert save(viewer, tmp_path / "a.cinr") == [str(tmp_path / "a.cinr")]
    assert cryoinr.open_archive(tmp_path / "a.cinr")[0].shape == small_map.data.shape
    assert seen == [1]


SAVE = """
import sys
import napari, numpy as np
import napari_cryoinr as cryoinr
from napari_cryoinr.gui.io import save_settings

save_settings.saved_settings = lambda: cryoinr.Settings(effort="fast")
viewer = napari.Viewer()
layer = viewer.add_image(cryoinr.synthetic_map(24).data, units="angstrom", name="a")
print(viewer.layers.save(sys.argv[1], plugin="napari-cryoinr"))
print("torch" in sys.modules)
viewer.close()
"""


def test_saving_loads_no_torch_into_napari(tmp_path) -> None:
    path = str(tmp_path / "a.cinr")
    done = subprocess.run(
        [sys.executable, "-c", SAVE, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str([path]), "False"]


@pytest.mark.slow
def test_the_iso_threshold_counts_in_3d_only(viewer, tmp_path, small_map, quick_saves) -> None:
    viewer.add_image(
        small_map.data, units=("angstrom",) * 3, name="a", rendering="iso", iso_threshold=1.25
    )
    thresholds = []
    for ndisplay in (2, 3):
        viewer.dims.ndisplay = ndisplay
        save(viewer, tmp_path / "a.cinr")
        thresholds.append(cryoinr.open_archive(tmp_path / "a.cinr")[0].threshold)
    assert thresholds[0] != 1.25
    assert thresholds[1] == 1.25


def test_cancel_leaves_nothing_behind(viewer, tmp_path, small_map, long_saves, once) -> None:
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    target = tmp_path / "a.cinr"
    target.write_bytes(b"what was there before")
    once(training, press_cancel)
    with pytest.warns(UserWarning) as caught:  # ours, and napari's that nothing was written
        assert save(viewer, target) == []
    assert any("cancelled" in str(warning.message) for warning in caught)
    assert target.read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.cinr"]


def test_closing_the_window_ends_a_save(viewer, tmp_path, small_map, long_saves, once) -> None:
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    once(training, viewer.close)
    with pytest.warns(UserWarning, match="tried to save|cancelled"):
        assert save(viewer, tmp_path / "a.cinr") == []
    assert not list(tmp_path.iterdir())


def test_a_second_save_is_refused_while_one_runs(
    viewer, tmp_path, small_map, long_saves, once
) -> None:
    viewer.add_image(small_map.data, units=("angstrom",) * 3, name="a")
    errors = []

    def save_again() -> None:
        try:
            save(viewer, tmp_path / "b.cinr")
        except cryoinr.CinrError as error:
            errors.append(str(error))
        press_cancel()

    once(active_bars, save_again)
    with pytest.warns(UserWarning, match="tried to save|cancelled"):
        save(viewer, tmp_path / "a.cinr")
    assert len(errors) == 1
    assert "another map" in errors[0]
    assert not list(tmp_path.iterdir())
