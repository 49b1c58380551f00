"""The dock widget Compress map; in a real window only where the window matters."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import models
from napari_cryoinr.gui.io.layer_matching import details_of, is_derived
from napari_cryoinr.progress import Progress
from napari_cryoinr.support import records
from napari_cryoinr.support.devices import Device

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from napari.components import ViewerModel  # noqa: E402

from leftovers import children  # noqa: E402
from napari_cryoinr.gui.compress_dock import batch_panel, compress_widget, map_facts  # noqa: E402
from napari_cryoinr.gui.io import session as sessions  # noqa: E402
from napari_cryoinr.gui.io.session import session_of  # noqa: E402

PLUGIN = "napari-cryoinr"
WAIT = 60_000
CPU = Device("cpu", "a processor", 1 << 30)


@pytest.fixture(autouse=True)
def usual(monkeypatch, quick):
    """Quick settings; no processes that estimate or ask for devices, unless a test wants them."""

    def devices():
        yield Progress("asking", 0, 1)
        return [CPU]

    monkeypatch.setattr(compress_widget, "saved_settings", lambda: quick)
    monkeypatch.setattr(compress_widget.workers, "device_steps", devices)
    monkeypatch.setattr(map_facts, "AUTOMATIC_VOXELS", 0)


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    yield viewer
    session_of(viewer).release()


@pytest.fixture
def window(make_napari_viewer, npe2pm):
    """A real viewer with its window."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield make_napari_viewer(show=True)


def add_map(viewer, density_map, **meta):
    meta = {"units": ("angstrom",) * 3, "scale": density_map.voxel_size} | meta
    return viewer.add_image(density_map.data, name=density_map.name, **meta)


@pytest.fixture
def layer(viewer, small_map):
    return add_map(viewer, small_map)


@pytest.fixture
def widget(viewer, layer, qtbot):
    widget = compress_widget.CompressWidget(viewer)
    qtbot.addWidget(widget, before_close_func=lambda widget: widget.release())
    known(widget, qtbot)
    return widget


@pytest.fixture
def docked(window, small_map, qtbot):
    """The widget in a dock of a real window."""
    add_map(window, small_map)
    _, widget = window.window.add_plugin_dock_widget(PLUGIN, "Compress map")
    known(widget, qtbot)
    return widget


def known(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: widget.facts is not None, timeout=WAIT)


def long(widget) -> None:
    """Settings that would take minutes."""
    field = cryoinr.FieldSettings(iterations=100_000)
    widget.settings = dataclasses.replace(widget.settings, field=field)


def at_work(widget, qtbot) -> None:
    """Compress something that takes minutes; it has begun."""
    long(widget)
    widget.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)


def finished(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def compressed(widget, qtbot):
    widget.button.click()
    finished(widget, qtbot)
    assert widget.result.compressed is not None, widget.message.text()
    return widget.result.compressed


# ------------------------------------------------------------------------------- map and threshold


def test_what_is_said_of_a_map(widget, layer, small_map) -> None:
    assert widget.about.text() == "24 × 24 × 24 voxels of 2 Å, 55.3 kB (float32)"
    share = np.count_nonzero(small_map.data > layer.iso_threshold) / small_map.data.size
    assert widget.above.text().startswith(f"{100 * share:.3g} % of the voxels")
    assert widget.button.text() == "Compress small"


def test_the_iso_threshold_and_the_slider_move_each_other(widget, layer) -> None:
    assert widget.settings.threshold == "auto"
    widget.threshold.slider.setValue(1.25)
    assert widget.settings.threshold == layer.iso_threshold == 1.25
    layer.iso_threshold = 2.5
    assert widget.settings.threshold == 2.5
    assert widget.threshold.slider.value() == 2.5


def test_units_of_the_threshold(widget, small_map) -> None:
    control = widget.threshold
    control.slider.setValue(2.0)
    control.kind.setCurrentIndex(control.kind.findData("sigma"))
    mean, sigma = small_map.data.mean(dtype=float), small_map.data.std(dtype=float)
    assert control.slider.value() == pytest.approx((2.0 - mean) / sigma, rel=1e-4)
    assert widget.settings.threshold.endswith("sigma")
    assert control.density == pytest.approx(2.0, rel=1e-4)
    control.kind.setCurrentIndex(control.kind.findData("none"))
    assert widget.settings.threshold == "none"
    assert widget.above.text().startswith("100 %")
    control.kind.setCurrentIndex(control.kind.findData("density"))
    assert widget.settings.threshold == pytest.approx(2.0, rel=1e-4)
    control.kind.setCurrentIndex(control.kind.findData("auto"))
    assert widget.settings.threshold == "auto"


def test_the_tint_shows_what_is_above(window, docked) -> None:
    layer, tint = window.layers
    assert is_derived(tint)
    assert window.layers.selection == {layer}
    assert tint.units == layer.units
    np.testing.assert_array_equal(tint.scale, layer.scale)
    docked.threshold.setting = 2.0
    assert np.mean(tint.contrast_limits) == pytest.approx(2.0, abs=0.01)
    window.dims.set_point(0, 24)
    tinted = window.screenshot(flash=False).astype(int)
    tint.visible = False
    plain = window.screenshot(flash=False).astype(int)
    warmer = (tinted - plain)[..., 0] - (tinted - plain)[..., 2]
    assert warmer.max() > 40  # some of it is tinted, not all
    assert (warmer <= 0).mean() > 0.3
    window.dims.ndisplay = 3
    assert not tint.visible
    assert str(layer.rendering) == "iso"
    docked.overlay.setChecked(False)
    assert tint not in window.layers


def test_layers_may_be_deleted_with_the_tint(viewer, widget, qtbot) -> None:
    viewer.layers.remove(next(one for one in viewer.layers if is_derived(one)))
    widget.threshold.setting = 2.0
    assert sum(is_derived(one) for one in viewer.layers) == 1  # it comes back
    for _ in range(4):  # napari deletes selected layers in no certain order
        viewer.layers.select_all()
        viewer.layers.remove_selected()
        qtbot.waitUntil(lambda: not viewer.layers, timeout=WAIT)
        assert not widget.button.isEnabled()
        add_map(viewer, cryoinr.synthetic_map(16, name="again"))
        known(widget, qtbot)


def test_which_layers_are_offered(viewer, widget, layer) -> None:
    other = add_map(viewer, cryoinr.synthetic_map(16, name="other"))
    assert widget.chooser.layer is other  # the new layer is the selected one
    viewer.layers.selection.active = layer
    assert widget.chooser.layer is layer
    layer.name = "renamed"
    assert widget.button.text() == "Compress renamed"
    offered = [widget.chooser.itemText(i) for i in range(widget.chooser.count())]
    assert offered == ["(no map)", "renamed", "other"]
    viewer.layers.remove(layer)
    assert widget.chooser.layer is other
    viewer.layers.clear()
    assert widget.chooser.layer is None
    assert not widget.button.isEnabled()
    assert "File > Open" in widget.button.toolTip()


def test_a_layer_that_is_no_map_is_not_taken_for_the_one_before(viewer, widget, layer) -> None:
    placed = {"units": ("angstrom",) * 3}
    for other in (
        viewer.add_image(np.zeros((8, 8)), name="other", units=("angstrom",) * 2),
        viewer.add_image(np.zeros((2, 8, 8, 8)), name="other", units=("angstrom",) * 4),
        viewer.add_image(np.zeros((8, 8, 8, 3), np.uint8), rgb=True, name="other", **placed),
        viewer.add_labels(np.zeros((8, 8, 8), int), name="other", **placed),
    ):
        viewer.layers.selection.active = layer
        assert widget.chooser.layer is layer
        viewer.layers.selection.active = other
        assert widget.chooser.layer is None
        assert "other" in widget.about.text()
        assert not widget.button.isEnabled()
    viewer.layers.selection.active = layer
    assert widget.chooser.layer is layer


def test_a_map_with_nan_says_so(viewer, widget, small_map, qtbot) -> None:
    data = small_map.data.copy()
    data[3, 4, 5] = np.nan
    add_map(viewer, dataclasses.replace(small_map, data=data, name="with nan"))
    qtbot.waitUntil(lambda: "infinite or NaN" in widget.about.text(), timeout=WAIT)
    assert not widget.button.isEnabled()


@pytest.mark.parametrize("kind", ["nanometres", "dask", "multiscale", "integers"])
def test_layers_of_other_kinds(viewer, widget, small_map, qtbot, kind: str) -> None:
    data, meta = small_map.data, {"units": ("angstrom",) * 3, "scale": (2.0,) * 3}
    about = "24 × 24 × 24 voxels of 2 Å, 55.3 kB (float32)"
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
        about = "24 × 24 × 24 voxels of 2 Å, 27.6 kB (int16)"
    viewer.layers.clear()
    viewer.add_image(data, name="m", **meta)
    known(widget, qtbot)
    assert widget.about.text() == about
    assert widget.facts.map.voxel_size == pytest.approx((2.0,) * 3)


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
    numbers = {"spacing": 1.5, "degree": 3, "levels": 4, "synthesis": "none", "steps": 70}
    inr = cryoinr.InrSettings(**numbers, weight_exponent=2.0, weight_factor=3.0)
    trained = cryoinr.Settings(model="inr", inr=inr, target_ratio=40.0)
    widget.settings = trained
    assert widget.settings == trained


@pytest.mark.parametrize("model", [name for name in models.NAMES if name != "lossless"])
def test_the_chosen_model_has_its_own_sections(widget, model: str) -> None:
    widget.goal.form["model"].value = model
    forms = widget.forms
    shown = {name for name, section in forms.sections.items() if not section.isHidden()}
    assert shown == {model, "weights"}
    (own,) = (name for name, form in forms.weights.items() if not form.view.isHidden())
    assert own == model
    widget.goal.form["model"].value = "lossless"
    assert all(section.isHidden() for section in forms.sections.values())


def test_numbers_of_the_model_inr(widget) -> None:
    widget.goal.form["model"].value = "inr"
    numbers, weights = widget.forms.numbers["inr"], widget.forms.weights["inr"]
    assert numbers["spacing"].value == numbers["steps"].value == "auto"
    assert [numbers[name].native.currentText() for name in ("degree", "levels")] == ["auto"] * 2
    rules = {name: rule for name, _, rule, _ in records.rules(cryoinr.InrSettings)}
    for control in (*numbers, *weights):
        meaning = rules[control.name].meaning
        assert control.tooltip.startswith(meaning[:1].upper() + meaning[1:])
    numbers["spacing"].value = "wide"
    assert "give a number" in widget.button.toolTip()
    numbers["spacing"].value = "99"
    assert "must be at most 16" in widget.button.toolTip()
    numbers["spacing"].value = "1.25"
    weights["weight_factor"].value = 3.0
    assert widget.button.isEnabled()
    assert widget.settings.inr == cryoinr.InrSettings(spacing=1.25, weight_factor=3.0)
    numbers["spacing"].value = "auto"
    assert widget.settings.inr.spacing is None


@pytest.mark.parametrize("model", ["auto", "field", "inr"])
def test_errors_weigh_alike_for_all_models_that_are_tried(widget, model: str) -> None:
    widget.settings = cryoinr.Settings(model=model)
    before = widget.settings
    shown = widget.forms.weights["inr" if model == "inr" else "field"]
    shown["weight_exponent"].value = 1.5
    after = widget.settings
    assert (after.field.weight_exponent == 1.5) == (model != "inr")
    assert (after.inr.weight_exponent == 1.5) == (model != "field")
    plain = {"weight_exponent": 0.0}
    for name in ("field", "inr"):
        own = dataclasses.replace(getattr(after, name), **plain)
        assert own == getattr(before, name)


def test_every_goal(widget) -> None:
    goal = widget.goal
    for name, amount in (("target_ratio", 30.0), ("target_psnr", 40.0), ("max_error", 0.25)):
        goal.goal.value = name
        goal.amount.value = amount
        assert widget.settings.goals == [name]
        assert getattr(widget.settings, name) == amount
    goal.goal.value = "lossless"
    assert widget.settings.goals == ["lossless"]
    goal.form["model"].value = "paper"
    assert widget.settings.goals == ["lossless"]
    goal.goal.value = "none"
    assert widget.settings.goals == []


def test_devices_are_offered(widget, qtbot) -> None:
    form = widget.goal.form
    qtbot.waitUntil(lambda: form["device"].choices == ("auto", "cpu"), timeout=WAIT)
    assert widget.settings.device == "cpu"


def test_a_setting_against_its_rule_says_so(widget) -> None:
    widget.goal.form["model"].value = "paper"
    form = widget.forms.numbers["paper"]
    form["widths"].value = "64, many"
    assert not widget.button.isEnabled()
    assert "give whole numbers with commas between" in widget.button.toolTip()
    form["widths"].value = "64, 32"
    assert widget.button.isEnabled()
    assert widget.settings.paper.widths == (64, 32)


def test_every_control_has_a_tooltip(widget) -> None:
    from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QPushButton

    for kind in (QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QPushButton):
        for control in widget.findChildren(kind):
            if isinstance(control.parent(), (QAbstractSpinBox, type(widget.threshold.slider))):
                continue
            assert control.toolTip(), (kind, control.objectName(), control.parent())


# ------------------------------------------------------------------------------------ the estimate


def test_the_estimate_is_of_the_settings_that_are_shown(widget, qtbot, monkeypatch) -> None:
    assert widget.size.text() == "press Estimate"
    assert not widget.estimate_button.isHidden()
    widget.estimate_button.click()
    assert widget.size.text() == "estimating..."
    qtbot.waitUntil(lambda: widget.size.text().startswith("about"), timeout=WAIT)
    assert widget.estimate_button.isHidden()
    monkeypatch.setattr(map_facts, "AUTOMATIC_VOXELS", 1 << 24)
    widget.goal.goal.value = "target_ratio"
    qtbot.waitUntil(lambda: widget.size.text() == "about 110 bytes, 503 : 1", timeout=WAIT)
    widget.forms.numbers["paper"]["widths"].value = "many"
    assert widget.size.text() == "-"


# ----------------------------------------------------------------------------------- what comes out


def test_compress_look_and_save(viewer, widget, layer, tmp_path, qtbot, monkeypatch) -> None:
    made = compressed(widget, qtbot)
    assert session_of(viewer).unsaved == [made]
    assert (made.report.lowest_fsc or 0) >= 0.99
    assert widget.size.text() == f"{made.report.bytes:,} bytes"
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
    widget.goal.form["model"].value = "paper"
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
    widget.goal.form["model"].value = "field"
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
    assert any("Quality" in name for name in window.window.dock_widgets)
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


# -------------------------------------------------------------------------------------------- batch


def run_batch(panel, qtbot) -> None:
    panel.button.click()
    qtbot.waitUntil(lambda: not panel.bar.running, timeout=WAIT)


def test_a_batch_of_layers(viewer, widget, layer, tmp_path, qtbot) -> None:
    other = add_map(viewer, cryoinr.synthetic_map(16, name="a/b"))
    panel = widget.batch
    assert not panel.button.isEnabled()
    panel.to_folder.value = tmp_path
    viewer.layers.selection = {layer, other}
    assert panel.button.text() == "Compress 2 maps"
    run_batch(panel, qtbot)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_b.cinr", "small.cinr"]
    assert [name for name, _ in panel.lines] == ["small", "a/b"]
    assert all("NRMSE" in text for _, text in panel.lines)
    run_batch(panel, qtbot)
    assert all("exists already; left as it is" in text for _, text in panel.lines)


def test_a_batch_goes_on_after_a_failure(widget, small_map, tmp_path, qtbot) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for name in ("a.mrc", "c.map.gz"):
        cryoinr.write_map(small_map, source / name)
    (source / "b.mrc").write_bytes(b"no map")
    (source / "notes.txt").write_text("no map either")
    panel = widget.batch
    panel.source.setCurrentText(batch_panel.FOLDER)
    assert panel.button.toolTip() == "Give a folder with maps"
    panel.from_folder.value = source
    assert panel.button.toolTip() == "Give a folder for the files"
    panel.to_folder.value = target
    assert panel.button.text() == "Compress 3 maps"
    run_batch(panel, qtbot)
    assert [name for name, _ in panel.lines] == ["a.mrc", "b.mrc", "c.map.gz"]
    assert "b.mrc" in panel.lines[1][1]
    assert sorted(path.name for path in target.iterdir()) == ["a.cinr", "c.cinr"]
    assert widget.message.text() == "Batch: 2 compressed, 1 not"


def test_a_batch_can_be_cancelled(widget, tmp_path, qtbot) -> None:
    long(widget)
    panel = widget.batch
    panel.to_folder.value = tmp_path
    panel.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)
    panel.bar.cancel()
    qtbot.waitUntil(lambda: not panel.bar.running, timeout=WAIT)
    assert not list(tmp_path.iterdir())
