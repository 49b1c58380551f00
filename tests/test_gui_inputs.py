"""What napari may hand to us: folders, stacks, labels, masks, layers that are no map."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import napari_cryoinr as cryoinr

pytest.importorskip("napari")
from napari.components import ViewerModel

from napari_cryoinr.gui.io import reader
from napari_cryoinr.gui.io.layer_kinds import LABELS, MAP, STACK, half_map_partner, recognise
from napari_cryoinr.gui.io.map_layers import map_reader, maps_reader

pytestmark = pytest.mark.viewer

PLUGIN = "napari-cryoinr"
PLACED = {"scale": (1, 2, 3, 4), "translate": (5, 6, 7, 8)}
UNITS = ("pixel", "angstrom", "angstrom", "angstrom")


@pytest.fixture
def viewer(npe2pm):
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield ViewerModel()


@pytest.fixture
def folder(small_map, tmp_path):
    """Two maps of one shape, a mask of bytes, and a file of another kind."""
    for name in ("one_1", "one_2"):
        cryoinr.write_map(small_map, tmp_path / f"{name}.mrc")
    mask = dataclasses.replace(small_map, data=(small_map.data > 4).astype(np.float32))
    mask = dataclasses.replace(mask, header=mask.mrc.with_mode(0))
    cryoinr.write_map(mask, tmp_path / "mask.map")
    (tmp_path / "notes.txt").write_text("no map")
    return tmp_path


def random(shape) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_the_maps_of_a_folder_are_opened(viewer, folder, archive_path) -> None:
    (folder / "small.cinr").write_bytes(archive_path.read_bytes())
    viewer.open(str(folder), plugin=PLUGIN)
    assert [layer.name for layer in viewer.layers] == ["mask", "one_1", "one_2", "small"]
    (folder / "empty").mkdir()
    with pytest.raises(Exception, match="holds no density map"):
        viewer.open(str(folder / "empty"), plugin=PLUGIN)
    assert reader.get_folder_reader(str(folder / "gone")) is None
    assert reader.get_folder_reader(str(folder / "mask.map")) is None


@pytest.mark.slow
def test_maps_are_opened_as_a_stack_and_saved_as_members(viewer, folder, tmp_path) -> None:
    paths = [str(folder / f"one_{number}.mrc") for number in (1, 2)]
    (layer,) = viewer.open(paths, stack=True, plugin=PLUGIN)
    assert layer.name == "one"
    assert layer.data.shape == (2, 24, 24, 24)
    np.testing.assert_allclose(layer.scale, (1, 2, 2, 2))
    assert [str(unit) for unit in layer.units][1:] == ["angstrom"] * 3
    viewer.layers.selection.active = layer
    viewer.layers.save(str(tmp_path / "one.cinr"), selected=True, plugin=PLUGIN)
    archive = cryoinr.open_archive(tmp_path / "one.cinr")
    assert [member.name for member in archive] == ["one 1", "one 2"]
    assert archive[0].voxel_size == pytest.approx((2.0, 2.0, 2.0))


def test_a_mask_of_bytes_may_become_labels_and_is_kept_exactly(viewer, folder, tmp_path) -> None:
    viewer.open(str(folder / "mask.map"), layer_type="labels", plugin=PLUGIN)
    layer = viewer.layers[0]
    assert layer._type_string == "labels"
    assert recognise(layer).kind == LABELS
    viewer.layers.selection.active = layer
    viewer.layers.save(str(tmp_path / "mask.cinr"), selected=True, plugin=PLUGIN)
    back = cryoinr.open_archive(tmp_path / "mask.cinr")[0]
    np.testing.assert_array_equal(back.read(), layer.data)
    assert back.voxel_size == pytest.approx((2.0, 2.0, 2.0))


def test_the_volumes_of_a_stack_lie_where_the_stack_lies() -> None:
    viewer = ViewerModel()
    values = random((3, 8, 9, 10))
    layer = viewer.add_image(values, name="many", units=UNITS, **PLACED)
    assert recognise(layer).kind == STACK
    maps = maps_reader(layer)()
    assert [one.name for one in maps] == ["many 1", "many 2", "many 3"]
    for one, data in zip(maps, values, strict=True):
        np.testing.assert_array_equal(one.data, data)
        assert (one.voxel_size, one.origin) == ((2.0, 3.0, 4.0), (6.0, 7.0, 8.0))
    assert map_reader(layer)().name == "many 1"
    layer.scale = (1, 2, -3, 4)  # mirrored: so are the voxels
    np.testing.assert_array_equal(maps_reader(layer)()[2].data, values[2, :, ::-1])
    whole = viewer.add_image(values[0], name="one", scale=(2, 3, 4), units=UNITS[1:])
    assert [one.name for one in maps_reader(whole)()] == ["one"]


@pytest.mark.parametrize(
    ("add", "problem", "remedy"),
    [
        (lambda v: v.add_image(random((8, 9))), "is one image, 8 × 9", "Pick particles"),
        (lambda v: v.add_image(random((2, 2, 8, 8, 8))), "has 5 dimensions", "Split Stack"),
        (lambda v: v.add_image(np.zeros((8, 9, 3)), rgb=True), "is a colour image", "Split RGB"),
        (lambda v: v.add_points([[1, 2, 3]]), "holds points", "image layer"),
    ],
)
def test_a_layer_that_is_no_map_is_explained(add, problem: str, remedy: str) -> None:
    kind = recognise(add(ViewerModel()))
    assert not kind.offered
    assert problem in kind.problem
    assert remedy in kind.advice


@pytest.mark.parametrize(
    ("one", "two", "pair"),
    [
        ("run_half1_class001_unfil", "run_half2_class001_unfil", True),
        ("emd_1_half_map_1", "emd_1_half_map_2", True),
        ("map half A", "map half B", True),
        ("half1_a", "half2_b", False),
        ("a1", "a2", False),
    ],
)
def test_half_maps_are_known_by_their_names(one: str, two: str, pair: bool) -> None:
    viewer = ViewerModel()
    a, b = (viewer.add_image(random((8, 8, 8)), name=name) for name in (one, two))
    viewer.add_image(random((4, 4, 4)), name="other")
    assert recognise(a).kind == MAP
    assert (half_map_partner(a, viewer.layers) is b) == pair
    assert (half_map_partner(b, viewer.layers) is a) == pair
