"""Pick particles: where its layers lie, and what clicks and edits do."""

from __future__ import annotations

import numpy as np
import pytest
from pick_actions import WAIT, becomes, click, shown, states

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.picking_dock.preview import preview_steps
from napari_cryoinr.picking.session import ACCEPTED, CLICKED, PICKED, REJECTED
from spots import BOX

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]


def test_where_the_layers_lie_and_what_the_sliders_do(viewer, opened, images, qtbot) -> None:
    micrograph = images[0][0]
    image, preview, particles = (viewer.layers[name] for name in ("m0", "preview", "particles"))
    assert list(viewer.layers) == [image, preview, particles]
    assert viewer.layers.selection.active == particles
    assert (image.visible, preview.visible) == (False, True)
    np.testing.assert_array_equal(image.data, micrograph.data)
    size = micrograph.pixel_size
    for x, y in ((0.0, 0.0), (17.25, 301.5)):
        np.testing.assert_array_equal(particles.data_to_world((y, x)), (y * size, x * size))
        np.testing.assert_array_equal(image.data_to_world((y, x)), (y * size, x * size))
    opened.view.preview.click()
    assert (image.visible, preview.visible) == (True, False)

    assert opened.view.low_pass.value() == pytest.approx(BOX / 4 * 4.0, rel=0.01)
    opened.view.low_pass.setValue(100.0)  # Å; 25 pixels, 4 of the preview
    assert opened.controller.session.settings.low_pass == pytest.approx(25.0, rel=0.01)
    qtbot.waitUntil(lambda: abs(preview.data.shape[0] - 400 / 6) <= 1, timeout=WAIT)
    assert list(preview.data_to_world((0, 0))) == pytest.approx([4.0 * 2.5] * 2, rel=1e-6)


@pytest.mark.parametrize(("low_pass", "shape"), [(2.0, (200, 210)), (17.0, (203, 190))])
def test_the_preview_is_aligned(low_pass: float, shape: tuple[int, int]) -> None:
    """A dot is where it was, to half a pixel of the preview."""
    for place in ((100, 90), (61, 127)):
        image = np.zeros(shape, np.float32)
        image[place] = 1000.0
        before = image.copy()
        preview = cryoinr.drain(preview_steps(image, low_pass, 40.0))
        np.testing.assert_array_equal(image, before)
        weights = np.maximum(preview.image - 0.5 * preview.image.max(), 0)
        rows, columns = np.indices(weights.shape)
        centre = [(weights * axis).sum() / weights.sum() for axis in (rows, columns)]
        found = np.array(centre) * preview.step + preview.offset
        assert np.abs(found - place).max() <= 0.5 * preview.step


def test_the_preview_is_aligned_wherever_the_layer_is(viewer, widget, qtbot) -> None:
    data = np.random.default_rng(0).normal(0, 1, (300, 300)).astype(np.float32)
    data[120:150, 180:210] += 30
    image = viewer.add_image(data, name="dot", scale=(2, 2), translate=(100, -50), rotate=30)
    shown(widget, qtbot, "dot")
    preview = viewer.layers["preview"]
    widget.particle.box.setValue(60)
    qtbot.waitUntil(lambda: preview.data.shape == (100, 100), timeout=WAIT)
    rows, columns = np.nonzero(preview.data > 0.5 * preview.data.max())
    middle = preview.data_to_world((rows.mean(), columns.mean()))
    assert image.world_to_data(middle) == pytest.approx((134.5, 194.5), abs=1.5)


def test_layers_that_were_removed_come_back(viewer, correcting, qtbot) -> None:
    count = len(viewer.layers["particles"].data)
    for name in ("particles", "preview"):
        viewer.layers.remove(name)
    correcting.correction.click_button.click()
    assert len(viewer.layers["particles"].data) == count
    click(viewer, 3, 3)
    qtbot.waitUntil(lambda: len(viewer.layers["particles"].data) == count + 1, timeout=WAIT)
    correcting.view.preview.click()
    assert viewer.layers["m0"].visible
    correcting.view.preview.click()
    qtbot.waitUntil(lambda: "preview" in viewer.layers, timeout=WAIT)
    assert not viewer.layers["m0"].visible


def test_what_clicks_do_and_undo(viewer, correcting, images, qtbot) -> None:
    layer, truth = viewer.layers["particles"], images[0][1].xy
    before = states(viewer)
    assert set(before) == {PICKED}
    assert sorted(layer.features["score"], reverse=True) == list(layer.features["score"])
    assert not correcting.correction.undo_button.isEnabled()
    for expected in (REJECTED, ACCEPTED, REJECTED):
        click(viewer, *truth[0])
        becomes(qtbot, viewer, [expected])
        np.testing.assert_array_equal(layer.data[0], truth[0][::-1])
    click(viewer, 3, 3)
    becomes(qtbot, viewer, [REJECTED, CLICKED, PICKED])
    assert layer.data[1] == pytest.approx((3, 3))
    click(viewer, 3, 3)
    becomes(qtbot, viewer, [REJECTED, PICKED])
    click(viewer, *truth[1])
    click(viewer, *truth[1])
    click(viewer, 3, 3)
    becomes(qtbot, viewer, [REJECTED, ACCEPTED, CLICKED, PICKED])
    assert len({tuple(colour) for colour in layer.border_color[:4].round(2)}) == 4
    assert layer.size[3] == BOX
    assert layer.face_color[3][3] == 0  # the particle is seen
    assert str(layer.symbol[0]) != str(layer.symbol[3])
    for _ in range(8):
        assert correcting.correction.undo_button.isEnabled()
        correcting.correction.undo_button.click()
    becomes(qtbot, viewer, before)
    assert not correcting.correction.undo_button.isEnabled()


def test_naparis_own_tools(viewer, correcting, qtbot) -> None:
    layer, controller = viewer.layers["particles"], correcting.controller

    def counts(state: str, count: int) -> None:
        qtbot.waitUntil(lambda: controller.points.count(state) == count, timeout=WAIT)
        qtbot.waitUntil(lambda: states(viewer).count(state) == count, timeout=WAIT)

    layer.add([[5.0, 250.0]])
    counts(CLICKED, 1)
    layer.add([[3.0, 3.0]])
    counts(CLICKED, 2)
    place = tuple(layer.data[2])
    layer.selected_data = {2}
    layer.remove_selected()
    counts(REJECTED, 1)
    assert tuple(layer.data[states(viewer).index(REJECTED)]) == place
    layer.selected_data = {0}
    layer.remove_selected()
    counts(CLICKED, 1)
    moved = layer.data.copy()
    moved[-1] += 3.0
    layer.data = moved
    counts(ACCEPTED, 1)
    assert tuple(layer.data[states(viewer).index(ACCEPTED)]) == tuple(moved[-1])


def test_threshold_and_box_update_at_once(viewer, correcting, qtbot) -> None:
    layer, picking = viewer.layers["particles"], correcting.picking
    scores = correcting.controller.entry.candidates.score
    assert picking.threshold.value() == pytest.approx(0.4)
    for value in (0.5, 0.9, 0.0):
        picking.threshold.setValue(value)
        count = int((scores >= value).sum())
        assert picking.count.text() == f"{count} of {len(scores)} candidates"
        qtbot.waitUntil(lambda count=count: len(layer.data) == count, timeout=WAIT)
    picking.reset_button.click()
    assert picking.threshold.value() == pytest.approx(0.4)
    assert correcting.controller.session.settings.threshold is None

    correcting.particle.box.setValue(60)
    qtbot.waitUntil(lambda: set(layer.size) == {60.0}, timeout=WAIT)
    assert correcting.particle.about.text().startswith("240 Å.")
    assert "the next training starts afresh" in correcting.training.rounds.text()
    assert correcting.training.button.text() == "Train"
    correcting.particle.box.setValue(400)
    assert "does not fit into 400" in correcting.particle.about.text()
    assert not correcting.training.button.isEnabled()
    assert "does not fit" in correcting.picking.button.toolTip()
