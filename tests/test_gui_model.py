"""Readers, writers and sample data through napari's `ViewerModel`: no display needed."""

from __future__ import annotations

import functools
import gzip
import http.server
import itertools
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import models
from napari_cryoinr.gui import preferences
from napari_cryoinr.gui.io import pyramid, reader, sample_data, save_settings, writer
from napari_cryoinr.gui.io.map_layers import map_of

napari = pytest.importorskip("napari")
from napari.components import ViewerModel  # noqa: E402
from napari.layers import Image, Points  # noqa: E402

PLUGIN = "napari-cryoinr"


@pytest.fixture
def viewer(npe2pm):
    """A viewer without a window that knows this plugin alone."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield ViewerModel()


@pytest.fixture
def quick_saves(monkeypatch, quick):
    """File > Save in no time."""
    monkeypatch.setattr(preferences, "saved_settings", lambda: quick)
    monkeypatch.setattr(save_settings, "saved_settings", lambda: quick)
    return quick


def test_manifest_is_valid_and_its_commands_exist(npe2pm) -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution(PLUGIN)
    manifest.validate_imports()
    titles = [command.title for command in manifest.contributions.commands]
    assert len(set(titles)) == len(titles)


def test_a_cinr_opens_in_place(viewer, archive_path: Path) -> None:
    (layer,) = viewer.open(archive_path, plugin=PLUGIN)
    member = cryoinr.open_archive(archive_path)[0]
    np.testing.assert_array_equal(layer.data, member.read())
    np.testing.assert_allclose(layer.scale, member.voxel_size)
    assert [str(unit) for unit in layer.units] == ["angstrom"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert tuple(layer.contrast_limits) == pytest.approx(member.contrast_limits)
    assert layer.rendering == "iso"
    assert layer.iso_threshold == pytest.approx(member.contour)
    details = layer.metadata["cryoinr"]
    assert details["quality"]["bytes"] == archive_path.stat().st_size
    made_with = cryoinr.open_archive(archive_path).settings
    assert cryoinr.Settings.from_dict(details["settings"]) == made_with


def test_several_members_open_as_several_layers(viewer, tmp_path, small_map, quick) -> None:
    other = cryoinr.synthetic_map(20, seed=3, name="other").moved((1.5,) * 3, (5.0, 0.0, -5.0))
    cryoinr.compress([small_map, other], tmp_path / "two.cinr", quick)
    layers = viewer.open(tmp_path / "two.cinr", plugin=PLUGIN)
    assert [layer.name for layer in layers] == ["small", "other"]
    np.testing.assert_allclose(layers[1].translate, (5, 0, -5))


@pytest.mark.parametrize(
    "name", ["a.mrc", "a.MAP", "a.ccp4", "a.rec", "a.st", "a.mrc.gz", "a.map.bz2"]
)
def test_mrc_files_open(viewer, tmp_path, small_map, name: str) -> None:
    cryoinr.write_map(small_map, tmp_path / name)
    (layer,) = viewer.open(tmp_path / name, plugin=PLUGIN)
    np.testing.assert_array_equal(layer.data, small_map.data)
    np.testing.assert_allclose(layer.scale, small_map.voxel_size)
    assert tuple(layer.contrast_limits) == pytest.approx(
        (small_map.data.min(), small_map.data.max())
    )


def test_readers_decline_other_files_without_raising(tmp_path) -> None:
    assert reader.get_cinr_reader(str(tmp_path)) is None
    assert reader.get_cinr_reader(str(tmp_path / "nowhere.cinr")) is None
    assert reader.get_map_reader(str(tmp_path / "nowhere.mrc")) is None
    assert reader.get_map_reader([]) is None


def test_a_damaged_file_gives_one_clear_sentence(viewer, tmp_path, archive_path) -> None:
    data = bytearray(archive_path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "bad.cinr").write_bytes(data)
    with pytest.raises(Exception, match="damaged"):
        viewer.open(tmp_path / "bad.cinr", plugin=PLUGIN)
    (tmp_path / "text.cinr").write_text("hello")
    with pytest.raises(Exception, match=r"not a \.cinr file"):
        viewer.open(tmp_path / "text.cinr", plugin=PLUGIN)
    (tmp_path / "bad.mrc").write_bytes(bytes(3000))
    with pytest.raises(Exception, match="impossible"):
        viewer.open(tmp_path / "bad.mrc", plugin=PLUGIN)
    assert len(viewer.layers) == 0


def test_open_save_open_keeps_voxels_and_header(viewer, tmp_path, small_map, quick_saves) -> None:
    moved = small_map.moved((2.5, 2.0, 1.5), (10.0, 20.0, -30.0))
    cryoinr.write_map(moved, tmp_path / "a.mrc", label="made by a test")
    viewer.open(tmp_path / "a.mrc", plugin=PLUGIN)
    assert viewer.layers.save(str(tmp_path / "b.cinr"), plugin=PLUGIN) == [str(tmp_path / "b.cinr")]
    before = cryoinr.read_map(tmp_path / "a.mrc").header.record
    after = cryoinr.open_archive(tmp_path / "b.cinr")[0].mrc.record
    statistics = {"dmin", "dmax", "dmean", "rms"}  # not stored: whoever writes voxels has them
    for name in set(before.dtype.names) - statistics:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def test_scale_translate_and_units_end_up_in_the_header(viewer, tmp_path, quick_saves) -> None:
    data = cryoinr.synthetic_map(20).data
    viewer.add_image(
        data, scale=(0.2, 0.3, 0.4), translate=(1, 2, 3), units=("nm",) * 3, name="in nm"
    )
    viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN)
    member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
    np.testing.assert_allclose(member.voxel_size, (2, 3, 4), rtol=1e-6)
    np.testing.assert_allclose(member.origin, (10, 20, 30), rtol=1e-6)
    viewer.layers.save(str(tmp_path / "a.mrc"), plugin=PLUGIN)
    written = cryoinr.read_map(tmp_path / "a.mrc")
    np.testing.assert_allclose(written.voxel_size, (2, 3, 4), rtol=1e-6)
    np.testing.assert_array_equal(written.data, data)


def test_the_iso_threshold_decides(viewer, tmp_path, small_map, quick_saves) -> None:
    viewer.add_image(
        small_map.data, units="angstrom", rendering="iso", iso_threshold=1.25, name="a"
    )
    viewer.add_image(small_map.data, units="angstrom", rendering="mip", name="b")
    viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN)
    first, second = cryoinr.open_archive(tmp_path / "a.cinr")
    assert first.threshold == 1.25
    automatic = cryoinr.open_archive(tmp_path / "a.cinr").settings.threshold
    assert automatic == "auto"
    assert second.threshold != 1.25


def test_a_pixel_is_taken_as_one_angstrom_with_a_warning(viewer, tmp_path) -> None:
    viewer.add_image(cryoinr.synthetic_map(20).data, scale=(3, 3, 3))
    with pytest.warns(UserWarning, match="no length unit"):
        viewer.layers.save(str(tmp_path / "a.mrc"), plugin=PLUGIN)
    assert cryoinr.read_map(tmp_path / "a.mrc").voxel_size == (3, 3, 3)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Image(np.zeros((8, 8)), name="flat"), "2-D"),
        (Image(np.zeros((8, 8, 3), np.uint8), rgb=True, name="rgb"), "RGB"),
        (Image(np.zeros((2, 2, 8, 8, 8)), name="time"), "5-D"),
        (Image(np.full((8, 8, 8), np.nan, np.float32), name="nan", contrast_limits=(0, 1)), "NaN"),
    ],
    ids=["2d", "rgb", "5d", "nan"],
)
def test_what_is_no_map_is_refused_clearly(tmp_path, layer, message: str) -> None:
    data, meta, _ = layer.as_layer_data_tuple()
    meta["units"] = ("angstrom",) * 3
    with pytest.raises(cryoinr.CinrError, match=message):
        writer.write_cinr(str(tmp_path / "a.cinr"), [(data, meta, "image")])
    assert not list(tmp_path.iterdir())


def test_errors_reach_scripts(viewer, tmp_path, quick_saves) -> None:
    """napari swallows `ValueError`; ours must come through."""
    viewer.add_image(np.zeros((2, 2, 8, 8, 8), np.float32), name="time")
    with pytest.raises(cryoinr.CinrError, match="5-D"):
        viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN)


def test_points_are_not_offered_to_the_writer(viewer, tmp_path) -> None:
    viewer.add_layer(Points(np.zeros((2, 3))))
    with pytest.warns(UserWarning, match="not a valid writer"):
        assert viewer.layers.save(str(tmp_path / "a.cinr"), plugin=PLUGIN) == []


def test_multiscale_and_dask_layers_are_saved_at_full_resolution(tmp_path, quick_saves) -> None:
    import dask.array as da

    data = cryoinr.synthetic_map(24).data
    for layer in (
        Image([data, data[::2, ::2, ::2]], multiscale=True, units=["angstrom"] * 3),
        Image(da.from_array(data, chunks=8), units=["angstrom"] * 3),
    ):
        stored, meta, _ = layer.as_layer_data_tuple()
        np.testing.assert_array_equal(map_of(stored, meta).data, data)


def test_integer_layers_keep_their_type() -> None:
    data = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
    stored, meta, _ = Image(data, units=["angstrom"] * 3).as_layer_data_tuple()
    assert map_of(stored, meta).mode == 1
    original = map_of(stored, meta)
    kept = {"mrc_header": original.mrc.raw, "mrc_extended": b"", "byte_order": "<"}
    for values, mode in ((data.astype(np.float32), 1), (data / np.float32(3), 2)):
        layer = Image(values, units=["angstrom"] * 3, metadata={"cryoinr": kept})
        stored, meta, _ = layer.as_layer_data_tuple()
        assert map_of(stored, meta).mode == mode


RIGHT_ANGLE = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
MIRROR = np.diag([1.0, -1, 1, 1])


@pytest.mark.parametrize(
    "placement",
    [
        {"scale": (2, -3, 4), "translate": (1, 2, 3)},
        {"scale": (2, 3, 4), "translate": (1, 2, 3), "rotate": RIGHT_ANGLE},
        {"scale": (-2, 3, -4), "affine": MIRROR},
    ],
    ids=["mirrored", "turned", "mirrored by affine"],
)
@pytest.mark.parametrize("name", ["a.mrc", "a.cinr"])
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's, of its 2-D view
def test_a_map_lies_where_its_layer_lies(viewer, tmp_path, placement, name, monkeypatch) -> None:
    """A molecule keeps its hand: each voxel stays where it is in space."""
    exact = cryoinr.Settings(lossless=True, device="cpu")
    monkeypatch.setattr(save_settings, "saved_settings", lambda: exact)
    data = np.random.default_rng(0).normal(size=(8, 9, 10)).astype(np.float32)
    layer = viewer.add_image(data, units=("nm",) * 3, name="a", **placement)
    viewer.layers.save(str(tmp_path / name), plugin=PLUGIN)
    (saved,) = viewer.open(tmp_path / name, plugin=PLUGIN)
    for index in np.ndindex(2, 2, 2):
        voxel = tuple(np.array(index) * (np.array(data.shape) - 1))
        place = np.array(layer.data_to_world(voxel)) * 10  # nm to Å
        there = tuple(np.array(saved.world_to_data(place)).round(3).astype(int))
        assert saved.data[there] == data[voxel]


@pytest.mark.parametrize(
    "placement",
    [{"rotate": np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])}, {"shear": (0.2, 0, 0)}],
    ids=["rotated", "sheared"],
)
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_what_does_not_lie_along_the_axes_is_refused(viewer, tmp_path, placement) -> None:
    viewer.add_image(np.ones((8, 8, 8), np.float32), units=("angstrom",) * 3, name="a", **placement)
    for name in ("a.mrc", "a.cinr"):
        with pytest.raises(cryoinr.MapError, match=r"^layer 'a' is rotated or sheared; .* reset"):
            viewer.layers.save(str(tmp_path / name), plugin=PLUGIN)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_not_saved_as_mrc(tmp_path, bad) -> None:
    data = np.zeros((8, 8, 8), np.float32)
    data[1, 2, 3] = bad
    layer = Image(data, units=["angstrom"] * 3, name="a", contrast_limits=(0, 1))
    data, meta, _ = layer.as_layer_data_tuple()
    with pytest.raises(cryoinr.MapError, match=r"\(1, 2, 3\) is infinite or NaN"):
        writer.write_mrc(str(tmp_path / "a.mrc"), data, meta)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.mrc", "a.cinr"])
def test_the_file_of_a_lazy_layer_is_not_replaced(
    viewer, tmp_path, small_map, archive_path, quick_saves, monkeypatch, name
) -> None:
    """A large layer is read from its file where it is looked at."""
    path = tmp_path / name
    cryoinr.write_map(small_map, tmp_path / "a.mrc")
    shutil.copyfile(archive_path, tmp_path / "a.cinr")
    before = path.read_bytes()
    monkeypatch.setattr(pyramid, "LARGE_BYTES", 1000)
    viewer.open(path, plugin=PLUGIN)
    with pytest.raises(cryoinr.CinrError, match="input"):
        viewer.layers.save(str(path), plugin=PLUGIN)
    assert path.read_bytes() == before
    if name == "a.mrc":
        monkeypatch.setattr(pyramid, "LARGE_BYTES", 1 << 30)
        viewer.layers.clear()
        viewer.open(path, plugin=PLUGIN)
        assert viewer.layers.save(str(path), plugin=PLUGIN) == [str(path)]  # it is in memory


def test_the_writers_add_their_suffix(tmp_path, small_map, quick_saves) -> None:
    layer = Image(small_map.data, units=["angstrom"] * 3, name="a").as_layer_data_tuple()
    assert writer.write_cinr(str(tmp_path / "a.v2"), [layer]) == [str(tmp_path / "a.v2.cinr")]
    for name, written in (("a", "a.mrc"), ("a.map.gz", "a.map.gz")):
        assert writer.write_mrc(str(tmp_path / name), *layer[:2]) == [str(tmp_path / written)]


def test_saving_into_a_missing_folder(tmp_path, small_map, quick_saves) -> None:
    layer = Image(small_map.data, units=["angstrom"] * 3, name="a").as_layer_data_tuple()
    with pytest.raises(cryoinr.CinrError, match="does not exist"):
        writer.write_cinr(str(tmp_path / "x" / "a.cinr"), [layer])
    with pytest.raises(cryoinr.CinrError, match="does not exist"):
        writer.write_mrc(str(tmp_path / "x" / "a.mrc"), layer[0], layer[1])


def test_preferences_page_gives_the_settings(npe2pm, plugin_settings) -> None:
    from napari.settings import get_plugin_settings

    with npe2pm.tmp_plugin(package=PLUGIN):
        default = preferences.saved_settings()
        assert default.paper == cryoinr.PaperSettings()
        assert default.request().goal == "target_fsc"  # as everywhere else
        assert preferences.saved_scheduler() is None
        page = get_plugin_settings(PLUGIN).compression
        page.scheduler = " tcp://host:8786"
        assert preferences.saved_scheduler() == "tcp://host:8786"
        assert default.effort == "auto"
        page.threshold, page.width, page.target_nrmse = "3sigma", "medium", "0.02"
        settings = preferences.saved_settings()
    assert settings.threshold == "3sigma"
    assert settings.paper.width == "medium"
    assert settings.target_nrmse == 0.02


def test_preferences_cannot_contradict_each_other(npe2pm, plugin_settings) -> None:
    from napari.settings import get_plugin_settings

    with npe2pm.tmp_plugin(package=PLUGIN) as plugin:
        page = get_plugin_settings(PLUGIN).compression
        for name, wrong in (("threshold", "banana"), ("target_nrmse", "small"), ("effort", "")):
            with pytest.raises(ValueError, match="allowed enum values"):
                setattr(page, name, wrong)
        properties = plugin.manifest.contributions.configurations["compression"].properties
        names = ("threshold", "model", "target_nrmse", "lossless")
        offered = [properties[name].enum or (True, False) for name in names]
        for values in itertools.product(*offered):
            for name, value in zip(names, values, strict=True):
                setattr(page, name, value)
            settings = preferences.saved_settings()  # raises nothing
            assert settings.lossless == page.lossless


def test_preferences_offer_every_model(npe2pm, plugin_settings) -> None:
    from napari.settings import get_plugin_settings

    with npe2pm.tmp_plugin(package=PLUGIN) as plugin:
        properties = plugin.manifest.contributions.configurations["compression"].properties
        offered = properties["model"].enum
        # The page has a setting of its own for what is lossless.
        assert offered == [name for name in models.PURPOSES if name != "lossless"]
        page = get_plugin_settings(PLUGIN).compression
        for name in offered:
            page.model = name
            assert preferences.saved_settings().model == name
        page.model, page.target_nrmse = "inr", "0.05"
        assert preferences.saved_settings().target_nrmse == 0.05


def test_synthetic_sample(viewer) -> None:
    (layer,) = viewer.open_sample(PLUGIN, "synthetic")
    assert layer.data.shape == (96, 96, 96)
    share = float((layer.data > layer.iso_threshold).mean())
    assert 0.01 < share < 0.2


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    """A web server on localhost that serves a folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_emdb_sample_is_fetched_once(viewer, server, tmp_path, small_map, monkeypatch) -> None:
    folder, address = server
    cryoinr.write_map(small_map, tmp_path / "emd.map")
    served = folder / "emd_0001.map.gz"
    served.write_bytes(gzip.compress((tmp_path / "emd.map").read_bytes()))
    monkeypatch.setattr(sample_data, "EMDB_URL", f"{address}/emd_0001.map.gz")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (layer,) = viewer.open_sample(PLUGIN, "emdb")
    np.testing.assert_array_equal(layer.data, small_map.data)
    served.unlink()  # the second time it comes from the cache
    viewer.open_sample(PLUGIN, "emdb")


def test_emdb_sample_without_a_network(server, tmp_path, monkeypatch) -> None:
    _, address = server
    monkeypatch.setattr(sample_data, "EMDB_URL", f"{address}/missing.map.gz")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ((data, _, _),) = sample_data.emdb()
    assert data.shape == (70, 70, 70)  # that in the package
