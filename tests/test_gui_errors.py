"""The dock widget Error overlay in a real napari window."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.error_dock import error_layers
from napari_cryoinr.gui.error_dock.error_layers import ErrorOverlaySettings
from napari_cryoinr.gui.jobs.job import THREAD_NAME
from napari_cryoinr.quality.error_maps import KINDS, ErrorMap

pytest.importorskip("napari")
pytest.importorskip("skimage")
pytestmark = pytest.mark.viewer

PLUGIN = "napari-cryoinr"


@pytest.fixture
def viewer(make_napari_viewer, npe2pm):
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield make_napari_viewer(show=True)


@pytest.fixture
def widget(viewer):
    from napari_cryoinr.gui.error_dock.error_widget import ErrorOverlayWidget

    widget = ErrorOverlayWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Error overlay")
    return widget


@pytest.fixture
def opened(viewer, widget, tmp_path, small_map, archive_path: Path):
    """(original, decoded) as layers."""
    cryoinr.write_map(small_map, tmp_path / "small.mrc")
    (original,) = viewer.open(tmp_path / "small.mrc", plugin=PLUGIN)
    (decoded,) = viewer.open(archive_path, plugin=PLUGIN)
    return original, decoded


@pytest.fixture
def slow(monkeypatch):
    """Error maps that would take a minute; an event tells that work has begun."""
    begun = threading.Event()

    def slow_parts(self):
        for _ in range(3000):
            begun.set()
            time.sleep(0.02)
            yield slice(0, 1), slice(0, 1)

    monkeypatch.setattr(ErrorMap, "parts", slow_parts)
    return begun


def pump(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let Qt work until a condition holds."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        QApplication.processEvents()
        time.sleep(0.005)


def finish(widget) -> None:
    pump(lambda: not widget.bar.running)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD_NAME]


def names(chooser) -> list[str]:
    return [chooser.itemText(i) for i in range(1, chooser.count())]


def assert_tooltips(widget) -> None:
    from qtpy.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox

    for kind in (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox):
        controls = [child for child in widget.children() if isinstance(child, kind)]
        assert controls
        assert all(control.toolTip() for control in controls)


def status(widget) -> str:
    return widget.message.text()


def test_it_finds_the_pair_and_its_contour(widget, opened) -> None:
    original, decoded = opened
    controls = widget.controls
    assert controls.decoded.layer is decoded
    assert controls.original.layer is original
    assert controls.contour.value() == pytest.approx(decoded.metadata["cryoinr"]["contour"])
    assert controls.show_button.isEnabled()
    assert controls.paint_button.isEnabled()
    assert status(widget) == ""
    assert_tooltips(controls)
    original.data = np.zeros((5, 6, 7))  # napari tells no one
    widget.show_error()
    assert not widget.bar.running
    assert "shapes differ" in status(widget)


def test_an_empty_viewer_says_what_is_needed(widget) -> None:
    controls = widget.controls
    for button in (controls.show_button, controls.paint_button, controls.blend_check):
        assert not button.isEnabled()
        assert "open a decoded map" in button.toolTip()
    assert "open a decoded map" in status(widget)


def test_choices_follow_the_layers(viewer, widget, opened) -> None:
    original, decoded = opened
    controls = widget.controls
    decoded.name = "renamed"
    assert names(controls.decoded) == [original.name, "renamed"]
    assert controls.decoded.layer is decoded
    extra = viewer.add_image(original.data + 1, name="extra", units=("nm",) * 3)
    viewer.add_image(np.zeros((9, 9)), name="flat", units=("nm",) * 2)
    viewer.add_image(np.zeros((9, 9, 3)), rgb=True, name="colours", units=("nm",) * 2)
    viewer.add_points(np.zeros((1, 3)), name="points", units=("nm",) * 3)
    assert names(controls.original) == [original.name, "renamed", "extra"]
    assert controls.original.layer is original
    viewer.layers.remove(original)
    assert controls.original.layer is extra
    viewer.layers.remove(extra)
    assert controls.original.layer is None
    assert "not at hand" in controls.show_button.toolTip()
    viewer.layers.clear()
    assert controls.decoded.layer is None


def test_a_choice_by_hand_stays(viewer, widget, opened) -> None:
    original, decoded = opened
    controls = widget.controls
    controls.decoded.choose(original)
    controls.decoded.activated.emit(controls.decoded.currentIndex())
    assert controls.original.layer is None  # the other one came out of an archive
    controls.original.choose(decoded)
    controls.original.activated.emit(controls.original.currentIndex())
    viewer.add_image(original.data, name="extra", units=("angstrom",) * 3)
    assert (controls.decoded.layer, controls.original.layer) == (original, decoded)
    controls.original.choose(original)
    assert "choose two layers" in controls.show_button.toolTip()
    other = viewer.add_image(np.zeros((5, 6, 7)), name="other", units=("angstrom",) * 3)
    controls.original.choose(other)
    assert "(5, 6, 7) and (24, 24, 24)" in controls.paint_button.toolTip()
    assert not controls.paint_button.isEnabled()


def test_show_error(viewer, widget, opened) -> None:
    original, decoded = opened
    for count, kind in enumerate(KINDS, start=1):
        widget.settings = ErrorOverlaySettings(kind=kind, contour=0.5)
        before = viewer.screenshot(flash=False)
        for _ in range(2):  # the second time it is the same layer
            widget.show_error()
            finish(widget)
            assert len(viewer.layers) == 2 + count
        layer = viewer.layers[-1]
        assert layer.name == f"{decoded.name} error ({kind})"
        assert layer.data.shape == decoded.data.shape
        assert "colours from" in status(widget)
        assert not np.array_equal(viewer.screenshot(flash=False), before)
        assert [x.visible for x in viewer.layers] == [True] * 2 + [False] * (count - 1) + [True]
    assert names(widget.controls.decoded) == [original.name, decoded.name]


def test_voxels_without_an_error_are_transparent(viewer, widget, opened) -> None:
    original, decoded = opened
    original.visible = False
    decoded.colormap = "green"
    decoded.contrast_limits = (-100, -99)  # green all over
    widget.settings = ErrorOverlaySettings(kind="relative", contour=0.5)
    widget.show_error()
    finish(widget)
    plane = viewer.layers[-1].data[int(viewer.dims.current_step[0])]
    picture = viewer.screenshot(flash=False)[..., :3]
    map_pixels = picture.any(axis=2)
    green = (picture == (0, 255, 0)).all(axis=2)
    share = green.sum() / map_pixels.sum()
    assert share == pytest.approx(np.isnan(plane).mean(), abs=0.05)


def test_paint_error(viewer, widget, opened) -> None:
    _, decoded = opened
    pictures = []
    for kind in KINDS:
        widget.settings = ErrorOverlaySettings(kind=kind, contour=0.5)
        widget.paint_error()
        finish(widget)
        layer = viewer.layers[-1]
        assert layer._type_string == "surface"
        assert viewer.dims.ndisplay == 3
        assert [x for x in viewer.layers if x.visible] == [layer]
        np.testing.assert_allclose(layer.scale, decoded.scale)
        pictures.append(viewer.screenshot(flash=False)[..., :3].astype(float))
        assert pictures[-1].std() > 1
    assert not np.array_equal(pictures[0], pictures[-1])
    widget.show_error()
    finish(widget)
    assert not layer.visible
    assert decoded.visible
    count = len(viewer.layers)
    widget.settings = ErrorOverlaySettings(contour=1e6)
    widget.paint_error()
    finish(widget)
    assert "no voxel crosses it" in status(widget)
    assert len(viewer.layers) == count
    assert widget.controls.paint_button.isEnabled()


def test_lazy_and_multiscale_maps_of_other_units(viewer, widget, monkeypatch) -> None:
    import dask.array as da

    monkeypatch.setattr(error_layers, "EAGER_BYTES", 1000)
    values = np.random.default_rng(0).normal(size=(12, 16, 18)).astype(np.float32)
    placed = {"units": ("nm",) * 3, "scale": (0.2,) * 3}
    original = viewer.add_image(
        [values, values[::2, ::2, ::2]], multiscale=True, name="a", **placed
    )
    decoded = viewer.add_image(da.from_array(values + 1, chunks=8), name="b", **placed)
    assert (widget.controls.decoded.layer, widget.controls.original.layer) == (decoded, original)
    widget.settings = ErrorOverlaySettings(contour=0.0, inside_only=False)
    widget.show_error()
    finish(widget)
    layer = viewer.layers[-1]
    assert isinstance(layer.data, da.Array)
    np.testing.assert_allclose(np.asarray(layer.data), 1, rtol=1e-5)
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    assert "where you look" in status(widget)
    widget.paint_error()
    finish(widget)
    assert viewer.layers[-1]._type_string == "surface"


def test_cancel(viewer, widget, opened, slow) -> None:
    widget.show_error()
    pump(slow.is_set)
    assert not widget.controls.show_button.isEnabled()
    assert "cancel" in widget.controls.show_button.toolTip()
    start = time.monotonic()
    widget.bar.cancel()
    finish(widget)
    assert time.monotonic() - start < 5
    assert "cancelled" in status(widget)
    assert len(viewer.layers) == 2
    assert widget.controls.show_button.isEnabled()


@pytest.mark.parametrize("which", [0, 1])
def test_a_map_is_removed_while_work_goes_on(viewer, widget, opened, slow, which: int) -> None:
    widget.show_error()
    pump(slow.is_set)
    name = opened[which].name
    widget.controls.blend_check.setChecked(True)
    viewer.layers.remove(opened[which])
    assert not widget.bar.running
    assert f"layer {name!r} was removed" in status(widget)
    pump(lambda: not threads())
    assert len(viewer.layers) == 1


def test_the_dock_is_closed_while_work_goes_on(viewer, widget, opened, slow) -> None:
    original, decoded = opened
    widget.controls.blend_check.setChecked(True)
    assert decoded.opacity == 0.5
    widget.show_error()
    pump(slow.is_set)
    viewer.window.remove_dock_widget(widget)
    pump(lambda: not threads())
    assert (original.opacity, decoded.opacity) == (1.0, 1.0)
    decoded.name = "nobody listens"
    assert "nobody listens" not in names(widget.controls.decoded)
    viewer.window.add_dock_widget(widget, name="Error overlay")  # and back again
    assert names(widget.controls.decoded) == [original.name, "nobody listens"]


def test_the_viewer_is_closed_while_work_goes_on(viewer, widget, opened, slow) -> None:
    widget.controls.blend_check.setChecked(True)
    widget.show_error()
    pump(slow.is_set)
    viewer.close()
    pump(lambda: not threads())


def test_blending(viewer, widget, opened) -> None:
    original, decoded = opened
    controls = widget.controls
    original.opacity, original.visible, original.blending = 0.7, False, "additive"
    before = [(x.opacity, x.visible, x.blending) for x in opened]
    controls.blend_check.setChecked(True)
    pictures = []
    for value in (0, 500, 1000):
        controls.blend_slider.setValue(value)
        pictures.append(viewer.screenshot(flash=False)[..., :3].astype(float))
        assert original.visible == (value < 1000)
        assert decoded.visible == (value > 0)
    np.testing.assert_allclose(pictures[1], (pictures[0] + pictures[2]) / 2, atol=2)
    viewer.layers.move(1, 0)  # the decoded map below: what is seen stays
    controls.blend_slider.setValue(250)
    mixed = viewer.screenshot(flash=False)[..., :3]
    np.testing.assert_allclose(mixed, 0.75 * pictures[0] + 0.25 * pictures[2], atol=2)
    controls.blend_check.setChecked(False)
    assert [(x.opacity, x.visible, x.blending) for x in opened] == before
    controls.blend_check.setChecked(True)
    viewer.layers.remove(original)
    assert (decoded.opacity, decoded.visible) == (1.0, True)


def test_settings(widget, opened) -> None:
    original, decoded = opened
    wanted = ErrorOverlaySettings(
        original.name, decoded.name, "local correlation", 0.123456789, False, 9, 0.25
    )
    widget.settings = wanted
    assert widget.settings == wanted
    with pytest.raises(cryoinr.SettingsError, match="layer 'c': must be one of the maps"):
        widget.settings = ErrorOverlaySettings(decoded="c")
    widget.settings = ErrorOverlaySettings()
    assert widget.settings.decoded == decoded.name  # automatic again
    widget.controls.window_side.setValue(10)
    assert widget.settings.window == 11
