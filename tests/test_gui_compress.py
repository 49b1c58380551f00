"""The dock widget Compress map in a real window."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.io.layer_matching import details_of, is_derived

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from qtpy.QtGui import QCloseEvent  # noqa: E402

from leftovers import children  # noqa: E402
from napari_cryoinr.gui.compress_dock import batch_panel, compress_widget, result_panel  # noqa: E402
from napari_cryoinr.gui.jobs import closing_guard  # noqa: E402
from napari_cryoinr.gui.widgets.forms import RecordForm  # noqa: E402

PLUGIN = "napari-cryoinr"
WAIT = 60_000


@pytest.fixture
def viewer(make_napari_viewer, npe2pm, monkeypatch, quick):
    monkeypatch.setattr(compress_widget, "saved_settings", lambda: quick)
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        yield viewer


@pytest.fixture
def layer(viewer, small_map):
    return add_map(viewer, small_map)


def add_map(viewer, density_map, **meta):
    meta = {"units": ("angstrom",) * 3, "scale": density_map.voxel_size} | meta
    return viewer.add_image(density_map.data, name=density_map.name, **meta)


@pytest.fixture
def widget(viewer, layer, qtbot):
    """The widget in its dock, with a map whose densities are known."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compress map")
    known(widget, qtbot)
    return widget


def known(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: widget.kept.text() not in ("", "-"), timeout=WAIT)


def long(widget) -> None:
    """Settings that would take minutes."""
    field = cryoinr.FieldSettings(iterations=100_000)
    widget.settings = dataclasses.replace(widget.settings, field=field)


def finished(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def compressed(widget, qtbot):
    widget.button.click()
    finished(widget, qtbot)
    assert widget.result.compressed is not None, widget.message.text()
    return widget.result.compressed


# ------------------------------------------------------------------------------- map and threshold


def test_what_is_said_of_a_map(widget, layer, small_map, qtbot) -> None:
    assert widget.about.text() == "24 × 24 × 24 voxels of 2 Å, 55.3 kB"
    share = np.count_nonzero(small_map.data > layer.iso_threshold) / small_map.data.size
    assert widget.kept.text().startswith(f"{100 * share:.3g} % of the voxels")
    assert widget.button.text() == "Compress small"
    qtbot.waitUntil(lambda: widget.size.text().startswith("about"), timeout=WAIT)
    made = compressed(widget, qtbot)
    told = made.report.bytes
    assert widget.size.text() == f"{told:,} bytes"


def test_an_estimate_follows_the_settings(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: widget.size.text().startswith("about"), timeout=WAIT)
    first = widget.size.text()
    widget.goal.amount.value = 0.02
    assert widget.size.text() == "estimating..."
    qtbot.waitUntil(lambda: widget.size.text().startswith("about"), timeout=WAIT)
    assert widget.size.text() != first


def test_large_maps_are_estimated_when_asked_for(widget, qtbot, monkeypatch) -> None:
    from napari_cryoinr.gui.compress_dock import size_estimate

    assert widget.estimate_button.isHidden()
    monkeypatch.setattr(size_estimate, "AUTOMATIC_VOXELS", 1000)
    widget.goal.amount.value = 0.02
    assert widget.size.text() == "press Estimate"
    assert not widget.estimate_button.isHidden()
    widget.estimate_button.click()
    qtbot.waitUntil(lambda: widget.size.text().startswith("about"), timeout=WAIT)


def test_the_iso_threshold_and_the_slider_move_each_other(widget, layer) -> None:
    assert widget.threshold.setting == "auto"
    widget.threshold.number.setValue(1.25)
    assert widget.threshold.setting == 1.25
    assert layer.iso_threshold == 1.25
    layer.iso_threshold = 2.5
    assert widget.threshold.setting == pytest.approx(2.5, abs=0.01)
    widget.threshold.slider.setValue(500)
    stats = widget.threshold._facts.stats
    middle = (stats.low + stats.high) / 2
    assert layer.iso_threshold == pytest.approx(middle, abs=0.01 * (stats.high - stats.low))


def test_units_of_the_threshold(widget, layer, small_map) -> None:
    widget.threshold.number.setValue(2.0)
    widget.threshold.kind.setCurrentIndex(2)
    kind, number = cryoinr.settings.parse_threshold(widget.threshold.setting)
    assert kind == "sigma"
    mean, sigma = small_map.data.mean(dtype=float), small_map.data.std(dtype=float)
    assert mean + number * sigma == pytest.approx(2.0, abs=0.02)
    assert widget.threshold.density == pytest.approx(2.0, abs=0.02)
    widget.threshold.kind.setCurrentIndex(3)
    assert widget.settings.threshold == "none"
    assert widget.kept.text().startswith("100 %")
    widget.threshold.kind.setCurrentIndex(0)
    assert widget.settings.threshold == "auto"


def test_the_overlay_tints_what_is_above(viewer, widget, layer) -> None:
    overlay = next(one for one in viewer.layers if is_derived(one))
    assert viewer.layers.selection == {layer}
    assert overlay.units == layer.units
    np.testing.assert_array_equal(overlay.scale, layer.scale)
    widget.threshold.number.setValue(2.0)
    assert np.mean(overlay.contrast_limits) == pytest.approx(2.0, abs=0.01)
    viewer.dims.set_point(0, 24)
    tinted = viewer.screenshot(flash=False).astype(int)
    overlay.visible = False
    plain = viewer.screenshot(flash=False).astype(int)
    warmer = (tinted - plain)[..., 0] - (tinted - plain)[..., 2]
    assert warmer.max() > 40  # some of it is tinted, not all
    assert (warmer <= 0).mean() > 0.3
    viewer.dims.ndisplay = 3
    assert not overlay.visible
    assert str(layer.rendering) == "iso"
    widget.overlay.setChecked(False)
    assert overlay not in viewer.layers


def test_an_overlay_that_was_deleted_comes_back(viewer, widget) -> None:
    viewer.layers.remove(next(one for one in viewer.layers if is_derived(one)))
    widget.threshold.number.setValue(2.0)
    assert sum(is_derived(one) for one in viewer.layers) == 1


def test_which_layers_are_offered(viewer, widget, layer, qtbot) -> None:
    viewer.add_image(np.zeros((8, 8)), name="flat")
    viewer.add_image(np.zeros((8, 8, 8, 3), np.uint8), rgb=True, name="rgb")
    viewer.add_labels(np.zeros((8, 8, 8), int), name="labels")
    offered = [widget.chooser.itemText(i) for i in range(widget.chooser.count())]
    assert offered == ["(no map)", "small"]
    other = add_map(viewer, cryoinr.synthetic_map(16, name="other"))
    qtbot.waitUntil(lambda: widget.chooser.layer is other)  # the new layer is the selected one
    viewer.layers.selection.active = layer
    assert widget.chooser.layer is layer
    layer.name = "renamed"
    assert widget.button.text() == "Compress renamed"
    viewer.layers.remove(layer)
    assert widget.chooser.layer is other
    viewer.layers.clear()
    assert widget.chooser.layer is None
    assert not widget.button.isEnabled()
    assert "File > Open" in widget.button.toolTip()


@pytest.mark.parametrize("kind", ["nanometres", "dask", "multiscale", "integers"])
def test_layers_of_other_kinds(viewer, small_map, qtbot, kind: str) -> None:
    data, meta = small_map.data, {"units": ("angstrom",) * 3, "scale": (2.0,) * 3}
    if kind == "nanometres":
        meta = {"units": ("nm",) * 3, "scale": (0.2,) * 3}
    elif kind == "dask":
        import dask.array as da

        data = da.from_array(data, chunks=8)
    elif kind == "multiscale":
        data = [data, data[::2, ::2, ::2]]
        meta["multiscale"] = True
    else:
        data = np.round(40 * data).astype(np.int16)
    viewer.add_image(data, name="m", **meta)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Compress map")
    known(widget, qtbot)
    assert widget.about.text().startswith("24 × 24 × 24 voxels of 2 Å")
    made = compressed(widget, qtbot)
    assert made.archive[0].shape == (24, 24, 24)
    assert made.archive[0].voxel_size == pytest.approx((2.0,) * 3)


def test_data_that_is_replaced_is_read_again(widget, layer, qtbot) -> None:
    layer.data = cryoinr.synthetic_map(20, seed=4).data
    qtbot.waitUntil(lambda: widget.about.text().startswith("20 × 20 × 20"), timeout=WAIT)


# ------------------------------------------------------------------------------------ the settings


def test_settings_come_back(widget) -> None:
    settings = cryoinr.Settings(
        threshold=1.5,
        target_psnr=40.0,
        effort="best",
        device="cpu",
        field=cryoinr.FieldSettings(block=6, weight_exponent=2.0, weight_factor=3.0),
    )
    widget.settings = settings
    assert widget.settings == settings
    back = cryoinr.Settings.from_dict(json.loads(json.dumps(widget.settings.to_dict())))
    assert back == settings
    paper = cryoinr.PaperSettings(width="small", frequencies=4, widths=(32, 16))
    bounded = cryoinr.Settings(model="paper", paper=paper, max_error=0.25, threshold="3sigma")
    widget.settings = bounded
    assert widget.settings == bounded
    assert widget.forms.sections["field"].isHidden()


@pytest.mark.parametrize(
    ("goal", "check"),
    [
        ("target_ratio", lambda report: report.ratio >= 30),
        ("target_psnr", lambda report: report.psnr >= 40),
        ("max_error", lambda report: report.max_error <= 0.25),
        ("lossless", lambda report: report.max_error == 0),
    ],
)
def test_every_goal(widget, qtbot, goal: str, check) -> None:
    amounts = {"target_ratio": 30.0, "target_psnr": 40.0, "max_error": 0.25}
    widget.goal.goal.value = goal
    if goal in amounts:
        widget.goal.amount.value = amounts[goal]
    assert getattr(widget.settings, goal)
    assert check(compressed(widget, qtbot).report)


def test_a_setting_against_its_rule_says_so(widget) -> None:
    widget.goal.model.value = "paper"
    form: RecordForm = widget.forms._forms["paper"]
    form["widths"].value = "64, many"
    assert not widget.button.isEnabled()
    assert "give whole numbers with commas between" in widget.button.toolTip()
    form["widths"].value = "64, 32"
    assert widget.button.isEnabled()
    assert widget.settings.paper.widths == (64, 32)


def test_a_setting_that_went_wrong_during_a_run_is_not_forgotten(widget, qtbot) -> None:
    widget.button.click()
    widget.goal.model.value = "paper"
    widget.forms._forms["paper"]["widths"].value = "many"
    finished(widget, qtbot)
    assert widget.result.compressed is not None
    assert not widget.button.isEnabled()
    assert "give whole numbers" in widget.button.toolTip()


def test_every_control_has_a_tooltip(widget) -> None:
    from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QPushButton

    inner = {"qt_spinbox_lineedit"}
    for kind in (QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QPushButton):
        for control in widget.findChildren(kind):
            if control.objectName() not in inner:
                assert control.toolTip(), (kind, control.objectName(), control.parent())


# ----------------------------------------------------------------------------------- what comes out


def test_compress_look_and_save(viewer, widget, layer, small_map, tmp_path, qtbot, monkeypatch):
    made = compressed(widget, qtbot)
    assert widget.result.unsaved
    assert 0.045 <= made.report.nrmse <= 0.05
    assert len(widget.curve.points) > 1
    widget.result.show_button.click()
    finished(widget, qtbot)
    decoded = viewer.layers["small decoded"]
    assert details_of(decoded)["original_id"] == str(layer.unique_id)
    assert decoded.units == layer.units
    assert widget.chooser.layer is layer  # looking at the outcome chooses nothing
    monkeypatch.setattr(result_panel, "ask_for_file", lambda parent, name: str(tmp_path / name))
    widget.result.save_button.click()
    saved = cryoinr.open_archive(tmp_path / "small.cinr")
    np.testing.assert_array_equal(saved[0].read(), decoded.data)
    assert not widget.result.unsaved
    assert "saved as small.cinr" in widget.result.heading.text()


def test_error_and_report_open_their_widgets(viewer, widget, layer, qtbot) -> None:
    compressed(widget, qtbot)
    widget.result.error_button.click()
    finished(widget, qtbot)
    qtbot.waitUntil(
        lambda: any(
            is_derived(one) and details_of(one).get("kind") == "signed" for one in viewer.layers
        ),
        timeout=WAIT,
    )
    widget.result.report_button.click()
    docks = viewer.window.dock_widgets
    assert any("Quality" in name for name in docks)
    assert sum(one.name == "small decoded" for one in viewer.layers) == 1


def test_a_goal_that_is_missed_is_said_in_one_line(widget, qtbot) -> None:
    widget.goal.goal.value = "target_ratio"
    widget.goal.amount.value = 1e6
    widget.button.click()
    finished(widget, qtbot)
    assert "nothing written" in widget.message.text()
    assert "\n" not in widget.message.text()
    assert widget.result.isHidden()
    assert widget.button.isEnabled()


def test_cancel_within_a_second(widget, qtbot, temporary) -> None:
    long(widget)
    widget.button.click()
    assert not widget.button.isEnabled()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)
    start = time.monotonic()
    widget.bar.cancel()
    finished(widget, qtbot)
    assert time.monotonic() - start < 1
    assert "cancelled" in widget.message.text()
    assert widget.estimate.busy  # of the settings as they are, which take as long
    widget.estimate.stop()
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)  # some ask for devices still
    assert not list(temporary.iterdir())
    assert widget.button.isEnabled()


def test_a_layer_that_is_deleted_during_the_run_does_no_harm(viewer, widget, qtbot) -> None:
    widget.button.click()
    viewer.layers.clear()
    finished(widget, qtbot)
    made = widget.result.compressed
    assert made is not None
    widget.result.show_button.click()
    finished(widget, qtbot)
    assert "small decoded" in viewer.layers


def test_a_dock_that_is_closed_stops_the_work(viewer, widget, layer, qtbot, temporary) -> None:
    long(widget)
    widget.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)
    assert [one for one in viewer.layers if is_derived(one)] == []
    layer.iso_threshold = 2.0  # nobody listens


def test_a_window_that_is_closed_stops_the_work(viewer, widget, qtbot) -> None:
    long(widget)
    widget.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)
    viewer.close()
    qtbot.waitUntil(lambda: not children(), timeout=WAIT)


def test_what_is_not_saved_is_asked_about(viewer, widget, qtbot, monkeypatch) -> None:
    answers, reasons = [False, True], []

    def confirmed(window, reason: str) -> bool:
        reasons.append(reason)
        return answers.pop(0)

    monkeypatch.setattr(closing_guard, "confirmed", confirmed)
    event = QCloseEvent()
    assert not widget._guard.stops(event)  # nothing is at stake
    compressed(widget, qtbot)
    assert widget._guard.stops(event)
    assert not event.isAccepted()
    assert not widget._guard.stops(event)
    assert reasons == ["small was compressed, but is not saved."] * 2


@pytest.mark.parametrize("save", [True, False])
def test_a_dock_that_is_closed_offers_to_save(
    viewer, widget, tmp_path, qtbot, monkeypatch, save: bool, temporary
) -> None:
    asked = []
    monkeypatch.setattr(
        result_panel, "wants_to_save", lambda parent, name: asked.append(name) or save
    )
    monkeypatch.setattr(result_panel, "ask_for_file", lambda parent, name: str(tmp_path / name))
    compressed(widget, qtbot)
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: asked == ["small"] and not list(temporary.iterdir()), timeout=WAIT)
    assert [path.name for path in tmp_path.iterdir()] == (["small.cinr"] if save else [])


# -------------------------------------------------------------------------------------------- batch


def test_a_batch_of_layers(viewer, widget, layer, small_map, tmp_path, qtbot) -> None:
    other = add_map(viewer, cryoinr.synthetic_map(16, name="a/b"))
    panel = widget.batch
    assert not panel.button.isEnabled()
    panel.to_folder.setText(str(tmp_path))
    viewer.layers.selection = {layer, other}
    assert panel.button.text() == "Compress 2 maps"
    panel.button.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_b.cinr", "small.cinr"]
    assert [name for name, _ in panel.lines] == ["small", "a/b"]
    assert all("NRMSE" in text for _, text in panel.lines)
    panel.button.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert all("there already; left as it is" in text for _, text in panel.lines)


def test_a_batch_goes_on_after_a_failure(widget, small_map, tmp_path, qtbot, monkeypatch) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for name in ("a.mrc", "c.map.gz"):
        cryoinr.write_map(small_map, source / name)
    (source / "b.mrc").write_bytes(b"no map")
    (source / "notes.txt").write_text("no map either")
    panel = widget.batch
    panel.source.setCurrentText(batch_panel._FOLDER)
    chosen = iter([str(source), str(target)])
    monkeypatch.setattr(batch_panel, "ask_for_folder", lambda parent, title: next(chosen))
    panel._from_browse.click()
    panel.to_folder.setText(next(chosen))
    assert panel.button.text() == "Compress 3 maps"
    panel.button.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert [name for name, _ in panel.lines] == ["a.mrc", "b.mrc", "c.map.gz"]
    assert "b.mrc" in panel.lines[1][1]
    assert sorted(path.name for path in target.iterdir()) == ["a.cinr", "c.cinr"]
    assert widget.message.text() == "Batch: 2 compressed, 1 not"


def test_a_batch_can_be_cancelled(widget, tmp_path, qtbot) -> None:
    long(widget)
    panel = widget.batch
    panel.to_folder.setText(str(tmp_path))
    panel.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)
    panel.bar.cancel()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert not list(tmp_path.iterdir())
