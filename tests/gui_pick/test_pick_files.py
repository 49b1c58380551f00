"""Pick particles: sessions and their files, single images, bad input."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from pick_actions import PLUGIN, WAIT, click, drop, finished, open_folder, shown
from qtpy.QtWidgets import QFileDialog, QMessageBox

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.picking_dock import session_writer
from napari_cryoinr.gui.picking_dock.pick_widget import PickWidget
from napari_cryoinr.picking.session import CLICKED
from napari_cryoinr.picking.session.session_storage import open_session
from spots import BOX

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]


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


def test_what_is_pending_is_saved_when_the_thread_has_ended(folder, monkeypatch) -> None:
    """As at the exit of Python, which ends threads before it releases widgets."""
    session = open_session(folder, 40.0)[0]
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setattr(session_writer, "_THREAD", ended)
    writer = session_writer.SessionWriter(print)
    with pytest.raises(RuntimeError):
        writer.write(session)
    assert writer.flush()
    assert (folder / "picking" / "session.json").is_file()


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
