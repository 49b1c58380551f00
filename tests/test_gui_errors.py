"""The dock widget Error overlay; in a real window only where pixels or the window matter."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_cryoinr.gui.error_dock import error_layers
from napari_cryoinr.gui.error_dock.error_layers import ErrorSettings
from napari_cryoinr.gui.jobs.job import THREAD_NAME
from napari_cryoinr.progress import Progress
from napari_cryoinr.quality.error_maps import KINDS, ErrorMap

pytest.importorskip("napari")
pytest.importorskip("skimage")
from napari.components import ViewerModel

from napari_cryoinr.gui.error_dock.error_widget import ErrorOverlayWidget
from napari_cryoinr.gui.io.layer_matching import KEY

pytestmark = pytest.mark.viewer

PLUGIN = "napari-cryoinr"
WAIT = 60_000
PLACED = {"units": ("angstrom",) * 3, "scale": (2.0,) * 3}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def window(make_napari_viewer):
    """A real viewer with its window."""
    return make_napari_viewer(show=True)


def add_pair(viewer, density_map):
    """(original, decoded) as layers."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=density_map.data.shape)
    data = density_map.data + noise.astype(np.float32)
    details = {"member": "small", "contour": 0.5}
    original = viewer.add_image(density_map.data, name="small", **PLACED)
    decoded = viewer.add_image(data, name="decoded", metadata={KEY: details}, **PLACED)
    return original, decoded


@pytest.fixture
def widget(viewer, qtbot):
    widget = ErrorOverlayWidget(viewer)
    qtbot.addWidget(widget, before_close_func=lambda widget: widget.release())
    return widget


@pytest.fixture
def opened(viewer, widget, small_map):
    return add_pair(viewer, small_map)


@pytest.fixture
def docked(window, small_map):
    """The widget in a dock of a real window, with both maps."""
    add_pair(window, small_map)
    widget = ErrorOverlayWidget(window)
    window.window.add_dock_widget(widget, name="Error overlay")
    return widget


@pytest.fixture
def endless(monkeypatch):
    """Error maps that are never done; an event tells that work has begun."""
    begun, pause = threading.Event(), threading.Event()

    def limits_steps(self, clock=None):
        while True:
            begun.set()
            pause.wait(0.01)
            yield Progress("sampling the error", 0, 1)

    monkeypatch.setattr(ErrorMap, "limits_steps", limits_steps)
    return begun


def finish(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def wait_for_threads(qtbot) -> None:
    qtbot.waitUntil(
        lambda: all(one.name != THREAD_NAME for one in threading.enumerate()), timeout=WAIT
    )


def names(chooser) -> list[str]:
    return [chooser.itemText(i) for i in range(1, chooser.count())]


def pick(chooser, layer) -> None:
    """Choose a layer as a user does."""
    chooser.choose(layer)
    chooser.activated.emit(chooser.currentIndex())


def picture(viewer) -> np.ndarray:
    return viewer.screenshot(flash=False)[..., :3].astype(float)


def test_it_finds_the_pair_and_its_contour(widget, opened) -> None:
    from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QSlider

    original, decoded = opened
    assert widget.pair == (original, decoded)
    assert widget.form["contour"].value == "0.5"
    assert widget.show_button.isEnabled()
    assert widget.paint_button.isEnabled()
    assert widget.message.isHidden()
    for kind in (QAbstractButton, QAbstractSpinBox, QComboBox, QSlider):
        for control in widget.findChildren(kind):
            assert control.toolTip() or control.parent() is widget.blend_slider
    original.data = np.zeros((5, 6, 7))  # without an event that says so
    widget.show_error()
    assert not widget.bar.running
    assert "shapes differ" in widget.message.text()


def test_an_empty_viewer_says_what_is_needed(widget) -> None:
    for button in (widget.show_button, widget.paint_button, widget.blend_check):
        assert not button.isEnabled()
        assert "open a decoded map" in button.toolTip()
    assert "open a decoded map" in widget.message.text()


def test_show_and_paint(viewer, widget, opened, qtbot) -> None:
    _, decoded = opened
    for count, kind in enumerate(KINDS, start=1):
        widget.form.show_record(ErrorSettings(kind=kind, contour=0.5))
        for _ in range(2):  # the second time it is the same layer
            widget.show_error()
            finish(widget, qtbot)
            assert len(viewer.layers) == 2 + count
        layer = viewer.layers[-1]
        unit = {"local correlation": "", "relative": " (%)"}.get(kind, " (density)")
        assert layer.name == f"{KINDS[kind].title.capitalize()}{unit}: decoded"
        assert layer.colorbar.visible
        assert layer.data.shape == decoded.data.shape
        said = "blue is too low by up to" if kind == "signed" else "colours from"
        assert said in widget.message.text()
        assert [x.visible for x in viewer.layers] == [True] * 2 + [False] * (count - 1) + [True]
    assert names(widget.decoded) == ["small", "decoded"]
    for kind in KINDS:
        widget.form.show_record(ErrorSettings(kind=kind, contour=0.5))
        widget.paint_error()
        finish(widget, qtbot)
        layer = viewer.layers[-1]
        assert layer._type_string == "surface"
        assert viewer.dims.ndisplay == 3
        assert [x for x in viewer.layers if x.visible] == [layer]
        np.testing.assert_allclose(layer.scale, decoded.scale)
    widget.show_error()
    finish(widget, qtbot)
    assert not layer.visible
    assert decoded.visible
    count = len(viewer.layers)
    widget.form.show_record(ErrorSettings(contour=1e6))
    widget.paint_error()
    finish(widget, qtbot)
    assert "no voxel crosses it" in widget.message.text()
    assert len(viewer.layers) == count
    assert widget.paint_button.isEnabled()


def state_of(layer) -> tuple:
    return (
        layer.visible,
        layer.opacity,
        layer.blending,
        layer.colormap.name,
        tuple(layer.contrast_limits),
        layer.rendering,
        layer.iso_threshold,
    )


@pytest.mark.parametrize("way", ["button", "eye", "delete"])
def test_other_layers_look_as_before_once_the_error_is_off(
    way, viewer, widget, opened, qtbot
) -> None:
    original, decoded = opened
    original.visible, original.colormap, original.rendering = False, "green", "iso"
    decoded.contrast_limits, decoded.opacity = (0, 3), 0.8
    derived = {"cryoinr": {"derived_from": str(original.unique_id), "kind": "occupancy"}}
    tint = viewer.add_image(original.data, name="tint", metadata=derived)
    before = [state_of(layer) for layer in opened]
    assert not widget.hide_button.isEnabled()
    for start in (widget.show_error, widget.paint_error, widget.show_error, widget.paint_error):
        start()
        finish(widget, qtbot)
    shown = viewer.layers[-1]
    assert shown.visible
    assert not tint.visible  # it would mix with the colours of the error
    assert viewer.dims.ndisplay == 3
    assert widget.hide_button.isEnabled()
    if way == "button":
        widget.hide_button.click()
        assert not shown.visible
    elif way == "eye":
        shown.visible = False
    else:
        viewer.layers.remove(shown)
    assert [state_of(layer) for layer in opened] == before
    assert tint.visible
    assert viewer.dims.ndisplay == 2
    assert not widget.hide_button.isEnabled()
    widget.paint_error()
    finish(widget, qtbot)
    original.visible = True  # by the user: it stays so
    widget.hide_error()
    assert original.visible
    assert state_of(decoded) == before[1]


def test_the_maps_are_blended_below_an_error(viewer, widget, opened, qtbot) -> None:
    original, decoded = opened
    widget.show_error()
    finish(widget, qtbot)
    error = viewer.layers[-1]
    widget.blend_check.setChecked(True)
    widget.blend_slider.setValue(0.25)
    assert decoded.opacity == 0.25
    assert error.visible
    widget.paint_error()
    finish(widget, qtbot)
    painted = viewer.layers[-1]
    assert not widget.blend_check.isChecked()
    assert not decoded.visible and painted.visible
    widget.blend_check.setChecked(True)  # a painted surface would hide both maps
    assert not painted.visible
    assert original.visible and decoded.visible
    assert decoded.opacity == 0.25
    widget.blend_check.setChecked(False)
    assert [one.opacity for one in opened] == [1.0, 1.0]
    assert original.visible and decoded.visible


def test_both_signs_of_an_error_show_in_3d(window, docked, qtbot) -> None:
    original, decoded = window.layers
    data = np.array(original.data)
    data[:, :12] += 1  # too high on one side, too low on the other, whatever lies behind
    data[:, 12:] -= 1
    decoded.data = data
    docked.form.show_record(ErrorSettings(contour=-100.0))
    window.dims.ndisplay = 3
    docked.show_error()
    finish(docked, qtbot)
    original.visible = decoded.visible = False
    red, _, blue = np.moveaxis(picture(window), 2, 0)
    assert (red > blue + 50).mean() > 0.02
    assert (blue > red + 50).mean() > 0.02


def test_pictures_of_an_error(window, docked, qtbot) -> None:
    original, decoded = window.layers
    original.visible = False
    decoded.colormap = "green"
    decoded.contrast_limits = (-100, -99)  # green all over
    docked.form.show_record(ErrorSettings(kind="relative", contour=0.5))
    docked.show_error()
    finish(docked, qtbot)
    window.layers[-1].colorbar.visible = False
    plane = window.layers[-1].data[int(window.dims.current_step[0])]
    seen = picture(window)
    green = (seen == (0, 255, 0)).all(axis=2)
    share = green.sum() / seen.any(axis=2).sum()
    assert share == pytest.approx(np.isnan(plane).mean(), abs=0.05)  # voxels without an error
    docked.paint_error()
    finish(docked, qtbot)
    assert picture(window).std() > 1


def test_lazy_and_multiscale_maps_of_other_units(viewer, widget, monkeypatch, qtbot) -> None:
    import dask.array as da

    monkeypatch.setattr(error_layers, "EAGER_BYTES", 1000)
    values = np.random.default_rng(0).normal(size=(12, 16, 18)).astype(np.float32)
    placed = {"units": ("nm",) * 3, "scale": (0.2,) * 3}
    original = viewer.add_image(
        [values, values[::2, ::2, ::2]], multiscale=True, name="a", **placed
    )
    decoded = viewer.add_image(da.from_array(values + 1, chunks=8), name="b", **placed)
    assert widget.pair == (original, decoded)
    widget.form.show_record(ErrorSettings(contour=0.0, inside_only=False))
    widget.show_error()
    finish(widget, qtbot)
    layer = viewer.layers[-1]
    assert isinstance(layer.data, da.Array)
    np.testing.assert_allclose(np.asarray(layer.data), 1, rtol=1e-5)
    assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
    assert "where you look" in widget.message.text()
    widget.paint_error()
    finish(widget, qtbot)
    assert viewer.layers[-1]._type_string == "surface"


@pytest.mark.parametrize("which", [0, 1])
def test_a_map_is_removed_while_work_goes_on(
    viewer, widget, opened, endless, qtbot, which: int
) -> None:
    widget.show_error()
    assert endless.wait(60)
    name = opened[which].name
    widget.blend_check.setChecked(True)
    viewer.layers.remove(opened[which])
    assert not widget.bar.running
    assert f"layer {name!r} was removed" in widget.message.text()
    wait_for_threads(qtbot)
    assert len(viewer.layers) == 1


def test_the_dock_is_closed_while_work_goes_on(window, docked, endless, qtbot) -> None:
    original, decoded = window.layers
    docked.blend_check.setChecked(True)
    assert decoded.opacity == 0.5
    docked.show_error()
    assert endless.wait(60)
    window.window.remove_dock_widget(docked)
    wait_for_threads(qtbot)
    assert (original.opacity, decoded.opacity) == (1.0, 1.0)
    decoded.name = "no callback is left"
    assert "no callback is left" not in names(docked.decoded)
    window.window.add_dock_widget(docked, name="Error overlay")  # and back again
    assert names(docked.decoded) == [original.name, "no callback is left"]


def test_the_viewer_is_closed_while_work_goes_on(window, docked, endless, qtbot) -> None:
    docked.blend_check.setChecked(True)
    docked.show_error()
    assert endless.wait(60)
    window.close()
    wait_for_threads(qtbot)


def test_blending(window, docked) -> None:
    original, decoded = window.layers
    controls = docked
    original.opacity, original.visible, original.blending = 0.7, False, "additive"
    before = [(x.opacity, x.visible, x.blending) for x in (original, decoded)]
    controls.blend_check.setChecked(True)
    pictures = []
    for value in (0, 0.5, 1):
        controls.blend_slider.setValue(value)
        pictures.append(picture(window))
        assert original.visible == (value < 1)
        assert decoded.visible == (value > 0)
    np.testing.assert_allclose(pictures[1], (pictures[0] + pictures[2]) / 2, atol=2)
    window.layers.move(1, 0)  # the decoded map below: what is seen stays
    controls.blend_slider.setValue(0.25)
    mixed = 0.75 * pictures[0] + 0.25 * pictures[2]
    np.testing.assert_allclose(picture(window), mixed, atol=2)
    controls.blend_check.setChecked(False)
    assert [(x.opacity, x.visible, x.blending) for x in (original, decoded)] == before
    controls.blend_check.setChecked(True)
    window.layers.remove(original)
    assert (decoded.opacity, decoded.visible) == (1.0, True)


def test_what_is_typed_is_checked(widget, opened, qtbot) -> None:
    form = widget.form
    form["contour"].value = "-0.125"
    assert form.record() == ErrorSettings(contour=-0.125)
    form["contour"].value = "much"
    widget.show_error()
    assert not widget.bar.running
    assert widget.message.text() == "Contour 'much': give a number."
    assert not form["window"].enabled
    form["kind"].value = "local correlation"
    assert form["window"].enabled
