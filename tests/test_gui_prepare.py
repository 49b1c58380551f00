"""The dock widget Prepare map: copies lie where the map lies; NaN is explained with a remedy."""

from __future__ import annotations

import numpy as np
import pytest

import napari_cryoinr as cryoinr

pytest.importorskip("napari")
from napari.components import ViewerModel

from napari_cryoinr.gui.io.map_layers import map_reader
from napari_cryoinr.gui.prepare_dock.prepare_widget import PrepareWidget

pytestmark = pytest.mark.viewer

WAIT = 60_000
PLACED = {
    "units": ("nm",) * 3,
    "scale": (0.2, 0.25, 0.3),
    "translate": (5, -6, 7),
    "axis_labels": ("z", "y", "x"),
}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def widget(viewer, qtbot):
    widget = PrepareWidget(viewer)
    qtbot.addWidget(widget, before_close_func=lambda widget: widget.release())
    widget.show()
    return widget


def add(viewer, density_map, **more):
    return viewer.add_image(density_map.data, name="small", **PLACED | more)


def finish(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def choose_box(widget, box) -> None:
    for (first, last), part in zip(widget.box.ends, box, strict=True):
        first.setValue(part.start)
        last.setValue(part.stop - 1)


def world(layer) -> np.ndarray:
    """Where each voxel of a layer is in the world, shape (3, z, y, x)."""
    data_to_world = layer._data_to_world
    places = np.indices(layer.data.shape).reshape(3, -1).T
    return np.asarray(data_to_world(places)).T.reshape(3, *layer.data.shape)


@pytest.mark.parametrize("turned", [{}, {"rotate": (0, 0, 90)}, {"scale": (0.2, -0.25, 0.3)}])
@pytest.mark.parametrize("choice", ["no", "by 2", "by 3"])
def test_copies_lie_where_the_map_lies(viewer, widget, small_map, qtbot, choice, turned) -> None:
    layer = add(viewer, small_map, **turned)
    choose_box(widget, np.s_[2:20, 4:22, 6:24])
    widget.bin.setCurrentText(choice)
    widget.button.click()
    finish(widget, qtbot)
    made = viewer.layers[-1]
    words = "small cropped" + ("" if choice == "no" else f", binned {choice}")
    assert made.name == words
    assert widget.chooser.layer is made  # the next thing is to compress it
    factor = {"no": 1, "by 2": 2, "by 3": 3}[choice]
    assert made.units == layer.units
    assert made.axis_labels == layer.axis_labels
    inside = world(layer)[:, 2:20, 4:22, 6:24]
    n = 18 // factor
    blocks = inside.reshape(3, n, factor, n, factor, n, factor).mean((2, 4, 6))
    np.testing.assert_allclose(world(made), blocks, atol=1e-9)
    values = small_map.data[2:20, 4:22, 6:24].reshape(n, factor, n, factor, n, factor)
    np.testing.assert_allclose(made.data, values.mean((1, 3, 5)), rtol=1e-5, atol=1e-6)
    voxels = map_reader(made)().voxel_size
    assert sorted(voxels) == pytest.approx([2.0 * factor, 2.5 * factor, 3.0 * factor])


def test_the_box_of_the_structure_is_found_and_shown(viewer, widget, small_map, qtbot) -> None:
    layer = add(viewer, small_map, rendering="iso", iso_threshold=4.0)
    assert not widget.button.isEnabled()
    assert "smaller box" in widget.button.toolTip()
    widget.margin.setValue(1)
    widget.structure_button.click()
    finish(widget, qtbot)
    box = cryoinr.structure_box(small_map, 4.0, margin=1)
    assert widget.box.box == box
    tint = viewer.layers[-1]
    assert tint.name == "small: box"
    assert viewer.layers.selection.active is layer
    low, high = tint.extent.world
    corners = world(layer)[:, *box].reshape(3, -1)
    half = np.array(layer.scale) / 2
    np.testing.assert_allclose(low - np.array(tint.scale) / 2, corners.min(1) - half, atol=1e-6)
    np.testing.assert_allclose(high + np.array(tint.scale) / 2, corners.max(1) + half, atol=1e-6)
    shape = " × ".join(str(part.stop - part.start) for part in box)
    assert widget.result.text().startswith(f"{shape} voxels of 0.2 × 0.25 × 0.3 nm")
    widget.overlay.setChecked(False)
    assert tint not in viewer.layers
    widget.overlay.setChecked(True)
    widget.whole_button.click()
    assert list(viewer.layers) == [layer]


def test_nan_is_explained_and_repaired_in_a_copy(viewer, widget, small_map, qtbot) -> None:
    data = small_map.data.copy()
    data[3, 4, 5:12] = np.nan
    layer = add(viewer, small_map, contrast_limits=(0, 5))
    assert widget.repair_area.isHidden()
    viewer.layers.clear()
    layer = viewer.add_image(data, name="holes", contrast_limits=(0, 5), **PLACED)
    qtbot.waitUntil(widget.repair_area.isVisible, timeout=WAIT)
    text = "7 voxels are NaN, the first at (z, y, x) = (3, 4, 5). Replace them by the background?"
    assert widget.repair_text.text() == text
    widget.repair_button.click()
    finish(widget, qtbot)
    made = viewer.layers[-1]
    assert made.name == "holes repaired"
    assert np.isfinite(made.data).all()
    assert np.isnan(layer.data).sum() == 7  # the layer itself stays as it is
    np.testing.assert_array_equal(made.scale, layer.scale)
    map_reader(made)()
    qtbot.waitUntil(widget.repair_area.isHidden, timeout=WAIT)


def test_stacks_and_labels(viewer, widget, qtbot) -> None:
    values = np.random.default_rng(0).normal(size=(3, 8, 9, 10)).astype(np.float32)
    stack = viewer.add_image(values, name="stack", scale=(1, 2, 2, 2))
    assert widget.about.text() == "Stack of 3 volumes, 8 × 9 × 10"
    choose_box(widget, np.s_[2:8, 1:9, 0:10])
    widget.bin.setCurrentText("by 2")
    widget.button.click()
    finish(widget, qtbot)
    made = viewer.layers[-1]
    assert made.data.shape == (3, 3, 4, 5)
    np.testing.assert_allclose(made.scale, (1, 4, 4, 4))
    np.testing.assert_allclose(made.translate, (0, 2 * 2.5, 2 * 1.5, 2 * 0.5))
    viewer.layers.remove(made)
    viewer.layers.remove(stack)
    viewer.add_labels(np.ones((8, 9, 10), int), name="labels")
    assert not widget.bin.isEnabled()
    choose_box(widget, np.s_[2:8, 1:9, 0:10])
    widget.button.click()
    finish(widget, qtbot)
    assert viewer.layers[-1]._type_string == "labels"
    assert viewer.layers[-1].data.shape == (6, 8, 10)


def test_what_is_no_map_is_said(viewer, widget) -> None:
    assert "Open a density map" in widget.about.text()
    assert not widget.button.isEnabled()
    viewer.add_image(np.zeros((8, 8)), name="flat")
    assert "'flat' is one image" in widget.about.text()
    assert not widget.structure_button.isEnabled()


def test_what_is_shown_is_taken(make_napari_viewer, small_map, qtbot) -> None:
    viewer = make_napari_viewer(show=True)
    widget = PrepareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Prepare map")
    add(viewer, small_map)
    viewer.scene.camera.zoom *= 4
    qtbot.waitUntil(lambda: viewer.layers[0].corner_pixels[0, 1] > 0, timeout=WAIT)
    widget.view_button.click()
    z, y, x = widget.box.box
    assert z == slice(0, 24)
    assert 0 < y.start < y.stop < 24
    assert 0 < x.start < x.stop <= 24
    viewer.dims.ndisplay = 3
    assert not widget.view_button.isEnabled()
    assert len(viewer.layers) == 2
    viewer.window.remove_dock_widget(widget)
    assert len(viewer.layers) == 1  # the tint goes with the dock
