"""The dock widget Compress map: what it shows and says of a map; in a window where that matters."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import models
from napari_cryoinr.gui.io.layer_matching import is_derived
from napari_cryoinr.support import records

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary", "usual")]

from qtpy.QtCore import Qt  # noqa: E402

from compressing import (  # noqa: E402
    WAIT,
    add_map,
    docked,  # noqa: F401
    known,
    layer,  # noqa: F401
    usual,  # noqa: F401
    viewer,  # noqa: F401
    widget,  # noqa: F401
    window,  # noqa: F401
)
from napari_cryoinr.gui.compress_dock import size_curve, size_estimate  # noqa: E402
from napari_cryoinr.gui.compress_dock.expected_time import ExpectedTime  # noqa: E402

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
        viewer.add_image(np.zeros((2, 2, 8, 8, 8)), name="other", units=("angstrom",) * 5),
        viewer.add_image(np.zeros((8, 8, 8, 3), np.uint8), rgb=True, name="other", **placed),
    ):
        viewer.layers.selection.active = layer
        assert widget.chooser.layer is layer
        viewer.layers.selection.active = other
        assert widget.chooser.layer is None
        assert "other" in widget.about.text()
        assert not widget.button.isEnabled()
    viewer.layers.selection.active = layer
    assert widget.chooser.layer is layer


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
    shown = dataclasses.replace(settings, target_psnr=None, keep="contour", target_nrmse=0.02)
    masked = cryoinr.Settings(
        threshold="2sigma", keep="envelope", mask_extend=5, mask_edge=1, resolution=7.25
    )
    explicit = cryoinr.Settings(target_fsc=0.99)  # not the same as no goal
    whole = cryoinr.Settings(threshold="none", keep="volume", target_fsc=0.95, seed=7)
    exact = cryoinr.Settings(model="lossless", lossless=True)
    for one in (shown, masked, explicit, whole, exact, cryoinr.Settings()):
        widget.settings = one
        assert widget.settings == one
    paper = cryoinr.PaperSettings(width="small", frequencies=4, widths=(32, 16))
    odd = cryoinr.Settings(model="paper", target_nrmse=0.5)  # which that model does not aim at
    widget.settings = odd
    assert widget.settings == odd
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
    widget.method.form["model"].value = model
    forms = widget.forms
    shown = {name for name, section in forms.sections.items() if not section.isHidden()}
    assert shown == {model, "weights", "frequencies"}
    (own,) = (name for name, form in forms.weights.items() if not form.view.isHidden())
    assert own == model
    widget.method.form["model"].value = "lossless"
    assert all(section.isHidden() for section in forms.sections.values())


def test_numbers_of_the_model_inr(widget) -> None:
    widget.method.form["model"].value = "inr"
    numbers, weights = widget.forms.numbers["inr"], widget.forms.weights["inr"]
    range_ = widget.forms.ranges["inr"]
    assert range_["spacing"].value == numbers["steps"].value == "auto"
    assert [numbers[name].native.currentText() for name in ("degree", "levels")] == ["auto"] * 2
    rules = {name: rule for name, _, rule, _ in records.rules(cryoinr.InrSettings)}
    for control in (*numbers, *range_, *weights):
        meaning = rules[control.name].meaning
        assert control.tooltip.startswith(meaning[:1].upper() + meaning[1:])
    range_["spacing"].value = "wide"
    assert "give a number" in widget.button.toolTip()
    range_["spacing"].value = "99"
    assert "must be at most 16" in widget.button.toolTip()
    range_["spacing"].value = "1.25"
    weights["weight_factor"].value = 3.0
    assert widget.button.isEnabled()
    assert widget.settings.inr == cryoinr.InrSettings(spacing=1.25, weight_factor=3.0)
    range_["spacing"].value = "auto"
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
    said = {
        "target_fsc": (0.95, "every Fourier shell to the resolution inside the soft mask above"),
        "target_nrmse": (0.02, "an RMS error of at most 2 % of their spread"),
        "target_ratio": (30.0, "as fits into the size"),
        "target_psnr": (40.0, "PSNR of at least 40 dB"),
        "max_error": (0.25, "within 0.25 of its density"),
    }
    for name, (amount, words) in said.items():
        goal.goal.value = name
        goal.amount.value = amount
        assert widget.settings.goals == [name]
        assert getattr(widget.settings, name) == amount
        assert words in widget.promise.text()
        assert goal.spectrum.isHidden()  # nothing is known of it yet
        assert goal.resolution.parent().isHidden() == (name != "target_fsc")
    goal.goal.value = "lossless"
    assert widget.settings.goals == ["lossless"]
    assert widget.promise.text() == "Will keep every voxel exactly."
    widget.method.form["model"].value = "paper"
    assert widget.settings.goals == ["lossless"]
    goal.goal.value = "none"
    assert widget.settings.goals == []
    assert "no error is promised" in widget.promise.text()


def test_goals_fit_what_is_kept(widget) -> None:
    """What contradicts itself is not offered."""
    kept, goal = widget.keep.kept, widget.goal.goal
    goal.value = "lossless"
    for keep, missing in (("envelope", "lossless"), ("contour", "target_fsc")):
        kept.setCurrentIndex(kept.findData(keep))
        assert missing not in goal.choices
        assert widget.settings.keep == keep
        assert widget.button.isEnabled()
    widget.threshold.kind.setCurrentIndex(widget.threshold.kind.findData("none"))
    assert widget.settings.keep == "auto"
    assert "in the whole volume" in widget.promise.text()


def test_devices_are_offered(widget, qtbot) -> None:
    form = widget.method.form
    qtbot.waitUntil(lambda: form["device"].choices == ("auto", "cpu"), timeout=WAIT)
    assert widget.settings.device == "cpu"


def test_a_setting_against_its_rule_says_so(widget) -> None:
    widget.method.form["model"].value = "paper"
    form = widget.forms.numbers["paper"]
    form["widths"].value = "64, many"
    assert not widget.button.isEnabled()
    assert "give whole numbers with commas between" in widget.button.toolTip()
    form["widths"].value = "64, 32"
    assert widget.button.isEnabled()
    assert widget.settings.paper.widths == (64, 32)


def test_what_the_map_decides_is_shown_as_auto(widget) -> None:
    widget.method.form["model"].value = "paper"
    forms = widget.forms
    numbers, weights = forms.numbers["paper"], forms.weights["paper"]
    shown = [numbers[name].value for name in ("widths", "batch_size", "learning_rate")]
    assert [*shown, forms.ranges["paper"]["frequencies"].value] == ["auto"] * 4
    assert numbers["width"].value is None and numbers["residual"].value is None
    assert widget.settings.paper == cryoinr.PaperSettings()
    assert weights["loss_exponent"].value == "auto"
    assert forms._drawn_weights == (0.0, 90.0, 3.0)  # by the map
    numbers["auto"].value = False
    assert forms._drawn_weights == (2.0, 90.0, 3.0)  # of the source
    weights["loss_exponent"].value = "1.5"
    assert forms._drawn_weights == (1.5, 90.0, 3.0)
    weights["loss_exponent"].value = "1.5x"
    assert "give a number" in widget.button.toolTip()
    assert forms._drawn_weights == (1.5, 90.0, 3.0)
    weights["loss_exponent"].value = ""
    assert widget.settings.paper == cryoinr.PaperSettings(auto=False)


def test_the_expected_time_of_a_network_follows_its_size() -> None:
    def seconds(voxels: int, **own: object) -> float:
        by = cryoinr.Settings(model="paper", paper=cryoinr.PaperSettings(**own))
        return ExpectedTime().seconds(by, voxels // 10, voxels, "cpu")

    small, large = 64**3, 256**3
    assert seconds(small) < seconds(large)
    assert seconds(small, width="small") < seconds(small) < seconds(small, width="full")
    assert seconds(small, auto=False) == pytest.approx(seconds(large, auto=False))
    assert seconds(small, max_steps=10) < seconds(small)


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
    assert widget.size.text().removeprefix("about ") in widget.promise.text()
    monkeypatch.setattr(size_estimate, "AUTOMATIC_VOXELS", 1 << 24)
    widget.goal.goal.value = "target_ratio"
    assert "smaller" not in widget.promise.text()
    qtbot.waitUntil(lambda: "about 110 bytes, 503 × smaller" in widget.promise.text(), timeout=WAIT)
    widget.forms.numbers["paper"]["widths"].value = "many"
    assert widget.size.text() == ""
    assert "give whole numbers" in widget.promise.text()


@pytest.mark.parametrize(
    "goal",
    [
        pytest.param("target_fsc", marks=pytest.mark.slow),
        "target_nrmse",
        "target_psnr",
        "max_error",
        "lossless",
        pytest.param("none", marks=pytest.mark.slow),
    ],
)
def test_no_size_of_another_goal_stays(widget, qtbot, monkeypatch, goal: str) -> None:
    """A change of the goal, or of its number, hides the size until the new one is known."""
    monkeypatch.setattr(size_estimate, "AUTOMATIC_VOXELS", 1 << 24)
    shown = [name for name in widget.goal.goal.choices if name != goal]
    widget.goal.goal.value = shown[0]
    widget.outlook._show_estimate("about 1 byte", 1)  # as if it had been estimated
    assert "1 bytes" in widget.promise.text()
    widget.goal.goal.value = goal
    assert widget.size.text() == "estimating..."
    assert "smaller" not in widget.promise.text()
    if widget.goal.amount.native.isVisibleTo(widget):
        widget.outlook._show_estimate("about 1 byte", 1)
        widget.goal.amount.value *= 0.9
        assert "smaller" not in widget.promise.text()
    qtbot.waitUntil(lambda: "smaller" in widget.promise.text(), timeout=WAIT)


def test_a_curve_of_sizes_to_choose_from(widget, qtbot) -> None:
    curve = widget.sizes
    assert curve.plot.isHidden()
    curve.button.click()
    qtbot.waitUntil(lambda: bool(curve.points), timeout=WAIT)
    amounts, sizes = zip(*curve.points, strict=True)
    assert amounts == size_curve._AMOUNTS["target_fsc"]
    assert sizes == tuple(sorted(sizes))
    assert not curve.plot.isHidden()
    place = curve.plot.place_of(sizes[1], 1 - amounts[1])
    qtbot.mouseClick(curve.plot, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert widget.settings.target_fsc == amounts[1]
    assert len(curve.points) == len(amounts)  # the curve is still of these settings
    widget.threshold.setting = 2.0
    assert not curve.points
    assert curve.plot.isHidden()
