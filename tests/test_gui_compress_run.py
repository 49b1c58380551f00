"""Compressing in the dock Compress map, from the button to the file."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.io.layer_matching import details_of
from napari_cryoinr.progress import Progress

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary", "usual")]

from compressing import (  # noqa: E402
    WAIT,
    at_work,
    compressed,
    docked,  # noqa: F401
    finished,
    known,
    layer,  # noqa: F401
    usual,  # noqa: F401
    viewer,  # noqa: F401
    widget,  # noqa: F401
    window,  # noqa: F401
)
from leftovers import children  # noqa: E402
from napari_cryoinr.gui.compress_dock import size_estimate  # noqa: E402
from napari_cryoinr.gui.io import session as sessions  # noqa: E402
from napari_cryoinr.gui.io.session import session_of  # noqa: E402


def test_compress_look_and_save(viewer, widget, layer, tmp_path, qtbot, monkeypatch) -> None:
    made = compressed(widget, qtbot)
    assert session_of(viewer).unsaved == [made]
    assert (made.report.lowest_fsc or 0) >= 0.99
    assert widget.size.text() == f"{made.report.bytes:,} bytes"
    assert f"{made.report.ratio:,.0f} × smaller." in widget.promise.text()
    assert "about" not in widget.promise.text()  # no estimate any more
    assert len(widget.curve.points) > 1
    widget.result.table.show_button.click()
    finished(widget, qtbot)
    decoded = viewer.layers["small decoded"]
    assert details_of(decoded)["original_id"] == str(layer.unique_id)
    assert decoded.units == layer.units
    assert widget.chooser.layer is layer  # looking at the outcome chooses nothing
    monkeypatch.setattr(sessions, "ask_for_target", lambda *_: tmp_path / "small.cinr")
    widget.result.save_button.click()
    saved = cryoinr.open_archive(tmp_path / "small.cinr")
    np.testing.assert_array_equal(saved[0].read(), decoded.data)
    assert not session_of(viewer).unsaved
    assert "saved as small.cinr" in widget.result.heading.text()


def test_what_happens_during_a_run_does_no_harm(viewer, widget, qtbot) -> None:
    widget.button.click()
    widget.method.form["model"].value = "paper"
    widget.forms.numbers["paper"]["widths"].value = "many"
    viewer.layers.clear()
    finished(widget, qtbot)
    assert widget.result.compressed is not None
    assert not widget.button.isEnabled()
    widget.result.table.show_button.click()
    finished(widget, qtbot)
    assert "small decoded" in viewer.layers
    known(widget, qtbot)
    assert "give whole numbers" in widget.button.toolTip()


def test_cancel_leaves_nothing(widget, qtbot, temporary) -> None:
    at_work(widget, qtbot)
    assert not widget.button.isEnabled()
    widget.bar.cancel()
    finished(widget, qtbot)
    assert "cancelled" in widget.message.text()
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)
    assert not list(temporary.iterdir())
    assert widget.button.isEnabled()


def test_a_training_is_finished_early(docked, qtbot) -> None:
    """In a real window: the button is there while something is trained, and a file comes out."""
    inr = cryoinr.InrSettings(steps=100_000)
    docked.settings = dataclasses.replace(docked.settings, model="inr", inr=inr, max_error=0.3)
    offer = docked.bar.finish_button
    docked.button.click()
    assert docked.bar.isVisible()
    assert not offer.isVisible()
    qtbot.waitUntil(lambda: offer.isVisible() and offer.isEnabled(), timeout=WAIT)
    assert "The goal still holds" in offer.toolTip()
    offer.click()
    finished(docked, qtbot)
    assert docked.result.compressed is not None, docked.message.text()
    assert docked.result.compressed.report.max_error <= 0.3
    assert docked.result.compressed.saved is None


def test_the_model_field_trains_nothing(widget, qtbot) -> None:
    widget.method.form["model"].value = "field"
    compressed(widget, qtbot)
    assert widget.bar.finish_button.isHidden()  # once shown it stays until the next run


def test_a_result_stays_where_the_next_run_is_cancelled(viewer, widget, qtbot) -> None:
    made = compressed(widget, qtbot)
    at_work(widget, qtbot)
    widget.bar.cancel()
    finished(widget, qtbot)
    assert widget.result.compressed is made
    assert made.path.exists()
    assert session_of(viewer).unsaved == [made]


def test_error_and_report_open_their_widgets(window, docked, qtbot) -> None:
    compressed(docked, qtbot)
    docked.result.error_button.click()
    finished(docked, qtbot)

    def has_error() -> bool:
        return any(details_of(one).get("kind") == "signed" and one.visible for one in window.layers)

    qtbot.waitUntil(has_error, timeout=WAIT)
    docked.result.report_button.click()
    assert any("Compare maps" in name for name in window.window.dock_widgets)
    assert sum(one.name == "small decoded" for one in window.layers) == 1


def test_a_dock_that_is_closed_stops_the_work(window, docked, qtbot) -> None:
    layer = window.layers[0]
    at_work(docked, qtbot)
    window.window.remove_dock_widget(docked)
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)
    assert list(window.layers) == [layer]
    layer.iso_threshold = 2.0  # no callback is left


def test_a_window_that_is_closed_stops_the_work(window, docked, qtbot) -> None:
    at_work(docked, qtbot)
    window.close()
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)


def test_a_size_is_not_that_of_settings_before(widget, qtbot, monkeypatch) -> None:
    """The goal is changed during a run: its size is not shown as that of the new goal."""
    widget.button.click()
    widget.goal.goal.value = "target_ratio"
    assert "smaller" not in widget.promise.text()
    monkeypatch.setattr(size_estimate, "AUTOMATIC_VOXELS", 1 << 24)
    finished(widget, qtbot)
    made = widget.result.compressed
    assert made.settings.goals == []
    assert f"{made.report.bytes:,}" not in widget.size.text()
    qtbot.waitUntil(lambda: "about 110 bytes, 503 × smaller" in widget.promise.text(), timeout=WAIT)


def test_a_training_is_shown(docked, qtbot) -> None:
    """Loss and size have axes; the middle slice is decoded as it gets better."""
    inr = cryoinr.InrSettings(steps=100_000)
    docked.settings = dataclasses.replace(docked.settings, model="inr", inr=inr)
    docked.button.click()
    view = docked.curve
    qtbot.waitUntil(lambda: view.slices.isVisible() and len(view.points) > 5, timeout=WAIT)
    for plot, points in ((view.loss, view.points), (view.bytes, view.sizes)):
        (curve,) = plot.curves
        np.testing.assert_allclose(curve.x[:2], [at for at, _ in points[:2]])
        assert plot._x.label == "seconds"
    assert view.loss._y.label.startswith("error / allowed: ")
    assert view.bytes._y.label.startswith("size: ")
    assert view.bytes._y.label.endswith(" bytes")
    pictures = [label.pixmap() for label in (view.slices.original, view.slices.decoded)]
    assert all(picture.width() == picture.height() > 100 for picture in pictures)
    before = pictures[1].cacheKey()
    qtbot.waitUntil(lambda: view.slices.decoded.pixmap().cacheKey() != before, timeout=WAIT)
    docked.bar.cancel()
    finished(docked, qtbot)
    assert not view.isVisible()


def test_a_curve_begins_anew_with_another_training(widget) -> None:
    view = widget.curve
    for seconds, loss in ((1.0, 3.0), (2.0, 1.0), (3.0, 0.5)):
        view.add(Progress("training", 1, 9, seconds, loss=loss, bytes_so_far=100))
    assert len(view.points) == len(view.sizes) == 3
    view.add(Progress("fitting", 1, 9, 4.0, loss=500.0))
    assert view.points == [(4.0, 500.0)]
    view.add(Progress("training", 1, 9, 5.0, loss=2.0, bytes_so_far=90))
    assert view.points == [(5.0, 2.0)]


def test_the_bar_speaks_as_a_user(docked, qtbot) -> None:
    said = set()
    changed = docked.bar._bar.setFormat

    def noted(text: str) -> None:
        said.add(text)
        changed(text)

    docked.bar._bar.setFormat = noted
    compressed(docked, qtbot)
    words = {re.sub(r" \d+ %.*", "", text) for text in said}
    assert words & {"loading PyTorch", "preparing the training", "reaching the goal", "encoding"}
    assert not words & {"fitting", "rounding", "coding", "loading torch", "handing over"}
