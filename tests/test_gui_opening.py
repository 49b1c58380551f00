"""Large maps as pyramids, and opening files in a real window: drops, errors, the scale bar."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.archive.decoding import block_mean, level_shape
from napari_cryoinr.gui.compress_dock.map_facts import facts_steps
from napari_cryoinr.gui.compress_dock.threshold_preview import ThresholdPreview
from napari_cryoinr.gui.io import pyramid, reader
from napari_cryoinr.gui.io.map_layers import map_of
from napari_cryoinr.progress import Progress, drain

pytest.importorskip("napari")
from napari.components import ViewerModel
from qtpy.QtCore import QTimer

from napari_cryoinr.gui.widgets.floating_bar import FloatingBar

PLUGIN = "napari-cryoinr"


@pytest.fixture
def model(npe2pm):
    """A viewer without a window that knows this plugin alone."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield ViewerModel()


@pytest.fixture
def viewer(make_napari_viewer, npe2pm):
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield make_napari_viewer(show=True)


@pytest.fixture
def all_large(monkeypatch) -> None:
    """Maps of 24³ voxels are large, and come in levels of 24, 12 and 6."""
    monkeypatch.setattr(pyramid, "LARGE_BYTES", 1000)
    monkeypatch.setattr(pyramid, "COARSEST_SIDE", 8)


@pytest.fixture
def mrc_path(tmp_path, small_map) -> Path:
    cryoinr.write_map(small_map, tmp_path / "a.mrc")
    return tmp_path / "a.mrc"


# -- large maps


def test_a_large_mrc_comes_in_levels(model, mrc_path, small_map, all_large) -> None:
    (layer,) = model.open(mrc_path, plugin=PLUGIN)
    assert layer.multiscale
    assert [level.shape[0] for level in layer.data] == [24, 12, 6]
    np.testing.assert_array_equal(np.asarray(layer.data[0]), small_map.data)
    for number in (1, 2):
        means = block_mean(small_map.data, 2**number)
        np.testing.assert_allclose(np.asarray(layer.data[number]), means, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(np.asarray(layer.data[number][3, 1:4]), means[3, 1:4], atol=1e-6)


def test_a_large_cinr_comes_in_levels(model, archive_path, all_large) -> None:
    (layer,) = model.open(archive_path, plugin=PLUGIN)
    member = cryoinr.open_archive(archive_path)[0]
    assert len(layer.data) == 3
    for number, level in enumerate(layer.data):
        np.testing.assert_array_equal(np.asarray(level), member.read(level=number))
        np.testing.assert_array_equal(
            np.asarray(level[:, 2]), member.read((..., 2, slice(None)), number)
        )
    assert layer.rendering == "iso"
    assert layer.iso_threshold == pytest.approx(member.contour)
    assert tuple(layer.contrast_limits) == pytest.approx(member.contrast_limits)


def test_blocks_at_the_end_may_be_smaller(monkeypatch) -> None:
    monkeypatch.setattr(pyramid, "COARSEST_SIDE", 4)
    data = np.random.default_rng(0).normal(size=(9, 14, 11)).astype(np.float32)
    read = pyramid.block_means(cryoinr.DensityMap(data))
    levels = pyramid.pyramid(read, data.shape, "uneven")
    assert [level.shape for level in levels] == [level_shape(data.shape, k) for k in range(3)]
    for number, level in enumerate(levels):
        means = block_mean(data, 2**number)
        np.testing.assert_allclose(np.asarray(level), means, rtol=1e-5, atol=1e-6)


def test_only_what_is_looked_at_is_read() -> None:
    shape, seen = (130, 140, 150), []

    def read(region, level):
        seen.append(region)
        return np.zeros(shape, np.float32)[region]

    levels = pyramid.pyramid(read, shape, "watched")
    assert not seen
    assert np.asarray(levels[0][70, :60, :]).shape == (60, 150)
    assert 0 < sum(np.zeros(shape, bool)[region].size for region in seen) <= 64 * 64 * 150
    assert len(seen) == 3  # of 27 chunks


def test_chunks_are_read_as_a_whole_where_they_are_looked_at() -> None:
    shape, seen = (130, 140, 150), []

    def read(region, level):
        seen.append((region, level))
        return np.zeros([s.stop - s.start for s in region], np.float32)

    levels = pyramid.pyramid(read, shape, "watched chunks", whole_chunks=True)
    assert not seen
    assert np.asarray(levels[0][70, :60, :]).shape == (60, 150)
    assert np.asarray(levels[1][:, 3, 74]).shape == (65,)
    z, y = slice(64, 128), slice(0, 64)
    rows = [slice(0, 64), slice(64, 128), slice(128, 150)]
    fine = [((z, y, x), 0) for x in rows]
    ends = [slice(0, 32), slice(32, 64), slice(64, 65)]
    coarse = [((z, slice(0, 32), slice(64, 75)), 1) for z in ends]
    assert sorted(seen, key=str) == sorted(fine + coarse, key=str)


def test_small_maps_are_plain_arrays(model, mrc_path, archive_path) -> None:
    for path in (mrc_path, archive_path):
        (layer,) = model.open(path, plugin=PLUGIN)
        assert not layer.multiscale
        assert isinstance(layer.data, np.ndarray)


def test_contour_and_limits_of_a_large_mrc_are_those_of_a_sample(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pyramid, "LARGE_BYTES", 1000)
    density_map = cryoinr.synthetic_map(48, seed=2)
    header = density_map.mrc.changed(dmin=0.0, dmax=-1.0)  # "not known"
    path = tmp_path / "a.mrc"
    cryoinr.write_map(density_map, path)
    path.write_bytes(header.raw + path.read_bytes()[len(header.raw) :])
    monkeypatch.setattr(pyramid, "LARGE_BYTES", 1 << 30)
    ((_, whole, _),) = reader.read_map_file(path)
    monkeypatch.setattr(pyramid, "LARGE_BYTES", 1000)
    monkeypatch.setattr(reader, "_SAMPLE_VOXELS", 48**3 // 4)
    ((levels, sampled, _),) = reader.read_map_file(path)
    assert isinstance(levels, list)
    spread = whole["contrast_limits"][1] - whole["contrast_limits"][0]
    assert sampled["iso_threshold"] == pytest.approx(whole["iso_threshold"], abs=0.05 * spread)
    assert sampled["contrast_limits"] == pytest.approx(whole["contrast_limits"], abs=0.3 * spread)


def test_a_large_mrc_with_nan_opens_and_says_so(tmp_path, all_large) -> None:
    data = np.zeros((24, 24, 24), np.float32)
    data[0] = np.nan
    path = tmp_path / "a.mrc"
    cryoinr.write_map(cryoinr.DensityMap(np.zeros_like(data)), path, overwrite=True)
    path.write_bytes(path.read_bytes()[: -data.nbytes] + data.tobytes())
    ((_, meta, _),) = reader.read_map_file(path)
    assert "NaN" in meta["metadata"]["cryoinr"]["no_density"]
    assert np.isfinite(meta["contrast_limits"]).all()


def test_a_damaged_large_cinr_does_not_open(model, tmp_path, archive_path, all_large) -> None:
    data = bytearray(archive_path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "bad.cinr").write_bytes(data)
    with pytest.raises(Exception, match="damaged"):
        model.open(tmp_path / "bad.cinr", plugin=PLUGIN)
    assert len(model.layers) == 0


def test_levels_are_saved_and_measured_at_full_resolution(
    model, mrc_path, small_map, all_large
) -> None:
    (layer,) = model.open(mrc_path, plugin=PLUGIN)
    data, meta, _ = layer.as_layer_data_tuple()
    saved = map_of(data, meta)
    np.testing.assert_array_equal(saved.data, small_map.data)
    assert saved.mrc.raw == cryoinr.read_map(mrc_path).mrc.raw
    facts = drain(facts_steps(layer))
    assert facts.map.data.shape == (24, 24, 24)


def test_a_map_of_an_array_does_not_follow_it(small_map) -> None:
    data = small_map.data.copy()
    kept = map_of(data, {"name": "a", "units": ("angstrom",) * 3})
    data[:] = 0
    np.testing.assert_array_equal(kept.data, small_map.data)


# -- in a window


def in_the_event_loop(qtbot, action) -> None:
    """Do something as a menu or a drop does it, and wait for it."""
    done = []
    QTimer.singleShot(0, lambda: done.append(action()))
    qtbot.waitUntil(lambda: bool(done), timeout=60_000)


def drop(viewer, *paths: Path) -> None:
    """Drop files onto the canvas."""
    from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent

    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(10, 10),
        Qt.DropAction.CopyAction,
        files,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    viewer.window._qt_viewer.dropEvent(event)


@pytest.mark.viewer
def test_dropped_files_open(viewer, qtbot, notifications, mrc_path, archive_path) -> None:
    in_the_event_loop(qtbot, lambda: drop(viewer, mrc_path, archive_path))
    assert [layer.name for layer in viewer.layers] == ["a", "small"]
    assert not [one for one in notifications if one[0] != "info"]


@pytest.mark.viewer
def test_levels_in_both_views(viewer, mrc_path, archive_path, all_large) -> None:
    for path in (mrc_path, archive_path):
        viewer.layers.clear()
        (layer,) = viewer.open(path, plugin=PLUGIN)
        viewer.dims.ndisplay = 2
        flat = viewer.screenshot(flash=False)
        viewer.dims.ndisplay = 3
        surface = viewer.screenshot(flash=False)
        assert layer.data_level == 2
        assert flat[..., :3].std() > 1
        assert surface[..., :3].std() > 1


@pytest.mark.viewer
def test_the_overlay_lies_on_levels_too(viewer, mrc_path, all_large) -> None:
    (layer,) = viewer.open(mrc_path, plugin=PLUGIN)
    before = viewer.screenshot(flash=False)
    preview = ThresholdPreview(viewer, layer, moved=lambda density: None, replaced=lambda: None)
    preview.show(layer.iso_threshold, 1.0, tinted=True)
    assert viewer.layers[-1].multiscale
    assert not np.array_equal(before, viewer.screenshot(flash=False))
    preview.release()
    assert list(viewer.layers) == [layer]


@pytest.fixture
def broken(tmp_path, archive_path, mrc_path) -> dict[str, Path]:
    """Files that cannot be opened, by what is to be said of them."""
    data = bytearray(archive_path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    with mrcfile.new(tmp_path / "flat.mrc") as flat:
        flat.set_data(np.zeros((8, 8), np.float32))
    contents = {
        "damaged": ("bad.cinr", bytes(data)),
        "not a .cinr file": ("text.cinr", b"hello"),
        "truncated": ("cut.mrc", mrc_path.read_bytes()[:5000]),
        "2-D": ("flat.mrc", (tmp_path / "flat.mrc").read_bytes()),
    }
    for name, content in contents.values():
        (tmp_path / name).write_bytes(content)
    return {said: tmp_path / name for said, (name, _) in contents.items()}


@pytest.mark.viewer
def test_one_sentence_about_what_cannot_be_opened(viewer, qtbot, notifications, broken) -> None:
    for said, path in broken.items():
        notifications.clear()
        in_the_event_loop(qtbot, lambda path=path: drop(viewer, path))
        ((severity, message),) = notifications
        assert severity == "error"
        assert said in message
        assert message.startswith(f"{path.name}: ")
        assert "\n" not in message
        assert not viewer.layers


@pytest.mark.viewer
def test_the_other_files_of_a_drop_open(
    viewer, qtbot, notifications, broken, mrc_path, archive_path
) -> None:
    files = (mrc_path, broken["damaged"], archive_path)
    in_the_event_loop(qtbot, lambda: drop(viewer, *files))
    assert [layer.name for layer in viewer.layers] == ["a", "small"]
    assert len([one for one in notifications if one[0] == "error"]) == 1


@pytest.mark.viewer
def test_scripts_get_an_exception(viewer, notifications, broken) -> None:
    for said, path in broken.items():
        with pytest.raises(cryoinr.CinrError, match=said):
            viewer.open(path, plugin=PLUGIN)
    assert not notifications
    assert not viewer.layers
    assert not viewer.canvas.overlays.scale_bar.visible


@pytest.mark.viewer
def test_napari_offers_other_readers_of_the_same_files(
    viewer, qtbot, notifications, broken, npe2pm, monkeypatch
) -> None:
    offered = []
    monkeypatch.setattr(
        "napari._qt.qt_viewer.handle_gui_reading", lambda *args, **_: offered.append(str(args[4]))
    )
    with npe2pm.tmp_plugin(name="another") as other:

        @other.contribute.reader(filename_patterns=["*.mrc"])
        def get_reader(path):
            return None

        in_the_event_loop(qtbot, lambda: _open(viewer, broken["truncated"]))
    assert len(offered) == 1
    assert "truncated" in offered[0]
    assert not notifications


def _open(viewer, path: Path) -> None:
    """As File > Open does, where this plugin was chosen for such files."""
    from napari.settings import get_settings

    get_settings().plugins.extension2reader = {"*.mrc": PLUGIN}
    viewer.window._qt_viewer._qt_open([str(path)], stack=False)


@pytest.mark.viewer
def test_cancelled_opening_gives_no_layer(
    viewer, qtbot, notifications, archive_path, monkeypatch
) -> None:
    def endless(member):
        while True:
            yield Progress("decoding", 0, 1)

    def cancel() -> None:
        for bar in viewer.window._qt_window.findChildren(FloatingBar):
            if bar.isVisible():
                bar.bar.cancel_button.click()

    monkeypatch.setattr(reader, "_voxels_steps", endless)
    timer = QTimer()
    timer.timeout.connect(cancel)
    timer.start(20)
    in_the_event_loop(qtbot, lambda: drop(viewer, archive_path))
    assert not notifications  # the user knows
    with pytest.warns(UserWarning, match="cancelled"):  # a script may not
        assert viewer.open(archive_path, plugin=PLUGIN) == []
    timer.stop()
    assert not viewer.layers


@pytest.mark.viewer
def test_what_archives_keep_is_told_once(
    viewer, qtbot, notifications, archive_path, tmp_path
) -> None:
    copies = [tmp_path / f"{number}.cinr" for number in range(2)]
    for copy in copies:
        copy.write_bytes(archive_path.read_bytes())
    in_the_event_loop(qtbot, lambda: drop(viewer, *copies))
    qtbot.waitUntil(lambda: bool(notifications), timeout=60_000)
    ((severity, message),) = notifications
    assert severity == "info"
    first, second = message.splitlines()
    assert first == second
    contour = cryoinr.open_archive(archive_path)[0].contour
    assert first.startswith(f"small: kept above {contour:.4g}")
    assert first.endswith("model field")
    for layer in viewer.layers:
        kept = layer.metadata["cryoinr"]["kept"]
        assert first == f"small: {kept}"
        assert kept in layer.get_source_str()  # the tooltip in the list of layers


@pytest.mark.viewer
def test_the_scale_bar_is_shown_once(viewer, mrc_path, archive_path) -> None:
    bar = viewer.canvas.overlays.scale_bar
    viewer.add_points(np.zeros((1, 3)), units=("angstrom",) * 3)
    viewer.open(mrc_path, plugin=PLUGIN)
    assert not bar.visible  # it was not the first layer
    viewer.layers.clear()
    viewer.open(mrc_path, plugin=PLUGIN)
    assert bar.visible
    bar.visible = False
    viewer.layers.clear()
    viewer.open(archive_path, plugin=PLUGIN)
    assert not bar.visible  # the user does not want it


# -- symmetries


def test_the_axes_of_a_symmetry_can_be_switched_on(model, tmp_path) -> None:
    z, y, x = np.indices((20, 21, 22)) - np.array([9, 10, 11])[:, None, None, None]
    angle = np.arctan2(y, x)
    ring = np.exp(-((np.hypot(y, x) - 5) ** 2 + z**2) / 8) * (1.5 + np.cos(3 * angle))
    density_map = cryoinr.DensityMap(ring.astype(np.float32), (2.0,) * 3, (1.0, 2.0, 3.0), name="r")
    own = cryoinr.InrSettings(steps=30, symmetry="D3")
    options = {"threshold": 0.3, "keep": "contour", "target_nrmse": 0.1}
    settings = cryoinr.Settings(model="inr", device="cpu", inr=own, **options)
    cryoinr.compress(density_map, tmp_path / "a.cinr", settings)
    axes, layer = model.open(tmp_path / "a.cinr", plugin=PLUGIN)
    assert model.layers.selection.active is layer
    assert layer.metadata["cryoinr"]["symmetry"].startswith("D3 about z")
    assert axes.name == "r: D3 axes"
    assert not axes.visible
    start, way = axes.data_to_world(axes.data[0, 0]), axes.data[0, 1] * axes.scale
    np.testing.assert_allclose(start[1:], [22, 25], atol=0.1)
    np.testing.assert_allclose(way, [44, 0, 0], atol=0.1)
    # The first layer that is opened decides what is seen, and how sliders move.
    assert axes.extent.data[1] == pytest.approx(layer.extent.data[1], abs=2)
    assert model.dims.nsteps == pytest.approx((20, 21, 22), abs=3)
    assert tuple(axes.scale) == tuple(layer.scale)
