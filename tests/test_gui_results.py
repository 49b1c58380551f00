"""Results of a session in a real window: kept until saved or removed, one question, one save."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.progress import Progress
from napari_cryoinr.quality.verdict import IN_PART, KEPT, LOST
from napari_cryoinr.support import atomic_files
from napari_cryoinr.support.devices import Device

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from qtpy.QtCore import QEvent, QObject, Qt, QTimer  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox  # noqa: E402

from leftovers import children  # noqa: E402
from napari_cryoinr.gui.compress_dock import compress_widget  # noqa: E402
from napari_cryoinr.gui.compress_dock.flipping import KEY  # noqa: E402
from napari_cryoinr.gui.compress_dock.result_view import COLOURS  # noqa: E402
from napari_cryoinr.gui.io import save_settings  # noqa: E402
from napari_cryoinr.gui.io.compressed import Compressed  # noqa: E402
from napari_cryoinr.gui.io.session import session_of  # noqa: E402
from napari_cryoinr.gui.widgets.floating_bar import FloatingBar  # noqa: E402

PLUGIN = "napari-cryoinr"
WAIT = 60_000
PLACED = {"units": ("angstrom",) * 3, "scale": (2.0,) * 3}


class StaysOpen(QObject):
    """Counts how often a user closes a window, which stays open: the fixture closes it."""

    def eventFilter(self, watched, event) -> bool:
        if event.type() != QEvent.Type.Close or watched._qt_viewer.isHidden():
            return False
        watched.setProperty("closed", (watched.property("closed") or 0) + 1)
        event.ignore()
        return True


@pytest.fixture
def window(make_napari_viewer, npe2pm, monkeypatch, quick):
    """A real viewer with its window, and quick settings."""

    def devices():
        yield Progress("asking", 0, 1)
        return [Device("cpu", "a processor", 1 << 30)]

    monkeypatch.setattr(compress_widget, "saved_settings", lambda: quick)
    monkeypatch.setattr(save_settings, "saved_settings", lambda: quick)
    monkeypatch.setattr(compress_widget.workers, "device_steps", devices)
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        shell = viewer.window._qt_window
        shell.installEventFilter(StaysOpen(shell))  # the first filter is asked last
        yield viewer


@pytest.fixture
def docked(window, small_map, qtbot):
    """The widget Compress map in a dock, with a map."""
    window.add_image(small_map.data, name="small", **PLACED)
    return opened(window, qtbot)


def opened(window, qtbot):
    _, widget = window.window.add_plugin_dock_widget(PLUGIN, "Compress map")
    qtbot.waitUntil(lambda: widget.facts is not None, timeout=WAIT)
    return widget


def compressed(widget, qtbot):
    """Compress with the settings that are shown."""
    results = widget.result.session.results
    count = len(results)
    widget.compress()
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)
    assert len(results) == count + 1, widget.message.text()
    return results[-1]


def add_result(widget, archive_path: Path, **changes) -> Compressed:
    """Add the result of an earlier compression, and change its report."""
    folder = atomic_files.new_temporary_folder()
    archive = cryoinr.open_archive(shutil.copy(archive_path, folder / archive_path.name))
    report = archive[0].quality.with_size(archive.bytes, archive.raw_bytes)
    layer = widget.chooser.layer
    made = Compressed(
        archive, dataclasses.replace(report, **changes), str(layer.unique_id), archive.settings
    )
    widget.result.show_result(made)
    return made


def soon(condition, action):
    """Do something in the event loop as soon as a condition holds; keep what is returned."""
    timer = QTimer()

    def look() -> None:
        if found := condition():
            timer.stop()
            action(found)

    timer.timeout.connect(look)
    timer.start(20)
    return timer


def question():
    """Return the question that is on the screen, if there is one."""
    box = QApplication.activeModalWidget()
    return box if isinstance(box, QMessageBox) else None


def press(box, text: str) -> None:
    next(one for one in box.buttons() if one.text().replace("&", "") == text).click()


def action_of(window, title: str):
    """Return an action of the File menu."""
    return next(one for one in window.window.file_menu.actions() if one.text() == title)


# ---------------------------------------------------------------------------------- what is shown


def test_the_verdict_comes_first(docked, archive_path) -> None:
    made = add_result(docked, archive_path, nrmse=0.05)
    view = docked.result.view
    assert view.verdict.text().startswith("✓  Kept above ")
    assert COLOURS[KEPT] in view.verdict.styleSheet()
    assert f"{made.archive.bytes:,} bytes" in view.size.text()
    assert f"{made.report.iou[1]:.3f}" in view.surface.text()
    assert not view.section.isExpanded()
    assert "NRMSE" in view.all_numbers.text()
    add_result(docked, archive_path, nrmse=0.3)
    assert view.verdict.text().startswith("◐  Kept in part")
    assert COLOURS[IN_PART] in view.verdict.styleSheet()
    add_result(docked, archive_path, nrmse=0.98)
    assert view.verdict.text().startswith("✗  Lost")
    assert COLOURS[LOST] in view.verdict.styleSheet()


def test_results_stay_until_they_are_removed(window, docked, qtbot, archive_path) -> None:
    first = add_result(docked, archive_path)
    second = add_result(docked, archive_path, nrmse=0.98)
    table = docked.result.table
    assert docked.result.compressed is second
    assert table.tree.topLevelItemCount() == 2
    assert table.tree.topLevelItem(0).text(0) == f"small\n{first.how}"
    assert table.tree.topLevelItem(1).text(2) == "✗ lost"
    table.choose(first)
    assert docked.result.compressed is first
    window.window.remove_dock_widget(docked)  # closing the dock loses nothing
    assert first.path.exists()
    again = opened(window, qtbot)
    assert again.result.table.tree.topLevelItemCount() == 2
    again.result.table.choose(first)
    again.result.table.remove_button.click()
    assert not first.path.exists()
    assert again.result.compressed is second


@pytest.mark.slow  # and now and then its viewer is not collected
def test_settings_of_an_archive_can_be_used(window, docked, archive_path, qtbot) -> None:
    assert docked.stored.isHidden()
    (decoded,) = window.open(archive_path, plugin=PLUGIN)
    window.layers.selection = {decoded}
    assert not docked.stored.isHidden()
    docked.stored.click()
    stored = cryoinr.open_archive(archive_path).settings
    assert docked.settings.keep == stored.keep
    assert docked.settings.field.occupancy == stored.field.occupancy
    assert "Settings of the archive" in docked.message.text()
    window.layers.selection = {window.layers[0]}
    assert docked.stored.isHidden()


def test_one_key_flips_in_place(window, docked, qtbot, archive_path) -> None:
    (original, *_) = window.layers
    original.contrast_limits = (-1.0, 3.0)
    add_result(docked, archive_path)
    labels = window.add_labels(np.zeros((24, 24, 24), int), **PLACED)
    window.layers.selection = {labels}
    window.dims.set_point(0, 20)
    for ndisplay in (2, 3):
        window.dims.ndisplay = ndisplay
        angles, zoom = window.scene.camera.angles, window.scene.camera.zoom
        point = window.dims.point
        original.visible = True
        QTest.keyClick(window.window._qt_window, getattr(Qt.Key, f"Key_{KEY}"))
        qtbot.waitUntil(lambda: not original.visible, timeout=WAIT)
        decoded = window.layers["small decoded"]
        assert decoded.visible
        assert decoded.contrast_limits == original.contrast_limits
        original.gamma = decoded.gamma = 1.0
        decoded.contrast_limits = (-2.0, 3.0)  # what is changed meanwhile goes along
        QTest.keyClick(window.window._qt_window, getattr(Qt.Key, f"Key_{KEY}"))
        assert original.visible
        assert not decoded.visible
        assert original.contrast_limits == decoded.contrast_limits
        assert window.layers.selection == {labels}
        assert (window.scene.camera.angles, window.scene.camera.zoom) == (angles, zoom)
        assert window.dims.point == point
    assert f"key {KEY}" in docked.result.flip_button.toolTip()


# ------------------------------------------------------------------------------------- the question


@pytest.mark.parametrize("way", ["Close Window", "Exit", "cross"])
def test_closing_the_window_asks_once_for_all(
    window, docked, archive_path, tmp_path, qtbot, way: str
) -> None:
    for _ in range(2):
        add_result(docked, archive_path)
    window.window.remove_dock_widget(docked)
    shell, asked = window.window._qt_window, []

    def close() -> None:
        if way == "cross":
            shell.windowHandle().close()  # as a window manager does
        else:
            action_of(window, way).trigger()

    def answer(text: str):
        def act(box) -> None:
            asked.append(box.text())
            press(box, text)

        return soon(question, act)

    from napari.settings import get_settings

    get_settings().application.confirm_close_window = False  # napari's own question
    with qtbot.waitActive(shell, timeout=WAIT):
        shell.activateWindow()
    kept = answer("Cancel")
    close()
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=WAIT)
    assert not shell.property("closed")
    assert asked[0].count("small: ") == 2
    kept = answer("Save all...")
    QFileDialogFolder.answer = str(tmp_path)
    close()
    qtbot.waitUntil(lambda: len(asked) == 2, timeout=WAIT)
    qtbot.waitUntil(lambda: shell.property("closed") == 1, timeout=WAIT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.cinr", "small_2.cinr"]
    del kept


class QFileDialogFolder:
    """What is answered where a folder is asked for."""

    answer = ""


@pytest.fixture(autouse=True)
def folders(monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: QFileDialogFolder.answer)
    monkeypatch.setattr("napari._qt.qt_event_loop.quit_app", lambda: None)
    monkeypatch.setattr("napari._qt.qt_main_window.quit_app_", lambda: None)


def test_a_program_that_closes_the_window_is_not_asked(
    window, docked, archive_path, qtbot, temporary
) -> None:
    add_result(docked, archive_path)
    window.close()
    qtbot.waitUntil(lambda: not list(temporary.iterdir()), timeout=WAIT)


# ---------------------------------------------------------------------------------- File > Save


def save_in_dialog(window, monkeypatch, path: Path, kind: str = "compressed") -> None:
    """File > Save Selected Layers..., with a name and a type."""

    def ask(self, parent, caption, directory, filter, options):  # noqa: A002
        return str(path), next(one for one in filter.split(";;") if kind in one)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    window.layers.selection = {window.layers[0]}
    QTimer.singleShot(0, action_of(window, "Save Selected Layers...").trigger)


def test_the_open_widget_says_how_to_save(
    window, docked, tmp_path, qtbot, monkeypatch, notifications
) -> None:
    docked.settings = dataclasses.replace(docked.settings, threshold=1.5)
    path = tmp_path / "a.cinr"
    save_in_dialog(window, monkeypatch, path)
    qtbot.waitUntil(lambda: bool(notifications), timeout=WAIT)
    assert cryoinr.open_archive(path)[0].threshold == 1.5  # also in slices
    ((severity, message),) = notifications
    assert severity == "info"
    assert message.startswith(f"small: {path.stat().st_size:,} bytes, kept to ")
    assert message.endswith("above 1.5")
    made = compressed(docked, qtbot)
    save_in_dialog(window, monkeypatch, tmp_path / "b.cinr")
    qtbot.waitUntil(lambda: len(notifications) == 2, timeout=WAIT)
    assert (tmp_path / "b.cinr").read_bytes() == made.path.read_bytes()
    assert made.saved == tmp_path / "b.cinr"
    assert not session_of(window).unsaved
    assert "saved as b.cinr" in docked.result.heading.text()


def test_cancelling_a_save_is_no_error(
    window, docked, tmp_path, qtbot, monkeypatch, notifications
) -> None:
    field = cryoinr.FieldSettings(iterations=100_000)
    docked.settings = dataclasses.replace(docked.settings, field=field)
    shell, gone = window.window._qt_window, []

    def bars() -> list:
        found = shell.findChildren(FloatingBar)
        return [one for one in found if one.isVisible() and children()]

    def cancel(found) -> None:
        (bar,) = found
        assert shell.rect().contains(bar.geometry())  # on the screen
        bar.destroyed.connect(lambda: gone.append(True))
        QTest.mouseClick(bar.bar.cancel_button, Qt.MouseButton.LeftButton)

    kept = soon(bars, cancel)
    save_in_dialog(window, monkeypatch, tmp_path / "a.cinr")
    qtbot.waitUntil(lambda: bool(gone), timeout=WAIT)
    assert not notifications
    assert not list(tmp_path.iterdir())
    del kept


@pytest.mark.filterwarnings("default:Plugin 'images' tried to save")
@pytest.mark.parametrize("kind", ["*.tif", "density map (*.mrc"])
def test_the_suffix_that_is_typed_decides(
    window, docked, tmp_path, qtbot, monkeypatch, notifications, npe2pm, kind: str
) -> None:
    path = tmp_path / "x.cinr"
    with npe2pm.tmp_plugin(name="images") as images:

        @images.contribute.writer(filename_extensions=[".tif"], layer_types=["image"])
        def refuses(path, data, meta):  # as napari's own writer does
            return []

        save_in_dialog(window, monkeypatch, path, kind)
        qtbot.waitUntil(path.exists, timeout=WAIT)
    qtbot.waitUntil(lambda: bool(notifications), timeout=WAIT)
    assert [severity for severity, _ in notifications if severity != "info"] == []
    assert len(cryoinr.open_archive(path)) == 1


def test_what_cannot_be_saved_is_one_line(
    window, docked, tmp_path, qtbot, monkeypatch, notifications
) -> None:
    save_in_dialog(window, monkeypatch, tmp_path / "missing" / "x.cinr")
    qtbot.waitUntil(lambda: bool(notifications), timeout=WAIT)
    ((severity, message),) = notifications
    assert severity == "error"
    assert "does not exist" in message
    assert "\n" not in message
