"""The dock Compress map: soft mask, spectrum, half-maps and histogram of a map."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.io.layer_matching import details_of, is_derived

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
from napari_cryoinr.gui.compress_dock import map_analysis  # noqa: E402
from napari_cryoinr.maps.envelope import soft_mask  # noqa: E402


@pytest.fixture
def analysed(monkeypatch):
    """Soft mask and spectrum are worked out."""
    monkeypatch.setattr(map_analysis, "AUTOMATIC_VOXELS", 1 << 24)


def mask_of(viewer):
    found = [one for one in viewer.layers if details_of(one).get("kind") == "soft mask"]
    return found[0] if found else None


def test_the_soft_mask_is_shown(analysed, window, docked, small_map, qtbot) -> None:
    layer = window.layers[0]
    docked.threshold.setting = 2.0
    qtbot.waitUntil(lambda: mask_of(window) is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: docked.analysis is not None, timeout=WAIT)
    mask = mask_of(window)
    expected = np.round(255 * soft_mask(small_map.data, 2.0))
    np.testing.assert_array_equal(mask.data, expected)
    assert is_derived(mask)
    assert mask.units == layer.units
    np.testing.assert_array_equal(mask.scale, layer.scale)
    assert window.layers.selection == {layer}
    window.dims.ndisplay = 3
    assert str(mask.rendering) == "iso"
    assert mask.opacity < 0.5
    window.dims.ndisplay = 2
    docked.keep.extend.setValue(0)
    smaller = np.round(255 * soft_mask(small_map.data, 2.0, 0, 3))
    qtbot.waitUntil(lambda: np.array_equal(mask_of(window).data, smaller), timeout=WAIT)
    docked.keep.mask_shown.setChecked(False)
    assert mask_of(window) is None
    docked.keep.mask_shown.setChecked(True)
    assert mask_of(window) is not None
    docked.keep.kept.setCurrentIndex(docked.keep.kept.findData("contour"))
    qtbot.waitUntil(lambda: mask_of(window) is None, timeout=WAIT)


def test_spectrum_and_resolution(analysed, widget, small_map, qtbot, tmp_path) -> None:
    qtbot.waitUntil(lambda: widget.analysis is not None, timeout=WAIT)
    goal, found = widget.goal, widget.analysis.resolution.angstrom
    report = cryoinr.compress(small_map, tmp_path / "a.cinr", widget.settings)
    assert found == report.resolution
    assert not goal.spectrum.isHidden()
    assert goal.resolution.value() == pytest.approx(found, abs=0.01)
    assert f"to {found:.3g} Å" in widget.promise.text()
    assert widget.settings.resolution == "auto"
    goal.spectrum.resize(300, goal.spectrum.height())
    place = goal.spectrum.place_of(1 / 12)
    qtbot.mouseClick(goal.spectrum, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert widget.settings.resolution == pytest.approx(12, rel=0.1)
    assert not goal.automatic.isChecked()
    assert f"to {widget.settings.resolution:.3g} Å" in widget.promise.text()
    goal.automatic.setChecked(True)
    assert widget.settings.resolution == "auto"
    goal.goal.value = "target_ratio"
    assert goal.spectrum.isHidden()


def test_half_maps_among_the_layers(analysed, viewer, widget, layer, small_map, qtbot) -> None:
    assert "half_maps" not in widget.goal.goal.choices
    random = np.random.default_rng(0)
    halves = []
    for number in (1, 2):
        noise = np.float32(random.normal(0, 0.3, small_map.data.shape))
        half = dataclasses.replace(small_map, data=small_map.data + noise, name=f"half{number}")
        halves.append(add_map(viewer, half))
    assert "half2" in widget.button.text()
    known(widget, qtbot)
    assert widget.what.kind.text() == "Half-map; its partner is half1"
    viewer.layers.selection.active = layer
    known(widget, qtbot)
    widget.goal.goal.value = "half_maps"
    assert widget.half_maps.layers == (halves[0], halves[1])
    assert not widget.button.isEnabled()  # they are read first
    qtbot.waitUntil(widget.button.isEnabled, timeout=WAIT)
    assert "a tenth of the half-maps' noise" in widget.promise.text()
    assert widget.settings.goals == []
    offer = widget.offer(layer)
    assert [half.name for half in offer.half_maps] == ["half1", "half2"]
    qtbot.waitUntil(lambda: widget.analysis is not None, timeout=WAIT)
    assert widget.analysis.resolution.source == "half-maps"
    assert widget.goal.spectrum.curves[1].name == "half-maps"
    viewer.layers.remove(halves[1])
    assert widget.goal.goal.value == "none"


# ------------------------------------------------------------------------------- the histogram


def test_the_line_in_the_histogram_is_the_threshold(widget, layer, qtbot) -> None:
    histogram = widget.threshold.histogram
    histogram.resize(300, histogram.height())
    (curve,) = histogram.curves
    assert curve.y.max() > 100
    assert histogram.mark == pytest.approx(widget.threshold.density)
    qtbot.mouseClick(histogram, Qt.MouseButton.LeftButton, pos=histogram.place_of(2.0).toPoint())
    assert widget.settings.threshold == pytest.approx(2.0, abs=0.1)
    assert layer.iso_threshold == widget.settings.threshold == histogram.mark
    widget.threshold.number.setValue(1.5)
    assert widget.settings.threshold == histogram.mark == widget.threshold.slider.value() == 1.5
    widget.threshold.kind.setCurrentIndex(widget.threshold.kind.findData("none"))
    assert histogram.mark is None
