"""The dock widget Pick particles: most of it without a window, the mouse and the end in one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mrcfile
import numpy as np
import pytest
import tifffile

import napari_cryoinr as cryoinr
from napari_cryoinr.picking.micrographs import Micrograph
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.session import ACCEPTED, CLICKED, PICKED, REJECTED, ModelSummary
from napari_cryoinr.picking.session.session_storage import open_session, save_session

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from napari.components import ViewerModel  # noqa: E402
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl  # noqa: E402
from qtpy.QtGui import QDropEvent, QMouseEvent  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import (  # noqa: E402
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QMessageBox,
    QSlider,
)

from leftovers import children  # noqa: E402
from napari_cryoinr.gui.picking_dock.pick_widget import PickWidget  # noqa: E402
from napari_cryoinr.gui.picking_dock.preview import preview_steps  # noqa: E402
from napari_cryoinr.gui.widgets import closing  # noqa: E402
from spots import BOX  # noqa: E402

PLUGIN = "napari-cryoinr"
WAIT = 120_000  # milliseconds; what is waited for takes a fraction of it
LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture(scope="module")
def images(examples) -> list[tuple[Micrograph, Particles]]:
    return [(example.micrograph, example.particles) for example in examples]


@pytest.fixture
def folder(images, tmp_path) -> Path:
    """A folder of three micrographs, m0.mrc to m2.mrc."""
    folder = tmp_path / "micrographs"
    folder.mkdir()
    for micrograph, _ in images:
        with mrcfile.new(folder / f"{micrograph.name}.mrc") as file:
            file.set_data(micrograph.data)
            file.voxel_size = micrograph.pixel_size
    return folder


@pytest.fixture
def picked(folder, images, picker_model) -> Path:
    """The same with a model; the first micrograph is picked where the particles are."""
    session, _ = open_session(folder, BOX)
    session.change_settings(device="cpu", iterations=3)
    model = picker_model
    session.model = ModelSummary("modern", model.box, model.threshold, model.rounds)
    truth = images[0][1].xy
    scores = np.linspace(0.99, 0.01, len(truth))
    session.set_candidates("m0.mrc", Particles(truth, scores, BOX, images[0][0].pixel_size))
    save_session(session)
    picker_model.save(folder / "picking" / "model.h5")
    return folder


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def widget(viewer, qtbot) -> Iterator[PickWidget]:
    widget = PickWidget(viewer)
    qtbot.addWidget(widget)
    yield widget
    widget.release()


@pytest.fixture
def opened(widget, folder, qtbot) -> PickWidget:
    """The widget with the folder."""
    return open_folder(widget, folder, qtbot)


@pytest.fixture
def correcting(widget, picked, qtbot) -> PickWidget:
    """The widget with the folder whose first micrograph is picked."""
    return open_folder(widget, picked, qtbot)


@pytest.fixture
def window(make_napari_viewer, npe2pm):
    """A viewer with a window."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(900, 600)
        yield viewer


@pytest.fixture
def docked(window) -> PickWidget:
    """The widget in a dock of the window."""
    return window.window.add_plugin_dock_widget(PLUGIN, "Pick particles")[1]


def drop(widget, folder: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    widget.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, LEFT, NONE))


def open_folder(widget, folder: Path, qtbot, first: str = "m0.mrc") -> PickWidget:
    drop(widget, folder)
    shown(widget, qtbot, first)
    widget.particle.box.setValue(BOX)
    return widget


def shown(widget, qtbot, name: str) -> None:
    """Wait for a micrograph with its preview."""

    def there() -> bool:
        current = widget.controller.micrographs.current
        return current is not None and current.name == name and widget.controller.view.has_preview

    qtbot.waitUntil(there, timeout=WAIT)


def finished(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def click(viewer, x: float, y: float) -> None:
    """A click on a pixel of the micrograph, as napari hands it to the selected layer."""
    layer = viewer.layers.selection.active
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        modifiers=(),
        pos=np.zeros(2),
        position=layer.data_to_world((y, x)),
        dims_displayed=[0, 1],
    )
    for callback in layer.mouse_drag_callbacks:
        for _ in callback(layer, event) or ():
            event.type = "mouse_release"


def states(viewer) -> list[str]:
    return list(viewer.layers["particles"].features["state"])


def becomes(qtbot, viewer, expected) -> None:
    """Wait until the layer shows these states first."""
    qtbot.waitUntil(lambda: states(viewer)[: len(expected)] == expected, timeout=WAIT)


# ------------------------------------------------------------------------------ in a real window


def mouse(viewer, x: float, y: float, to: tuple[float, float] | None = None) -> None:
    """A click of the mouse on a pixel of the micrograph, or a drag."""
    layer, canvas = viewer.layers["particles"], viewer.window._qt_viewer.canvas

    def on_canvas(x: float, y: float) -> QPoint:
        row, column = layer.data_to_world((y, x))
        place = canvas.view.scene.transform.map([column, row, 0, 1])
        return QPoint(*(round(float(one / place[3])) for one in place[:2]))

    start = on_canvas(x, y)
    end = start if to is None else on_canvas(*to)
    QTest.mouseMove(canvas.native, start)
    QTest.mousePress(canvas.native, LEFT, NONE, start)
    for place in () if to is None else ((start + end) / 2, end):  # QTest moves without buttons
        where = QPointF(place), QPointF(canvas.native.mapToGlobal(place))
        move = QMouseEvent(QEvent.Type.MouseMove, *where, Qt.MouseButton.NoButton, LEFT, NONE)
        QApplication.sendEvent(canvas.native, move)
    QTest.mouseRelease(canvas.native, LEFT, NONE, end)


def test_a_whole_round(window, docked, images, folder, qtbot) -> None:
    widget, viewer = open_folder(docked, folder, qtbot), window
    widget.controller.change_settings(device="cpu", iterations=3)
    training, picking = widget.training, widget.picking
    assert "Click particles first" in training.button.toolTip()
    for x, y in images[0][1].xy[:20]:
        mouse(viewer, x, y)
    assert training.about.text() == "20 particles, 0 rejected in 1 micrograph."
    assert (training.button.text(), picking.button.toolTip()) == ("Train", "Train first")
    training.button.click()
    assert not training.button.isEnabled()
    finished(widget, qtbot)
    assert training.rounds.text().startswith("Round 1: 20 particles, 0 rejected, ")
    assert training.button.text() == "Retrain"

    picking.button.click()
    finished(widget, qtbot)
    becomes(qtbot, viewer, [CLICKED] * 20 + [PICKED])
    layer = viewer.layers["particles"]
    y, x = layer.data[20]
    mouse(viewer, x, y)
    qtbot.waitUntil(lambda: states(viewer).count(REJECTED) == 1, timeout=WAIT)
    widget.view.scores.click()
    finished(widget, qtbot)
    scores = viewer.layers["particle score"]
    assert 0 <= scores.data.min() < scores.data.max() <= 1
    image = viewer.layers["m0"].extent.world
    assert (scores.extent.world[0] >= image[0]).all() and (scores.extent.world[1] <= image[1]).all()
    assert viewer.layers.selection.active == layer
    widget.view.scores.click()
    assert "particle score" not in viewer.layers
    widget.correction.reviewed.click()

    widget.work.next_button.click()
    shown(widget, qtbot, "m1.mrc")
    assert not len(layer.data)
    assert not widget.correction.reviewed.isChecked()
    training.button.click()
    finished(widget, qtbot)
    assert "Round 2: " in training.rounds.text()
    assert widget.controller.session.model.rounds[1].rejected == 1
    picking.all_button.click()  # but the one that was reviewed
    finished(widget, qtbot)
    assert widget.message.text() == "2 micrographs picked."
    found = {name: entry.round for name, entry in widget.controller.session.entries.items()}
    assert found == {"m0.mrc": 1, "m1.mrc": 2, "m2.mrc": 2}

    widget.coordinates.button.click()
    finished(widget, qtbot)
    particles = cryoinr.read_coordinates(folder / "picking" / "coordinates" / "m1.csv")
    np.testing.assert_array_equal(particles.xy, layer.data[:, ::-1])
    np.testing.assert_array_equal(particles.score, layer.features["score"])
    assert (particles.box, particles.pixel_size) == (BOX, pytest.approx(4.0))
    again, complaints = open_session(folder, 99.0)
    assert complaints == ()
    assert again.points("m0.mrc").state == widget.controller.session.points("m0.mrc").state


def test_mouse_and_keys_and_a_dock_that_is_closed(window, docked, folder, qtbot) -> None:
    widget, viewer = open_folder(docked, folder, qtbot), window
    layer, canvas = viewer.layers["particles"], viewer.window._qt_viewer.canvas.native
    with qtbot.waitActive(viewer.window._qt_window, timeout=WAIT):
        viewer.window._qt_window.activateWindow()
    before = viewer.scene.camera.center
    mouse(viewer, 200, 200, to=(230, 260))  # drags the view
    qtbot.waitUntil(lambda: viewer.scene.camera.center != before, timeout=WAIT)
    layer.mode = "select"
    mouse(viewer, 200, 200)
    layer.mode = "pan_zoom"
    viewer.layers.selection.active = viewer.layers["preview"]
    qtbot.waitUntil(lambda: not widget.correction.click_button.isHidden(), timeout=WAIT)
    mouse(viewer, 200, 200)
    widget.correction.click_button.click()
    assert not len(widget.controller.points)  # none of these was a click on a particle
    mouse(viewer, 200, 200)
    becomes(qtbot, viewer, [CLICKED])
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not len(layer.data), timeout=WAIT)

    image = viewer.layers["m0"]
    for key, name in ((Qt.Key.Key_PageDown, "m1"), (Qt.Key.Key_PageUp, "m0")):
        QTest.keyClick(canvas, key)
        shown(widget, qtbot, f"{name}.mrc")
        assert [one.name for one in viewer.layers] == [name, "preview", "particles"]
        assert viewer.layers[0] == image

    mouse(viewer, 100, 100)
    viewer.window.remove_dock_widget(widget)
    assert not len(viewer.layers)
    session, _ = open_session(folder, 99.0)
    assert session.points("m0.mrc").state == (CLICKED,)


def test_closing_the_window_while_training_asks(window, docked, folder, qtbot, monkeypatch) -> None:
    widget = open_folder(docked, folder, qtbot)
    begin_long_training(window, widget, qtbot)
    reasons = []

    def ask_about(parent, lines, can_save) -> str:
        reasons.extend(lines)
        return "cancel"

    monkeypatch.setattr(closing, "ask_about", ask_about)
    assert not closing.ClosingGuard.of(window.window._qt_window).confirms_closing()
    assert "is going on" in reasons[0]
    window.close()
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)
    session, _ = open_session(folder, 99.0)
    assert session.points("m0.mrc").state == (CLICKED,)


# ------------------------------------------------------------------------------------ the layers


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


# -------------------------------------------------------------------------------- clicks and edits


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


# ------------------------------------------------------------------------- sessions and their files


def test_work_is_taken_up_in_another_window(viewer, opened, folder, qtbot) -> None:
    def counts(widget) -> list[str]:
        table = widget.files.table
        return [table.topLevelItem(row).text(1) for row in range(table.topLevelItemCount())]

    click(viewer, 100, 100)
    opened.work.next_button.click()
    shown(opened, qtbot, "m1.mrc")
    click(viewer, 200, 200)
    click(viewer, 300, 200)
    qtbot.waitUntil(lambda: counts(opened) == ["1", "2", ""], timeout=WAIT)
    opened.work.back_button.click()
    shown(opened, qtbot, "m0.mrc")
    assert viewer.layers["particles"].data == pytest.approx(np.array([[100, 100]]))
    opened.picking.threshold.setValue(0.6)
    opened.correction.reviewed.click()

    def is_kept() -> bool:
        return (folder / "picking" / "session.json").is_file() and open_session(folder, 99.0)[
            0
        ].entry("m0.mrc").reviewed

    qtbot.waitUntil(is_kept, timeout=WAIT)  # nothing was closed: it could be killed now
    again = ViewerModel()
    widget = PickWidget(again)
    qtbot.addWidget(widget)
    open_folder(widget, folder, qtbot, first="m1.mrc")  # the first one that is not reviewed
    assert counts(widget) == ["1", "2", ""]
    widget.files.table.setCurrentItem(widget.files.table.topLevelItem(0))
    shown(widget, qtbot, "m0.mrc")
    np.testing.assert_array_equal(again.layers["particles"].data, [[100, 100]])
    assert widget.picking.threshold.value() == 0.6
    assert widget.correction.reviewed.isChecked()
    assert widget.controller.session.box == BOX
    widget.release()


@pytest.fixture
def failing(monkeypatch) -> list[Exception]:
    """Exceptions that the next attempts to replace session.json raise, one each."""
    errors: list[Exception] = []
    replace = os.replace

    def fail(source, target, **kwargs) -> None:
        if errors and str(target).endswith("session.json"):
            raise errors.pop(0)
        replace(source, target, **kwargs)

    monkeypatch.setattr(os, "replace", fail)
    return errors


def saved_marks(folder: Path) -> int:
    if not (folder / "picking" / "session.json").is_file():
        return 0
    return len(open_session(folder, 99.0)[0].points("m0.mrc"))


def test_a_save_that_fails_loses_no_later_click(viewer, opened, folder, qtbot, failing) -> None:
    assert opened.controller.flush()
    said = []
    opened.controller.message.connect(said.append)
    for number, error in enumerate((RuntimeError("no mark"), OSError(28, "No space left")), 1):
        said.clear()
        failing.append(error)
        click(viewer, 100 * number, 100)
        qtbot.waitUntil(lambda: len(said) == 1, timeout=WAIT)
        assert str(error) in said[0]
        assert opened.message.text() == said[0]
        assert "could not be saved" in opened.unsaved_work()
        click(viewer, 100 * number, 200)
        qtbot.waitUntil(lambda: len(said) == 2, timeout=WAIT)
        assert said[1] == "The session is saved again."
        assert saved_marks(folder) == 2 * number
        assert opened.unsaved_work() is None


@pytest.mark.parametrize("failures", [1, 9])
def test_closing_saves_once_more_or_leaves_the_marks_as_a_layer(
    viewer, opened, folder, qtbot, failing, failures: int
) -> None:
    assert opened.controller.flush()
    failing += [ValueError("odd")] * failures
    click(viewer, 100, 100)
    qtbot.waitUntil(lambda: opened.unsaved_work() is not None, timeout=WAIT)
    assert saved_marks(folder) == 0
    opened.release()
    saved = failures == 1
    assert saved_marks(folder) == saved
    assert [layer.name for layer in viewer.layers] == ([] if saved else ["particles"])
    assert saved or len(viewer.layers["particles"].data) == 1


def test_a_session_that_is_damaged_is_set_aside(viewer, widget, picked, qtbot) -> None:
    (picked / "picking" / "session.json").write_text("{")
    drop(widget, picked)
    shown(widget, qtbot, "m0.mrc")
    assert "kept as session.json.damaged" in widget.message.text()


def test_the_session_can_be_kept_elsewhere(
    viewer, correcting, picked, tmp_path, qtbot, monkeypatch
) -> None:
    new = tmp_path / "new"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(new))
    correcting.files.move_button.click()
    qtbot.waitUntil(lambda: "/new" in correcting.files.session_folder.text(), timeout=WAIT)
    click(viewer, 3, 3)
    assert correcting.controller.flush()
    again, _ = open_session(picked, 99.0, new)
    assert again.points("m0.mrc").count(CLICKED) == 1
    assert again.model is not None


def test_coordinates_are_not_replaced_unasked(correcting, tmp_path, qtbot, monkeypatch) -> None:
    answers = iter([QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *args: next(answers))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "out"))
    panel, path = correcting.coordinates, tmp_path / "out" / "m0.box"
    panel.folder_button.click()
    panel.format.setCurrentIndex(panel.format.findData(".box"))
    panel.button.click()
    finished(correcting, qtbot)
    path.write_text("mine")
    panel.button.click()
    finished(correcting, qtbot)
    assert path.read_text() == "mine"
    panel.button.click()
    finished(correcting, qtbot)
    assert len(cryoinr.read_coordinates(path)) == len(correcting.controller.points)


# -------------------------------------------------------------------------------- single images


def test_one_micrograph_needs_no_folder(viewer, widget, folder, images, qtbot, npe2pm) -> None:
    with npe2pm.tmp_plugin(package=PLUGIN):
        (layer,) = viewer.open(folder / "m1.mrc", plugin=PLUGIN)
        data = images[1][0].data
        np.testing.assert_array_equal(layer.data, data)
        assert layer.scale == pytest.approx((4.0, 4.0))
        assert [str(unit) for unit in layer.units] == ["angstrom"] * 2
        low, high = layer.contrast_limits
        assert 0.97 < np.mean((data >= low) & (data <= high)) < 1
        shown(widget, qtbot, "m1.mrc")
        click(viewer, 100, 100)
        assert widget.controller.flush()
        session, _ = open_session(folder, 99.0)
        assert session.points("m1.mrc").state == (CLICKED,)
        viewer.layers.remove(layer)
        qtbot.waitUntil(lambda: not len(viewer.layers), timeout=WAIT)
        assert widget.training.about.text() == "No micrograph is open."
        viewer.open(folder / "m1.mrc", plugin=PLUGIN)
        shown(widget, qtbot, "m1.mrc")
        assert len(viewer.layers["particles"].data) == 1


def test_a_tiff_that_napari_opens(viewer, widget, images, tmp_path, qtbot, npe2pm) -> None:
    path = tmp_path / "t.tif"
    tifffile.imwrite(path, images[0][0].data, resolution=(1e8 / 2.5,) * 2, resolutionunit=3)
    with npe2pm.tmp_plugin(package="napari"):
        viewer.open(path, plugin="napari")
    shown(widget, qtbot, "t.tif")
    assert widget.controller.pixel_size == pytest.approx(2.5, rel=1e-3)
    click(viewer, 60.0, 80.0)
    assert viewer.layers["particles"].data_to_world((80.0, 60.0)) == pytest.approx((80.0, 60.0))
    assert widget.controller.points.xy[0] == pytest.approx((60.0, 80.0))


def test_an_image_that_is_in_no_file(viewer, widget, images, qtbot) -> None:
    viewer.add_image(images[0][0].data, name="made")
    shown(widget, qtbot, "made")
    assert widget.unsaved_work() is None
    click(viewer, 100, 100)
    assert "they are not stored" in widget.unsaved_work()
    assert "what you click is not stored" in widget.files.session_folder.text()
    viewer.add_image(images[1][0].data, name="another")
    shown(widget, qtbot, "another")
    assert not len(viewer.layers["particles"].data)
    viewer.layers.selection.active = viewer.layers["made"]
    shown(widget, qtbot, "made")
    assert len(viewer.layers["particles"].data) == 1
    widget.release()
    assert len(viewer.layers["particles"].data) == 1  # nothing is lost
    assert viewer.layers["made"].visible
    assert "preview" not in viewer.layers


# ------------------------------------------------------------------------------------- bad input


def test_images_that_are_no_micrographs(viewer, widget, qtbot) -> None:
    cases = {
        "3 dimensions": (np.zeros((8, 64, 64), np.float32), {}),
        "colour": (np.zeros((64, 64, 3), np.uint8), {"rgb": True}),
        "NaN": (np.full((64, 64), np.nan, np.float32), {"contrast_limits": (0, 1)}),
        "at least 32": (np.zeros((16, 64), np.float32), {}),
        "nothing to see": (np.zeros((64, 64), np.float32), {}),
    }
    for expected, (data, meta) in cases.items():
        layer = viewer.add_image(data, name="bad", **meta)
        message = widget.message
        qtbot.waitUntil(lambda word=expected: word in message.text(), timeout=WAIT)  # noqa: B023
        assert "\n" not in widget.message.text()
        assert widget.controller.micrographs.current is None
        viewer.layers.remove(layer)
        assert widget.message.text() == ""


def test_files_and_folders_that_cannot_be_read(viewer, opened, folder, qtbot) -> None:
    (folder / "m1.mrc").write_bytes(b"nothing")
    opened.work.next_button.click()
    qtbot.waitUntil(lambda: "too few for an MRC header" in opened.message.text(), timeout=WAIT)
    assert opened.controller.micrographs.current.name == "m0.mrc"
    opened.files.table.setCurrentItem(opened.files.table.topLevelItem(2))
    shown(opened, qtbot, "m2.mrc")
    drop(opened, folder.parent)
    qtbot.waitUntil(lambda: "no micrographs in this folder" in opened.message.text(), timeout=WAIT)


# --------------------------------------------------------------------------- models and long work


def test_another_model_can_be_used(opened, picker_model, tmp_path, qtbot, monkeypatch) -> None:
    picker_model.save(tmp_path / "other.h5")
    (tmp_path / "bad.h5").write_bytes(b"no model")
    chosen = iter([tmp_path / "bad.h5", tmp_path / "other.h5"])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (str(next(chosen)), ""))
    opened.training.load_button.click()
    finished(opened, qtbot)
    assert "bad.h5: " in opened.message.text()
    assert opened.controller.session.model is None
    opened.training.load_button.click()
    finished(opened, qtbot)
    assert opened.controller.session.model.rounds == picker_model.rounds
    assert opened.picking.button.isEnabled()


def begin_long_training(viewer, widget, qtbot) -> None:
    """Begin a training that would take hours."""
    click(viewer, 100, 100)
    widget.controller.change_settings(device="cpu", iterations=1_000_000)
    widget.training.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)


def test_training_can_be_cancelled(viewer, opened, folder, qtbot) -> None:
    begin_long_training(viewer, opened, qtbot)
    click(viewer, 200, 200)  # clicks go on
    opened.bar.cancel()
    finished(opened, qtbot)
    assert opened.message.text() == "Training: cancelled."
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)
    assert not (folder / "picking" / "model.h5").exists()
    assert opened.controller.points.count(CLICKED) == 2


def test_every_control_has_a_tooltip(opened) -> None:
    for kind in (QAbstractButton, QAbstractSpinBox, QComboBox, QSlider):
        for control in opened.scroll.findChildren(kind):
            if not control.isHidden() and not control.objectName().startswith("qt_"):
                parent = control.parentWidget()  # which shows its tooltip for it
                assert control.toolTip() or parent.toolTip(), control
