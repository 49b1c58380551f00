"""Cropped, binned and repaired maps: every voxel stays where it is in space."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.maps.repair import find_no_density

SIZES = (1.5, 2.0, 2.5)
ORIGIN = (-10.0, 4.0, 7.5)


def positions(density_map) -> np.ndarray:
    """Return where each voxel is, Å, shape (z, y, x, 3)."""
    places = np.moveaxis(np.indices(density_map.data.shape), 0, -1)
    return places * np.array(density_map.voxel_size) + density_map.origin


def ramp(shape=(13, 16, 18)) -> cryoinr.DensityMap:
    """A map whose densities are a linear function of the position."""
    blank = cryoinr.DensityMap(np.zeros(shape, np.float32), SIZES, ORIGIN, name="ramp")
    return dataclasses.replace(blank, data=value_at(positions(blank)))


def value_at(places: np.ndarray) -> np.ndarray:
    return (places @ [0.3, -0.2, 0.1] + 5).astype(np.float32)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_binned_voxels_lie_in_the_middle_of_their_blocks(factor: int) -> None:
    binned = cryoinr.bin_map(ramp(), factor)
    assert binned.data.shape == tuple(n // factor for n in (13, 16, 18))
    np.testing.assert_allclose(binned.data, value_at(positions(binned)), atol=1e-5)
    np.testing.assert_allclose(binned.voxel_size, np.array(SIZES) * factor)


def test_cropped_voxels_stay_where_they_are(tmp_path) -> None:
    box = np.s_[2:11, 3:16, -9:]
    part = cryoinr.crop_map(ramp(), box)
    np.testing.assert_array_equal(part.data, ramp().data[box])
    np.testing.assert_allclose(part.data, value_at(positions(part)), atol=1e-5)
    cryoinr.write_map(part, tmp_path / "part.mrc")
    back = cryoinr.read_map(tmp_path / "part.mrc")
    np.testing.assert_allclose(back.voxel_size, part.voxel_size, rtol=1e-6)
    np.testing.assert_allclose(back.origin, part.origin, rtol=1e-6)
    np.testing.assert_array_equal(back.data, part.data)
    assert cryoinr.crop_map(part, np.s_[:, :, :]).origin == part.origin


def test_cropping_and_binning_change_places() -> None:
    whole = ramp((16, 16, 16))
    one = cryoinr.bin_map(cryoinr.crop_map(whole, np.s_[4:12, 4:12, 4:12]), 2)
    two = cryoinr.crop_map(cryoinr.bin_map(whole, 2), np.s_[2:6, 2:6, 2:6])
    np.testing.assert_allclose(one.data, two.data, rtol=1e-6)
    np.testing.assert_allclose(one.origin, two.origin)


def test_the_header_of_other_axis_orders_is_kept(tmp_path) -> None:
    mrc = ramp().mrc.changed(mapc=3, mapr=1, maps=2, nlabl=1, nx=13, ny=18, nz=16)
    label = np.zeros(10, "S80")
    label[0] = b"by hand"
    turned = dataclasses.replace(ramp(), header=mrc.changed(label=label))
    part = cryoinr.crop_map(turned, np.s_[1:11, 2:14, 3:17])
    assert part.mrc.to_zyx == mrc.to_zyx
    cryoinr.write_map(part, tmp_path / "part.mrc")
    back = cryoinr.read_map(tmp_path / "part.mrc")
    assert back.mrc.to_zyx == mrc.to_zyx
    assert back.mrc.labels[0].startswith(b"by hand")
    np.testing.assert_array_equal(back.data, part.data)
    np.testing.assert_allclose(back.origin, part.origin, rtol=1e-6)


def test_integer_maps_keep_their_type_if_their_densities_fit() -> None:
    counts = np.arange(4**3, dtype=np.float32).reshape(4, 4, 4)
    whole = cryoinr.DensityMap(counts)
    whole = dataclasses.replace(whole, header=whole.mrc.with_mode(1))
    assert cryoinr.crop_map(whole, np.s_[1:3, :, :]).mode == 1
    assert cryoinr.bin_map(whole, 2).mode == 2  # means are no integers


def test_the_structure_is_in_its_box(small_map) -> None:
    box = cryoinr.structure_box(small_map, 4.0, margin=0)
    outside = small_map.data.copy()
    outside[box] = 0
    pieces = outside > 4.0
    assert pieces.sum() < 50 < (small_map.data > 4.0).sum()  # dust
    wide = cryoinr.structure_box(small_map, 4.0, margin=2)
    for narrow_part, wide_part, n in zip(box, wide, small_map.data.shape, strict=True):
        assert wide_part.start == max(narrow_part.start - 2, 0)
        assert wide_part.stop == min(narrow_part.stop + 2, n)
    with pytest.raises(cryoinr.MapError, match="no voxel is above 1000"):
        cryoinr.structure_box(small_map, 1000.0)


def test_what_cannot_be_done_is_said(small_map) -> None:
    with pytest.raises(cryoinr.SettingsError, match="bin by 1: must be 2 to 16"):
        cryoinr.bin_map(small_map, 1)
    flat = cryoinr.DensityMap(np.zeros((1, 8, 8), np.float32), name="flat")
    with pytest.raises(cryoinr.MapError, match="no block of 2 voxels fits"):
        cryoinr.bin_map(flat, 2)
    with pytest.raises(cryoinr.MapError, match="no voxel is in the box 5:5, 0:24, 0:24"):
        cryoinr.crop_map(small_map, np.s_[5:5, :, :])


def test_voxels_without_density_are_found_and_filled(small_map) -> None:
    assert find_no_density(small_map.data) is None
    assert cryoinr.fill_no_density(small_map) is small_map
    data = small_map.data.copy()
    inside = np.argwhere(data > 4)[:7]
    data[tuple(inside.T)] = np.nan
    found = find_no_density(data)
    z, y, x = inside[0]
    assert found.text == f"7 voxels are NaN, the first at (z, y, x) = ({z}, {y}, {x})"
    data[-1, -1, -1] = np.inf
    assert find_no_density(data).text.startswith("8 voxels are NaN or infinite")
    filled = cryoinr.fill_no_density(dataclasses.replace(small_map, data=data))
    wrong = ~np.isfinite(data)
    np.testing.assert_array_equal(filled.data[~wrong], data[~wrong])
    background = np.median(data[np.isfinite(data) & (data < 2)])
    np.testing.assert_allclose(filled.data[wrong], background, atol=0.3)
    with pytest.raises(cryoinr.MapError, match="no voxel holds a density"):
        cryoinr.fill_no_density(dataclasses.replace(small_map, data=np.full((3, 3, 3), np.nan)))
