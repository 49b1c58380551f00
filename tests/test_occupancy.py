"""The occupancy mask, its coding, and the density that stands for everything outside."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_cryoinr import DensityMap
from napari_cryoinr.maps import density_map as density_map_module
from napari_cryoinr.maps.threshold import background_density, occupancy
from napari_cryoinr.models.paper.stored_streams import decode_mask, encode_mask

QUICK = settings(deadline=None, max_examples=60, derandomize=True)
SMALL_SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


@pytest.fixture(params=["one slab", "many slabs"])
def any_slabs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in one pass or in many: the result must be the same."""
    if request.param == "many slabs":
        monkeypatch.setattr(density_map_module, "SLAB_VOXELS", 100)


def noise(shape: tuple[int, ...], seed: int = 0) -> DensityMap:
    return DensityMap(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.mark.usefixtures("any_slabs")
def test_occupancy_is_strictly_above() -> None:
    made = noise((13, 9, 11))
    threshold = float(made.data[3, 4, 5])  # a density that occurs: it is not above itself
    mask = occupancy(made, threshold)
    assert mask.dtype == bool and not mask[3, 4, 5]
    assert np.array_equal(mask, made.data > threshold)
    assert 0 < mask.sum() < mask.size
    assert occupancy(made, None).all()


def test_the_comparison_is_in_float32() -> None:
    made = DensityMap(np.full((1, 1, 2), 0.1, np.float32))  # 0.1 as float32 is above 0.1
    assert not occupancy(made, 0.1).any()


@QUICK
@given(hnp.arrays(bool, SMALL_SHAPES))
def test_masks_survive(mask: np.ndarray) -> None:
    data = encode_mask(mask)
    assert data[4:8] == bytes(4)  # no time stamp: the same mask gives the same bytes
    again = decode_mask(data, mask.shape)
    assert again.dtype == bool and again.shape == mask.shape
    assert np.array_equal(again, mask)


def test_the_coding_is_gzip_of_packed_bits() -> None:
    mask = np.array([1, 0, 0, 0, 0, 0, 1, 1, 1], bool).reshape(1, 3, 3)
    assert gzip.decompress(encode_mask(mask)) == bytes([0b10000011, 0b10000000])


@pytest.mark.parametrize("change", [-1, 1, 1_000_000])
def test_masks_of_a_wrong_size_are_refused(change: int) -> None:
    data = gzip.compress(bytes(125 + change))
    with pytest.raises(ValueError, match="do not hold 1000 voxels"):
        decode_mask(data, (10, 10, 10))


def test_other_damage_is_an_error() -> None:
    data = encode_mask(np.random.default_rng(0).random((10, 10, 10)) < 0.5)
    for length in range(len(data)):
        with pytest.raises((ValueError, EOFError, OSError)):
            decode_mask(data[:length], (10, 10, 10))
    flipped = bytearray(data)
    flipped[40] ^= 0x10
    with pytest.raises((ValueError, EOFError, OSError, zlib.error)):
        decode_mask(bytes(flipped), (10, 10, 10))


@pytest.mark.usefixtures("any_slabs")
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_background_density_is_the_median_outside(share: float) -> None:
    made = noise((13, 9, 11), seed=1)
    mask = made.data > np.quantile(made.data, 1 - share)
    outside = np.sort(made.data[~mask])
    assert background_density(made, mask) == outside[outside.size // 2]


def test_background_density_of_a_masked_map_is_zero() -> None:
    made = noise((12, 12, 12))
    made.data[:, :, :8] = 0
    assert background_density(made, made.data > 1) == 0.0


def test_background_density_is_a_density_below_the_threshold() -> None:
    made = DensityMap(np.arange(64, dtype=np.float32).reshape(4, 4, 4))
    for threshold in (0.5, 10.0, 62.5):
        value = background_density(made, occupancy(made, threshold))
        assert value <= threshold and value in made.data
    assert background_density(made, np.ones((4, 4, 4), bool)) == 0.0


def test_background_density_of_a_large_map_looks_at_a_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(density_map_module, "SLAB_VOXELS", 1 << 18)
    made = noise((130, 128, 128))  # two million voxels: every second one is looked at
    mask = made.data > 1.5
    outside = made.data[~mask][::2]
    assert background_density(made, mask) == np.sort(outside)[outside.size // 2]
