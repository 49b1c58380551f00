"""Pick particles: models, long work, and tooltips."""

from __future__ import annotations

import pytest
from pick_actions import WAIT, begin_long_training, click, finished
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QFileDialog, QSlider

from leftovers import children
from napari_cryoinr.picking.session import CLICKED

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]


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
