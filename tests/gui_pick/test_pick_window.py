"""Pick particles in a real window: the mouse, keys, a whole round, and the end."""

from __future__ import annotations

import numpy as np
import pytest
from pick_actions import (
    WAIT,
    becomes,
    begin_long_training,
    finished,
    mouse,
    open_folder,
    shown,
    states,
)
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

import napari_cryoinr as cryoinr
from leftovers import children
from napari_cryoinr.gui.widgets import closing
from napari_cryoinr.picking.session import CLICKED, PICKED, REJECTED
from napari_cryoinr.picking.session.session_storage import open_session
from spots import BOX

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]


def test_particles_are_found_before_the_first_click(window, docked, folder, qtbot) -> None:
    widget = open_folder(docked, folder, qtbot)
    widget.controller.change_settings(device="cpu")
    widget.picking.button.click()
    finished(widget, qtbot)
    entry = widget.controller.session.entries["m0.mrc"]
    assert entry.candidates is not None and entry.round == 0
    assert widget.controller.session.model is None
    widget.view.scores.click()
    finished(widget, qtbot)
    assert "particle score" in window.layers


def test_a_whole_round(window, docked, images, folder, qtbot) -> None:
    widget, viewer = open_folder(docked, folder, qtbot), window
    widget.controller.change_settings(device="cpu", iterations=3)
    training, picking = widget.training, widget.picking
    assert "Click particles first" in training.button.toolTip()
    for x, y in images[0][1].xy[:20]:
        mouse(viewer, x, y)
    assert training.about.text() == "20 particles, 0 rejected in 1 micrograph."
    assert training.button.text() == "Train"
    assert picking.button.isEnabled() and "about as large as a disc" in picking.button.toolTip()
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
