"""`cryoinr compress --crop` and `--bin`: what is compressed, and where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run

LOSSLESS = ["--lossless", "--keep", "volume", "--quiet"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_map) -> None:
    monkeypatch.chdir(tmp_path)
    cryoinr.write_map(small_map, "map.mrc")


def _decoded() -> cryoinr.DensityMap:
    with cryoinr.open_archive("a.cinr") as archive:
        return archive[0].to_map()


def test_a_box_is_compressed_where_it_lies(small_map) -> None:
    assert run(["compress", "map.mrc", "a.cinr", "--crop", "2:20,:12,4:", *LOSSLESS]) == 0
    found, expected = _decoded(), cryoinr.crop_map(small_map, np.s_[2:20, :12, 4:])
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.origin == pytest.approx(expected.origin)


def test_voxels_are_binned_after_the_box_is_cut(small_map) -> None:
    given = ["--crop", "2:20,:12,4:", "--bin", "2"]
    assert run(["compress", "map.mrc", "a.cinr", *given, *LOSSLESS]) == 0
    part = cryoinr.crop_map(small_map, np.s_[2:20, :12, 4:])
    expected = cryoinr.bin_map(part, 2)
    found = _decoded()
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.voxel_size == pytest.approx(expected.voxel_size)
    assert found.origin == pytest.approx(expected.origin)


def test_the_box_round_the_structure(small_map) -> None:
    wide = cryoinr.DensityMap(np.pad(small_map.data, 20), small_map.voxel_size)
    cryoinr.write_map(wide, "wide.mrc")
    given = ["--crop", "structure", "--threshold", "4"]
    assert run(["compress", "wide.mrc", "a.cinr", *given, *LOSSLESS]) == 0
    box = cryoinr.structure_box(wide, 4.0)
    np.testing.assert_array_equal(_decoded().data, wide.data[box])
    assert _decoded().data.size < wide.data.size


def test_a_mask_and_half_maps_get_the_same_box(small_map) -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, small_map.data.shape).astype(np.float32)
    for name, sign in (("half1.mrc", 1), ("half2.mrc", -1)):
        half = cryoinr.DensityMap(small_map.data + sign * noise, small_map.voxel_size)
        cryoinr.write_map(half, name)
    mask = (small_map.data > 2).astype(np.float32)
    cryoinr.write_map(cryoinr.DensityMap(mask, small_map.voxel_size), "mask.mrc")
    given = ["--crop", "2:22,2:22,2:22", "--half-maps", "half1.mrc", "half2.mrc"]
    effort = ["--effort", "fast", "--model", "field", "--quiet"]
    assert run(["compress", "map.mrc", "a.cinr", "--mask", "mask.mrc", *given, *effort]) == 0
    assert _decoded().data.shape == (20, 20, 20)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--crop", "1:9"], "--crop 1:9: must be structure or three ranges"),
        (["--crop", "0:9,0:9,a:9"], "must be structure or three ranges"),
        (["--crop", "0:9,0:9,5:400"], "5:400 along x is not inside 0:"),
        (["--crop", "9:9,:,:"], "9:9 along z is not inside 0:"),
        (["--bin", "1"], "bin by 1: must be 2 to 16"),
        (["--crop", ":,:,:", "--mask", "other.mrc"], "--crop and --bin need the same"),
        (["--crop", "structure", "--threshold", "1e9"], "no voxel is above"),
    ],
)
def test_what_cannot_be_cut_is_refused(given, message, capsys) -> None:
    cryoinr.write_map(cryoinr.DensityMap(np.ones((8, 8, 8), np.float32), (1, 1, 1)), "other.mrc")
    assert run(["compress", "map.mrc", "a.cinr", *given, "--quiet"]) != 0
    assert message in capsys.readouterr().err
    assert not Path("a.cinr").exists()
