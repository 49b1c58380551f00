"""The dock Compress map: stacks, labels and masks, pairs of half-maps, NaN, large maps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.gui.io.layer_matching import details_of, is_decoded
from napari_cryoinr.progress import drain

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary", "usual")]

from compressing import (  # noqa: E402
    PLUGIN,
    WAIT,
    add_map,
    compressed,
    usual,  # noqa: F401
    window,  # noqa: F401
)
from napari_cryoinr.gui.compress_dock import map_analysis, size_estimate  # noqa: E402
from napari_cryoinr.gui.io import reader  # noqa: E402
from napari_cryoinr.gui.prepare_dock.prepare_widget import PrepareWidget  # noqa: E402
from napari_cryoinr.maps.framing import bin_map  # noqa: E402

ANGSTROM = ("angstrom",) * 3


@pytest.fixture
def analysed(monkeypatch):
    """Soft mask and spectrum are worked out."""
    monkeypatch.setattr(map_analysis, "AUTOMATIC_VOXELS", 1 << 32)


@pytest.fixture
def dock(window, qtbot):
    """Open the dock in a real window; return what does so, and waits until a layer is known."""

    def open_() -> object:
        _, widget = window.window.add_plugin_dock_widget(PLUGIN, "Compress map")
        qtbot.waitUntil(lambda: widget.facts is not None, timeout=WAIT)
        return widget

    return open_


@pytest.fixture
def halves(window, small_map):
    """Two half-maps, as layers that are shown as iso-surfaces in 3-D."""
    random = np.random.default_rng(0)
    window.dims.ndisplay = 3
    layers = []
    for number in (1, 2):
        noise = np.float32(random.normal(0, 0.5, small_map.data.shape))
        half = dataclasses.replace(small_map, data=small_map.data + noise, name=f"half{number}")
        layers.append(add_map(window, half, rendering="iso", iso_threshold=3.0))
    return layers


# ----------------------------------------------------------------------------------------- stacks


def test_a_stack_gives_a_member_for_each_volume(analysed, window, dock, small_map, qtbot) -> None:
    other = cryoinr.synthetic_map(24, seed=5).data
    place = {"scale": (1, 2, 2, 2), "units": ("pixel", *ANGSTROM)}
    layer = window.add_image(np.stack([small_map.data, other]), name="two", **place)
    widget = dock()
    assert "2 volumes, each 24 × 24 × 24 voxels" in widget.about.text()
    assert widget.what.kind.text().startswith("Stack of 2 volumes")
    assert widget.sizes.isHidden()
    assert not widget.copy.isEnabled()
    qtbot.waitUntil(lambda: widget.analysis is not None, timeout=WAIT)
    mask = next(one for one in window.layers if details_of(one).get("kind") == "soft mask")
    assert mask.data.shape == (1, 24, 24, 24)  # seen with the first volume alone
    np.testing.assert_array_equal(mask.scale, layer.scale)
    assert "in each of 2 maps" in widget.promise.text()
    made = compressed(widget, qtbot)
    assert [member.name for member in made.archive] == ["two 1", "two 2"]
    assert f"{made.archive.bytes:,} bytes" in widget.result.view.size.text()
    assert "the worst of 2" in widget.result.view.verdict.text()
    lowest = [member.quality.lowest_fsc or 1.0 for member in made.archive]
    assert (made.report.lowest_fsc or 1.0) == pytest.approx(min(lowest), abs=1e-4)
    widget.result.flip_button.click()
    qtbot.waitUntil(lambda: any(map(is_decoded, window.layers)), timeout=WAIT)
    decoded = next(filter(is_decoded, window.layers))
    assert decoded.data.shape == layer.data.shape
    assert decoded.visible
    assert not layer.visible
    np.testing.assert_array_equal(decoded.data[1], made.archive[1].read())


def test_the_size_of_a_stack_is_that_of_all_volumes(monkeypatch, window, dock, qtbot) -> None:
    monkeypatch.setattr(size_estimate, "AUTOMATIC_VOXELS", 1 << 24)
    volumes = [cryoinr.synthetic_map(24, seed=seed).data for seed in range(3)]
    window.add_image(np.stack(volumes), name="three", units=("pixel", *ANGSTROM))
    widget = dock()
    widget.goal.set_goal("target_ratio", 100.0)
    qtbot.waitUntil(lambda: "about" in widget.promise.text(), timeout=WAIT)
    assert f"about {3 * 4 * 24**3 // 100 / 1000:.1f} kB" in widget.promise.text()


# -------------------------------------------------------------------------------- labels and masks


@pytest.mark.parametrize("kind", ["labels", "mask"])
def test_labels_and_masks_are_kept_exactly(window, dock, small_map, qtbot, kind: str) -> None:
    values = (small_map.data > 2).astype(np.int32) + (small_map.data > 4)
    if kind == "labels":
        layer = window.add_labels(values, name="parts", scale=(2, 2, 2), units=ANGSTROM)
    else:
        values = values.astype(np.float32)
        meta = {"rendering": "iso", "iso_threshold": 0.5}
        layer = add_map(window, dataclasses.replace(small_map, data=values, name="parts"), **meta)
    widget = dock()
    assert "kept exactly" in widget.what.kind.text()
    assert "no threshold, promise or model" in widget.what.note.text()
    for part in (widget.keep, widget.goal, widget.method, widget.sizes):
        assert not part.isVisible()
    assert widget.promise.text() == "Will keep every voxel exactly."
    assert widget.what.exact.isVisible() == (kind == "mask")
    made = compressed(widget, qtbot)
    np.testing.assert_array_equal(made.archive[0].read(), values)
    assert "exactly" in widget.result.view.verdict.text()
    widget.result.flip_button.click()
    qtbot.waitUntil(lambda: any(map(is_decoded, window.layers)), timeout=WAIT)
    assert not layer.visible
    if kind == "mask":
        widget.what.exact.click()
        assert widget.keep.isVisible()
        assert widget.goal.isVisible()
        assert "inside the soft mask" in widget.promise.text()
        assert widget.offer(layer).settings.keep == "envelope"  # or it would be kept exactly


# ------------------------------------------------------------------------------ pairs of half-maps


@pytest.mark.slow
def test_both_half_maps_go_into_one_file(halves, window, dock, qtbot, tmp_path) -> None:
    widget = dock()
    both = widget.what.both
    assert both.isVisible()
    assert both.isChecked()  # names and noise say so
    assert not widget.keep.isVisible()
    assert "in the whole volume" in widget.promise.text()
    assert "in each of 2 maps" in widget.promise.text()
    halves[1].iso_threshold = 2.5  # to look at it says nothing of the file
    assert widget.offer(widget.chooser.layer).settings.threshold == "auto"
    made = compressed(widget, qtbot)
    assert [member.name for member in made.archive] == ["half1", "half2"]
    maps = widget.facts.reader(together=True)()
    by_hand = cryoinr.compress(maps, tmp_path / "a.cinr", made.settings)
    assert [report.kind for report in by_hand] == ["half-map", "half-map"]
    assert made.report.kind == "half-map"
    assert made.archive.bytes == (tmp_path / "a.cinr").stat().st_size
    widget.result.flip_button.click()
    qtbot.waitUntil(lambda: any(map(is_decoded, window.layers)), timeout=WAIT)
    decoded = next(filter(is_decoded, window.layers))
    assert decoded.name == "half2 decoded"
    assert not halves[1].visible
    both.click()
    assert widget.keep.isVisible()
    assert "inside the soft mask" in widget.promise.text()
    window.layers.remove(halves[0])
    qtbot.waitUntil(lambda: widget.facts is not None, timeout=WAIT)
    assert not both.isVisible()


def test_two_maps_that_only_have_such_names_are_not_put_together(
    window, dock, small_map, qtbot
) -> None:
    for number in (1, 2):
        add_map(window, cryoinr.synthetic_map(24, seed=number, name=f"half{number}"))
    widget = dock()
    assert widget.what.both.isVisible()
    assert not widget.what.both.isChecked()
    assert "their noise does not" in widget.what.both.toolTip()
    widget.what.both.click()
    assert "in each of 2 maps" in widget.promise.text()
    assert widget.offer(widget.chooser.layer).settings.keep == "volume"


@pytest.mark.slow
def test_half_maps_that_are_saved_in_3_d_are_known(halves, window, tmp_path) -> None:
    window.layers.selection = set(halves)
    window.layers.save(str(tmp_path / "pair.cinr"), selected=True, plugin=PLUGIN)
    archive = cryoinr.open_archive(tmp_path / "pair.cinr")
    assert [member.quality.kind for member in archive] == ["half-map", "half-map"]


# --------------------------------------------------------------------------------------------- NaN


def with_nan(density_map):
    data = density_map.data.copy()
    data[3, 4, 5:8] = np.nan
    return dataclasses.replace(density_map, data=data, name="with nan")


def test_a_map_with_nan_can_be_repaired(window, dock, small_map, qtbot) -> None:
    add_map(window, small_map)
    widget = dock()
    assert not widget.what.repair_button.isVisible()
    layer = add_map(window, with_nan(small_map))
    text = "3 voxels are NaN, the first at (z, y, x) = (3, 4, 5)"
    qtbot.waitUntil(lambda: text in widget.about.text(), timeout=WAIT)
    assert not widget.button.isEnabled()
    assert widget.what.repair_button.isVisible()
    widget.what.repair_button.click()
    (prepare,) = window.window._qt_window.findChildren(PrepareWidget)
    assert prepare.chooser.layer is layer
    qtbot.waitUntil(prepare.repair_area.isVisible, timeout=WAIT)
    prepare.repair_button.click()
    qtbot.waitUntil(lambda: "with nan repaired" in widget.button.text(), timeout=WAIT)
    qtbot.waitUntil(widget.button.isEnabled, timeout=WAIT)
    assert not widget.what.repair_button.isVisible()


def test_nan_in_a_stack_says_in_which_volume(window, small_map, qtbot) -> None:
    data = np.stack([small_map.data, with_nan(small_map).data])
    window.add_image(data, name="two", units=("pixel", *ANGSTROM), contrast_limits=(0, 6))
    _, widget = window.window.add_plugin_dock_widget(PLUGIN, "Compress map")
    qtbot.waitUntil(lambda: "Volume 2: 3 voxels are NaN" in widget.about.text(), timeout=WAIT)


@pytest.mark.parametrize("large", [False, True])
def test_a_file_with_nan_opens_and_is_not_saved(
    window, small_map, tmp_path, monkeypatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(reader, "is_large", lambda shape: True)
    path, target = tmp_path / "a.mrc", tmp_path / "a.cinr"
    cryoinr.write_map(small_map, path)
    data = with_nan(small_map).data
    path.write_bytes(path.read_bytes()[: -data.nbytes] + data.tobytes())
    with pytest.warns(UserWarning, match="a: .*NaN.*repaired in Prepare map"):
        (layer,) = window.open(str(path), plugin=PLUGIN)
    assert np.isfinite(layer.contrast_limits).all()
    window.layers.selection = {layer}
    with pytest.raises(cryoinr.MapError, match="fill_no_density"):
        window.layers.save(str(target), selected=True, plugin=PLUGIN)
    assert not target.exists()


# -------------------------------------------------------------------------------------- large maps


def test_large_maps_are_binned_to_be_measured(monkeypatch) -> None:
    whole = cryoinr.synthetic_map(48)
    where = map_analysis.Where(2.0, 4, 4)
    monkeypatch.setattr(map_analysis, "BINNED_VOXELS", 24**3)
    monkeypatch.setattr(map_analysis, "_SHOWN_VOXELS", 12**3)
    masks = []
    steps = map_analysis.analysis_steps(whole, where, None)

    def noted():
        for record in steps:
            masks.append(getattr(record, "mask", None))
            yield record

    drain(noted())
    (mask,) = [one for one in masks if one is not None]
    half = bin_map(whole, 2)
    assert mask.values.shape == (12, 12, 12)
    assert mask.origin == half.origin
    assert mask.voxel_size == tuple(2 * size for size in half.voxel_size)
    above = int(np.count_nonzero(whole.data > 2.0))
    assert above < mask.inside < whole.data.size


def test_a_large_map_has_mask_spectrum_and_resolution(
    analysed, monkeypatch, window, dock, qtbot
) -> None:
    monkeypatch.setattr(map_analysis, "BINNED_VOXELS", 20**3)
    layer = add_map(window, cryoinr.synthetic_map(32, name="large"))
    widget = dock()
    qtbot.waitUntil(lambda: widget.analysis is not None, timeout=WAIT)
    assert widget.goal.spectrum.isVisible()
    mask = next(one for one in window.layers if details_of(one).get("kind") == "soft mask")
    np.testing.assert_allclose(mask.extent.world, layer.extent.world, atol=2.01)
