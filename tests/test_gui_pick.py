"""The dock widget Pick particles in a real window."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

import napari_cryoinr as cryoinr
from napari_cryoinr.picking.examples import Example
from napari_cryoinr.picking.micrographs import Micrograph
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.picker import train_picker_steps
from napari_cryoinr.picking.picker_model import PickerModel
from napari_cryoinr.picking.picking_settings import TrainingSettings
from napari_cryoinr.picking.session import ACCEPTED, CLICKED, PICKED, REJECTED, ModelSummary
from napari_cryoinr.picking.session.session_storage import open_session, save_session
from napari_cryoinr.picking.synthetic_micrographs import synthetic_micrograph
from napari_cryoinr.progress import Clock

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl  # noqa: E402
from qtpy.QtGui import QCloseEvent, QDropEvent, QMouseEvent  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402

from leftovers import children  # noqa: E402
from napari_cryoinr.gui.jobs import closing_guard  # noqa: E402
from napari_cryoinr.gui.picking_dock import learn_panel, micrograph_list  # noqa: E402
from napari_cryoinr.gui.picking_dock.preview import preview_steps  # noqa: E402

PLUGIN = "napari-cryoinr"
WAIT = 60_000
BOX = 40
LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture(scope="module")
def images() -> list[tuple[Micrograph, Particles]]:
    protein = cryoinr.synthetic_map(32, voxel_size=4.0, resolution=12.0, noise=0.0, seed=3)
    return [
        synthetic_micrograph(
            protein, shape=(400, 420), count=30, box=BOX, snr=0.5, seed=seed, name=f"m{seed}"
        )
        for seed in range(3)
    ]


@pytest.fixture(scope="module")
def model(images) -> PickerModel:
    settings = TrainingSettings(box=BOX, iterations=1, device="cpu")
    return cryoinr.drain(train_picker_steps([Example(*images[0])], settings))


@pytest.fixture(scope="module")
def stock(images, tmp_path_factory) -> Path:
    """The micrographs in files; not to be changed."""
    folder = tmp_path_factory.mktemp("stock")
    for micrograph, _ in images:
        with mrcfile.new(folder / f"{micrograph.name}.mrc") as file:
            file.set_data(micrograph.data)
            file.voxel_size = micrograph.pixel_size
    return folder


@pytest.fixture
def folder(stock, tmp_path) -> Path:
    """A folder of three micrographs, m0.mrc to m2.mrc."""
    return Path(shutil.copytree(stock, tmp_path / "micrographs"))


@pytest.fixture
def picked(folder, images, model) -> Path:
    """The same, with a model, and the first micrograph picked."""
    session, _ = open_session(folder, BOX)
    session.change_settings(device="cpu", iterations=10)
    session.set_model(ModelSummary("modern", model.box, model.threshold, model.rounds))
    truth = images[0][1].xy
    scores = np.linspace(0.99, 0.01, len(truth))
    session.set_candidates("m0.mrc", Particles(truth, scores, BOX, images[0][0].pixel_size))
    save_session(session)
    model.save(folder / "picking" / "model.h5")
    return folder


@pytest.fixture
def viewer(make_napari_viewer, npe2pm):
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(900, 600)
        yield viewer


@pytest.fixture
def widget(viewer):
    return open_widget(viewer)


def open_widget(viewer):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Pick particles")
    return widget


def shown(widget, qtbot, name: str) -> None:
    """Wait for a micrograph and its preview."""

    def there() -> bool:
        shelf, preview = widget.desk.shelf, widget.desk.scene.preview
        return shelf.place is not None and shelf.place.name == name and preview is not None

    qtbot.waitUntil(there, timeout=WAIT)
    qtbot.wait(50)


@pytest.fixture
def opened(widget, folder, qtbot):
    """The widget with the folder."""
    widget.desk.shelf.open_folder(folder)
    shown(widget, qtbot, "m0.mrc")
    widget.desk.change(box=float(BOX), device="cpu", iterations=25)
    return widget


@pytest.fixture
def correcting(widget, picked, qtbot):
    """The widget with the folder whose first micrograph was picked."""
    widget.desk.shelf.open_folder(picked)
    shown(widget, qtbot, "m0.mrc")
    return widget


def finished(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)
    qtbot.wait(30)


def on_canvas(viewer, layer, x: float, y: float) -> QPoint:
    """Where a pixel of the micrograph is on the canvas."""
    row, column = layer.data_to_world((y, x))
    place = viewer.window._qt_viewer.canvas.view.scene.transform.map([column, row, 0, 1])
    return QPoint(*(round(float(one / place[3])) for one in place[:2]))


def click(viewer, x: float, y: float, to: tuple[float, float] | None = None) -> None:
    """A click of the mouse, or a drag."""
    layer, canvas = viewer.layers["particles"], viewer.window._qt_viewer.canvas.native
    start = on_canvas(viewer, layer, x, y)
    end = start if to is None else on_canvas(viewer, layer, *to)
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, LEFT, NONE, start)
    for place in () if to is None else ((start + end) / 2, end):  # QTest moves without buttons
        where = QPointF(place), QPointF(canvas.mapToGlobal(place))
        move = QMouseEvent(QEvent.Type.MouseMove, *where, Qt.MouseButton.NoButton, LEFT, NONE)
        QApplication.sendEvent(canvas, move)
    QTest.mouseRelease(canvas, LEFT, NONE, end)


def states(layer) -> list[str]:
    return list(layer.features["state"])


# ---------------------------------------------------------------------------------- the whole way


def test_a_whole_round(viewer, opened, images, folder, qtbot) -> None:
    widget, truth = opened, images[0][1].xy
    assert not widget.learn.button.isEnabled()
    assert "Click particles first" in widget.learn.button.toolTip()
    for x, y in truth[:20]:
        click(viewer, x, y)
    assert widget.learn.about.text() == "20 particles, 0 rejected in 1 micrograph."
    assert widget.learn.button.text() == "Train"
    assert widget.choose.button.toolTip() == "Train first"
    widget.learn.button.click()
    assert not widget.learn.button.isEnabled()
    finished(widget, qtbot)
    assert (folder / "picking" / "model.h5").is_file(), widget.message.text()
    assert widget.learn.rounds.text().startswith("Round 1: 20 particles, 0 rejected, ")
    assert widget.learn.button.text() == "Retrain"

    widget.choose.button.click()
    finished(widget, qtbot)
    layer = viewer.layers["particles"]
    assert states(layer)[:20] == [CLICKED] * 20
    first = next(i for i, state in enumerate(states(layer)) if state == PICKED)
    y, x = layer.data[first]
    click(viewer, x, y)
    qtbot.wait(50)
    assert states(layer).count(REJECTED) == 1
    widget.correct.reviewed.click()

    widget.files.next_button.click()
    shown(widget, qtbot, "m1.mrc")
    assert not len(layer.data)
    assert not widget.correct.reviewed.isChecked()
    widget.learn.button.click()
    finished(widget, qtbot)
    assert len(widget.desk.session.model.rounds) == 2
    assert widget.desk.session.model.rounds[1].rejected == 1
    widget.choose.all_button.click()  # but the one that was reviewed
    finished(widget, qtbot)
    found = {name: entry.round for name, entry in widget.desk.session.entries.items()}
    assert found == {"m0.mrc": 1, "m1.mrc": 2, "m2.mrc": 2}
    assert widget.message.text() == "2 micrographs picked."

    widget.save.button.click()
    finished(widget, qtbot)
    saved = folder / "picking" / "coordinates"
    particles = cryoinr.read_coordinates(saved / "m1.csv")
    np.testing.assert_array_equal(particles.xy, layer.data[:, ::-1])
    np.testing.assert_array_equal(particles.score, layer.features["score"])
    assert (particles.box, particles.pixel_size) == (BOX, pytest.approx(4.0))
    again, complaints = open_session(folder, 99.0)
    assert complaints == ()
    assert again.points("m0.mrc").state == widget.desk.session.points("m0.mrc").state


def test_no_torch_is_loaded() -> None:
    code = (
        "import sys, napari_cryoinr.gui.picking_dock.pick_widget, napari_cryoinr.gui.io.reader;"
        " assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------------ the layers


def test_a_micrograph_is_opened_as_an_image(viewer, folder, images) -> None:
    (layer,) = viewer.open(folder / "m0.mrc", plugin=PLUGIN)
    micrograph = images[0][0]
    assert layer.name == "m0"
    np.testing.assert_array_equal(layer.data, micrograph.data)
    assert layer.scale == pytest.approx((4.0, 4.0))
    assert [str(unit) for unit in layer.units] == ["angstrom"] * 2
    low, high = layer.contrast_limits
    assert 0.97 < np.mean((micrograph.data >= low) & (micrograph.data <= high)) < 1
    assert layer.metadata["cryoinr"]["pixel_size"] == pytest.approx(4.0)


def test_where_the_layers_lie_and_what_the_sliders_do(viewer, opened, images, qtbot) -> None:
    micrograph = images[0][0]
    raw, preview, particles = (viewer.layers[name] for name in ("m0", "preview", "particles"))
    assert list(viewer.layers) == [raw, preview, particles]
    assert viewer.layers.selection.active == particles
    assert (raw.visible, preview.visible) == (False, True)
    np.testing.assert_array_equal(raw.data, micrograph.data)
    size = micrograph.pixel_size
    for x, y in ((0.0, 0.0), (17.25, 301.5)):
        np.testing.assert_array_equal(particles.data_to_world((y, x)), (y * size, x * size))
        np.testing.assert_array_equal(raw.data_to_world((y, x)), (y * size, x * size))
    opened.view.preview.click()
    assert (raw.visible, preview.visible) == (True, False)

    before = preview.data
    assert opened.view.low_pass.number.suffix() == " Å"
    assert opened.view.low_pass.value == pytest.approx(BOX / 4 * 4.0, rel=0.01)
    opened.view.low_pass.number.setValue(100.0)
    qtbot.waitUntil(lambda: preview.data is not before, timeout=WAIT)
    assert opened.desk.low_pass == pytest.approx(25.0, rel=0.01)
    assert preview.data.shape[0] == pytest.approx(400 / 6, abs=1)
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
    viewer.add_image(data, name="dot", scale=(2, 2), translate=(100, -50), rotate=30)
    shown(widget, qtbot, "dot")
    preview = widget.desk.scene.preview
    widget.particle.box.setValue(60)
    qtbot.waitUntil(lambda: preview.data.shape == (100, 100), timeout=WAIT)
    rows, columns = np.nonzero(preview.data > 0.5 * preview.data.max())
    middle = preview.data_to_world((rows.mean(), columns.mean()))
    at = widget.desk.scene.raw.world_to_data(middle)
    assert at == pytest.approx((134.5, 194.5), abs=1.5)


def test_the_score_map(viewer, correcting, images, model, qtbot) -> None:
    correcting.view.scores.click()
    finished(correcting, qtbot)
    scores = viewer.layers["particle score"]
    assert viewer.layers.selection.active == viewer.layers["particles"]
    here = cryoinr.drain(model.network.score_steps(images[0][0], "cpu", Clock()))
    assert scores.data.shape == here.values.shape
    assert 0 <= scores.data.min() < scores.data.max() <= 1
    rising = scores.data.ravel()[np.argsort(here.values.ravel())]
    assert np.diff(rising).min() > -1e-6  # logits became probabilities
    raw = viewer.layers["m0"]
    for row, column in ((0, 0), (30, 60)):
        y, x = np.array(here.start) + np.array(here.step) * (row, column)
        assert scores.data_to_world((row, column)) == pytest.approx(raw.data_to_world((y, x)))
    correcting.view.scores.click()
    assert "particle score" not in viewer.layers


# -------------------------------------------------------------------------------- clicks and edits


def test_what_clicks_do(viewer, correcting, images, qtbot) -> None:
    layer, truth = viewer.layers["particles"], images[0][1].xy
    assert set(states(layer)) == {PICKED}
    count = len(layer.data)
    scores = list(layer.features["score"])
    assert scores == sorted(scores, reverse=True)
    for expected in (REJECTED, ACCEPTED, REJECTED):
        click(viewer, *truth[0])
        qtbot.wait(30)
        assert states(layer)[0] == expected
        np.testing.assert_array_equal(layer.data[0], truth[0][::-1])
    free = (3.0, 3.0)
    click(viewer, *free)
    qtbot.wait(30)
    assert states(layer)[:2] == [REJECTED, CLICKED]
    assert layer.data[1] == pytest.approx(free[::-1], abs=2)
    assert len(layer.data) == count + 1
    click(viewer, *free)
    qtbot.wait(30)
    assert len(layer.data) == count


def test_drags_and_clicks_in_other_modes_are_left_alone(viewer, opened, qtbot) -> None:
    before = viewer.scene.camera.center
    click(viewer, 200, 200, to=(230, 260))
    qtbot.wait(30)
    assert not len(viewer.layers["particles"].data)
    assert viewer.scene.camera.center != before

    layer = viewer.layers["particles"]
    layer.mode = "select"
    click(viewer, 200, 200)
    layer.mode = "pan_zoom"
    viewer.layers.selection.active = viewer.layers["preview"]
    qtbot.waitUntil(lambda: not opened.correct.back_button.isHidden())
    click(viewer, 200, 200)
    qtbot.wait(30)
    assert not len(layer.data)
    opened.correct.back_button.click()
    click(viewer, 200, 200)
    qtbot.wait(30)
    assert states(layer) == [CLICKED]


def test_colours_tell_states(viewer, correcting, images, qtbot) -> None:
    layer, truth = viewer.layers["particles"], images[0][1].xy
    click(viewer, *truth[0])
    click(viewer, *truth[1])
    click(viewer, *truth[1])
    click(viewer, 3, 3)
    qtbot.wait(30)
    colours = {
        state: tuple(colour.round(2))
        for state, colour in zip(states(layer), layer.border_color, strict=True)
    }
    assert len(set(colours.values())) == 4
    at = states(layer).index(PICKED)
    assert layer.size[at] == BOX
    assert layer.face_color[at][3] == 0  # the particle is seen
    assert states(layer)[:3] == [REJECTED, ACCEPTED, CLICKED]
    assert str(layer.symbol[0]) != str(layer.symbol[at])


def test_naparis_own_tools(viewer, correcting, qtbot) -> None:
    layer, desk = viewer.layers["particles"], correcting.desk
    layer.mode = "add"
    click(viewer, 3, 3)
    qtbot.waitUntil(lambda: desk.points.count(CLICKED) == 1)
    assert states(layer)[0] == CLICKED
    layer.add([[5.0, 250.0]])
    qtbot.waitUntil(lambda: desk.points.count(CLICKED) == 2)
    place = tuple(layer.data[2])
    layer.selected_data = {2}
    layer.remove_selected()
    qtbot.waitUntil(lambda: desk.points.count(REJECTED) == 1)
    at = states(layer).index(REJECTED)
    assert tuple(layer.data[at]) == place
    layer.selected_data = {0}
    layer.remove_selected()
    qtbot.waitUntil(lambda: desk.points.count(CLICKED) == 1)
    moved = layer.data.copy()
    moved[-1] += 3.0
    layer.data = moved
    qtbot.waitUntil(lambda: desk.points.count(ACCEPTED) == 1)
    assert tuple(layer.data[states(layer).index(ACCEPTED)]) == tuple(moved[-1])


def test_layers_that_were_closed_come_back(viewer, correcting, qtbot) -> None:
    count = len(viewer.layers["particles"].data)
    for name in ("particles", "preview"):
        viewer.layers.remove(name)
    qtbot.wait(30)
    correcting.correct.back_button.click()
    assert len(viewer.layers["particles"].data) == count
    click(viewer, 3, 3)
    qtbot.wait(30)
    assert len(viewer.layers["particles"].data) == count + 1
    correcting.view.preview.click()
    assert viewer.layers["m0"].visible
    correcting.view.preview.click()
    qtbot.waitUntil(lambda: "preview" in viewer.layers, timeout=WAIT)
    assert not viewer.layers["m0"].visible


def test_the_last_click_is_taken_back(viewer, correcting, images, qtbot) -> None:
    layer, truth = viewer.layers["particles"], images[0][1].xy
    assert not correcting.correct.undo_button.isEnabled()
    before = states(layer)
    click(viewer, *truth[0])
    click(viewer, 3, 3)
    correcting.correct.undo_button.click()
    qtbot.wait(30)
    assert states(layer).count(CLICKED) == 0
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: states(layer) == before)
    assert not correcting.correct.undo_button.isEnabled()


def test_threshold_and_box_update_at_once(viewer, correcting, qtbot) -> None:
    layer, choose = viewer.layers["particles"], correcting.choose
    scores = correcting.desk.entry.candidates.score
    assert choose.threshold.value == pytest.approx(0.4)
    for value in (0.5, 0.9, 0.0):
        choose.threshold.slider.setValue(round(1000 * value))
        count = int((scores >= value).sum())
        assert choose.count.text() == f"{count} of {len(scores)} candidates"
        qtbot.waitUntil(lambda count=count: len(layer.data) == count)
    choose.usual_button.click()
    assert choose.threshold.value == pytest.approx(0.4)
    assert correcting.desk.session.settings.threshold is None

    correcting.particle.box.setValue(60)
    qtbot.waitUntil(lambda: set(layer.size) == {60.0})
    assert correcting.particle.about.text().startswith("240 Å.")
    assert "the next training starts afresh" in correcting.learn.rounds.text()
    assert correcting.learn.button.text() == "Train"
    correcting.particle.box.setValue(400)
    assert "does not fit into 400" in correcting.particle.about.text()
    for button in (correcting.learn.button, correcting.choose.button):
        assert not button.isEnabled()
    assert "does not fit" in correcting.choose.button.toolTip()


# ------------------------------------------------------------------------------ through a folder


def test_pages_turn(viewer, opened, qtbot) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    with qtbot.waitActive(viewer.window._qt_window):
        viewer.window._qt_window.activateWindow()
    assert [line[0] for line in opened.files.lines] == ["m0", "m1", "m2"]
    raw = viewer.layers["m0"]
    QTest.keyClick(canvas, Qt.Key.Key_PageDown)
    shown(opened, qtbot, "m1.mrc")
    assert raw.name == "m1"
    opened.files.table.setCurrentItem(opened.files.table.topLevelItem(2))
    shown(opened, qtbot, "m2.mrc")
    assert not opened.files.next_button.isEnabled()
    QTest.keyClick(canvas, Qt.Key.Key_PageUp)
    shown(opened, qtbot, "m1.mrc")
    assert [layer.name for layer in viewer.layers] == ["m1", "preview", "particles"]


def test_each_micrograph_has_its_own_points(viewer, opened, qtbot) -> None:
    click(viewer, 100, 100)
    opened.files.forward()
    shown(opened, qtbot, "m1.mrc")
    click(viewer, 200, 200)
    click(viewer, 300, 200)
    qtbot.waitUntil(lambda: [line[1] for line in opened.files.lines] == ["1", "2", ""])
    opened.files.back()
    shown(opened, qtbot, "m0.mrc")
    assert viewer.layers["particles"].data == pytest.approx(np.array([[100, 100]]), abs=2)


def test_work_is_taken_up_in_another_window(
    make_napari_viewer, viewer, opened, folder, qtbot
) -> None:
    click(viewer, 100, 100)
    click(viewer, 200, 100)
    opened.choose.threshold.number.setValue(0.6)
    opened.correct.reviewed.click()
    qtbot.wait(30)
    points = viewer.layers["particles"].data.copy()
    stored = folder / "picking" / "session.json"

    def is_kept() -> bool:
        data = json.loads(stored.read_text()) if stored.exists() else {"micrographs": []}
        return any(one.get("reviewed") for one in data["micrographs"])

    qtbot.waitUntil(is_kept, timeout=5000)  # nothing was closed: it could be killed now
    again = make_napari_viewer(show=True)
    widget = open_widget(again)
    widget.desk.shelf.open_folder(folder)
    shown(widget, qtbot, "m1.mrc")  # the first one that is not reviewed
    assert widget.files.lines[0] == ("m0", "2", "", "\N{CHECK MARK}")
    widget.files.back()
    shown(widget, qtbot, "m0.mrc")
    np.testing.assert_array_equal(again.layers["particles"].data, points)
    assert widget.choose.threshold.value == 0.6
    assert widget.correct.reviewed.isChecked()
    assert widget.desk.session.box == BOX


def test_a_folder_is_dropped_whose_session_is_damaged(viewer, widget, picked, qtbot) -> None:
    (picked / "picking" / "session.json").write_text("{")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(picked))])
    action = Qt.DropAction.CopyAction
    widget.dropEvent(QDropEvent(QPointF(5, 5), action, data, LEFT, NONE))
    shown(widget, qtbot, "m0.mrc")
    assert "kept as session.json.damaged" in widget.message.text()


def test_the_session_can_be_kept_elsewhere(
    viewer, correcting, tmp_path, qtbot, monkeypatch
) -> None:
    monkeypatch.setattr(
        micrograph_list, "ask_for_folder", lambda parent, title: str(tmp_path / "new")
    )
    correcting.files.kept_button.click()
    qtbot.waitUntil(lambda: "/new" in correcting.files.kept.text(), timeout=WAIT)
    click(viewer, 3, 3)
    correcting.desk.flush()
    again, _ = open_session(correcting.desk.session.root, 99.0, tmp_path / "new")
    assert again.points("m0.mrc").count(CLICKED) == 1
    assert again.model is not None


# -------------------------------------------------------------------------------- single images


def test_one_micrograph_needs_no_folder(viewer, widget, folder, qtbot) -> None:
    (layer,) = viewer.open(folder / "m1.mrc", plugin=PLUGIN)
    shown(widget, qtbot, "m1.mrc")
    assert widget.desk.scene.raw == layer
    click(viewer, 100, 100)
    widget.desk.flush()
    session, _ = open_session(folder, 99.0)
    assert session.points("m1.mrc").state == (CLICKED,)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not len(viewer.layers))
    assert widget.learn.about.text() == "No micrograph is open."
    viewer.open(folder / "m1.mrc", plugin=PLUGIN)
    shown(widget, qtbot, "m1.mrc")
    qtbot.waitUntil(lambda: len(viewer.layers["particles"].data) == 1)


def test_a_tiff_that_napari_opens(viewer, widget, images, tmp_path, qtbot, npe2pm) -> None:
    path = tmp_path / "t.tif"
    tifffile.imwrite(path, images[0][0].data, resolution=(1e8 / 2.5,) * 2, resolutionunit=3)
    with npe2pm.tmp_plugin(package="napari"):
        viewer.open(path, plugin="napari")
    shown(widget, qtbot, "t.tif")
    assert widget.desk.pixel_size == pytest.approx(2.5, rel=1e-3)
    click(viewer, 60.0, 80.0)
    qtbot.wait(30)
    assert viewer.layers["particles"].data_to_world((80.0, 60.0)) == pytest.approx((80.0, 60.0))
    assert widget.desk.points.xy[0] == pytest.approx((60.0, 80.0), abs=2)


def test_an_image_that_is_in_no_file(viewer, widget, images, qtbot, monkeypatch) -> None:
    viewer.add_image(images[0][0].data, name="made")
    shown(widget, qtbot, "made")
    assert widget.view.low_pass.number.suffix() == " px"
    event = QCloseEvent()
    assert not widget._guard.stops(event)
    click(viewer, 100, 100)
    reasons = []
    monkeypatch.setattr(closing_guard, "confirmed", lambda window, reason: reasons.append(reason))
    assert widget._guard.stops(event)
    assert "nothing keeps them" in reasons[0]
    assert "nothing keeps what you click" in widget.files.kept.text()
    viewer.add_image(images[1][0].data, name="another")
    shown(widget, qtbot, "another")
    assert not len(viewer.layers["particles"].data)
    viewer.layers.selection.active = viewer.layers["made"]
    shown(widget, qtbot, "made")
    assert len(viewer.layers["particles"].data) == 1
    viewer.window.remove_dock_widget(widget)
    assert len(viewer.layers["particles"].data) == 1  # nothing is lost
    assert viewer.layers["made"].visible
    assert "preview" not in viewer.layers


# ------------------------------------------------------------------------------------- bad input


def test_images_that_are_no_micrographs(viewer, widget, qtbot) -> None:
    said = []
    widget.desk.said.connect(said.append)
    cases = {
        "3 dimensions": (np.zeros((8, 64, 64), np.float32), {}),
        "colour": (np.zeros((64, 64, 3), np.uint8), {"rgb": True}),
        "NaN": (np.full((64, 64), np.nan, np.float32), {"contrast_limits": (0, 1)}),
        "at least 32": (np.zeros((16, 64), np.float32), {}),
        "nothing to see": (np.zeros((64, 64), np.float32), {}),
    }
    for expected, (data, meta) in cases.items():
        said.clear()
        layer = viewer.add_image(data, name="bad", **meta)
        qtbot.waitUntil(lambda word=expected: any(word in one for one in said), timeout=WAIT)
        assert all("\n" not in one for one in said)
        assert widget.desk.shelf.place is None
        viewer.layers.remove(layer)
        assert widget.message.text() == ""


def test_files_and_folders_that_cannot_be_read(viewer, opened, folder, qtbot) -> None:
    (folder / "m1.mrc").write_bytes(b"nothing")
    opened.files.forward()
    qtbot.waitUntil(lambda: "too few for an MRC header" in opened.message.text(), timeout=WAIT)
    assert opened.desk.shelf.place.name == "m0.mrc"
    opened.files.table.setCurrentItem(opened.files.table.topLevelItem(2))
    shown(opened, qtbot, "m2.mrc")

    opened.desk.shelf.open_folder(folder.parent)
    qtbot.waitUntil(lambda: "no micrographs in this folder" in opened.message.text(), timeout=WAIT)


def test_another_model_can_be_used(opened, model, tmp_path, qtbot, monkeypatch) -> None:
    model.save(tmp_path / "other.h5")
    (tmp_path / "bad.h5").write_bytes(b"no model")
    chosen = iter(["bad.h5", "other.h5"])
    monkeypatch.setattr(learn_panel, "ask_for_model", lambda parent: str(tmp_path / next(chosen)))
    opened.learn.load_button.click()
    finished(opened, qtbot)
    assert "no readable picker model" in opened.message.text()
    assert opened.desk.session.model is None
    opened.learn.load_button.click()
    finished(opened, qtbot)
    assert opened.desk.session.model.rounds == model.rounds
    assert opened.choose.button.isEnabled()


# ------------------------------------------------------------------------------ how work ends early


def long_training(widget, viewer, qtbot) -> None:
    """Begin a training that would take minutes."""
    click(viewer, 100, 100)
    widget.desk.change(iterations=1_000_000)
    widget.learn.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)


def test_training_can_be_cancelled(viewer, opened, folder, qtbot) -> None:
    long_training(opened, viewer, qtbot)
    click(viewer, 200, 200)  # clicks go on
    begun = time.monotonic()
    opened.bar._cancel.click()
    finished(opened, qtbot)
    assert time.monotonic() - begun < 10
    assert opened.message.text() == "Training: cancelled."
    assert not children()
    assert not (folder / "picking" / "model.h5").exists()
    assert opened.desk.points.count(CLICKED) == 2


def test_closing_while_training_asks(viewer, opened, folder, qtbot, monkeypatch) -> None:
    long_training(opened, viewer, qtbot)
    reasons = []
    monkeypatch.setattr(closing_guard, "confirmed", lambda window, reason: reasons.append(reason))
    assert opened._guard.stops(QCloseEvent())
    assert "is going on" in reasons[0]
    viewer.close()
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)
    session, _ = open_session(folder, 99.0)
    assert session.points("m0.mrc").state == (CLICKED,)


def test_a_dock_that_is_closed_leaves_nothing(viewer, correcting, qtbot) -> None:
    click(viewer, 3, 3)
    root = correcting.desk.session.root
    viewer.window.remove_dock_widget(correcting)
    assert not len(viewer.layers)
    session, _ = open_session(root, 99.0)
    assert session.points("m0.mrc").count(CLICKED) == 1


def test_every_control_has_a_tooltip(opened) -> None:
    from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QSlider

    kinds = (QAbstractButton, QSlider, QAbstractSpinBox, QComboBox)
    for kind in kinds:
        for control in opened.findChildren(kind):
            if control.isVisible() and not control.objectName().startswith("qt_"):
                assert control.toolTip(), control
