"""Masks coded by a context model: exact, small, and safe against damage."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from napari_cryoinr.coding import mask_contexts as contexts
from napari_cryoinr.coding.mask_model import CHANCE_BITS, TOP, Counts, Predictor
from napari_cryoinr.coding.mask_symmetry import symmetries
from napari_cryoinr.coding.mask_weights import networks
from napari_cryoinr.coding.masks import decode_mask_by_context, encode_mask_by_context

QUICK = settings(deadline=None, max_examples=60, derandomize=True)
SHAPES = st.tuples(*[st.integers(1, 20)] * 3)
DAMAGE = (ValueError, AssertionError, zlib.error)


def gzipped(mask: np.ndarray) -> int:
    return len(gzip.compress(np.packbits(mask).tobytes(), 9))


def assert_survives(mask: np.ndarray) -> bytes:
    data = encode_mask_by_context(mask)
    assert encode_mask_by_context(mask) == data
    again = decode_mask_by_context(data, mask.shape)
    assert again.dtype == bool and again.shape == mask.shape
    assert np.array_equal(again, mask)
    return data


def ball(size: int, radius: float) -> np.ndarray:
    grid = np.indices((size,) * 3) - (size - 1) / 2
    return (grid**2).sum(axis=0) < radius**2


@QUICK
@given(SHAPES, st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_random_masks_survive(shape: tuple[int, int, int], share: float, seed: int) -> None:
    assert_survives(np.random.default_rng(seed).random(shape) < share)


@QUICK
@given(SHAPES, st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_masks_of_blobs_survive(shape: tuple[int, int, int], size: int, seed: int) -> None:
    coarse = np.random.default_rng(seed).random([-(-n // size) for n in shape]) < 0.3
    for axis in range(3):
        coarse = coarse.repeat(size, axis=axis)
    assert_survives(coarse[tuple(map(slice, shape))])


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 8), (33, 40, 17), (100, 100, 100)])
def test_uniform_masks_cost_nearly_nothing(shape: tuple[int, int, int], filled: bool) -> None:
    assert len(assert_survives(np.full(shape, filled))) <= 64


def test_a_checkerboard_survives() -> None:
    mask = np.indices((24, 17, 31)).sum(axis=0) % 2 == 0
    assert len(assert_survives(mask)) < mask.size // 8


def test_noise_costs_no_more_than_its_bits() -> None:
    mask = np.random.default_rng(3).random((32, 32, 32)) < 0.5
    assert len(assert_survives(mask)) <= mask.size // 8 + 16


def test_a_long_thin_mask_survives() -> None:
    """It would take a step for nearly each voxel, and is deflated instead."""
    mask = np.arange(200_000).reshape(1, 1, -1) % 7000 < 3000
    assert assert_survives(mask)[0] == 0


def test_views_and_other_orders_survive() -> None:
    mask = ball(30, 9.0)
    mask[:, :7] = False
    assert_survives(mask[::-1, 3:].transpose(2, 0, 1))


def test_a_ball_is_far_smaller_than_by_gzip() -> None:
    mask = ball(64, 20.3)
    assert 3.5 * len(assert_survives(mask)) < gzipped(mask)


def test_the_bytes_are_the_same_on_every_machine() -> None:
    """Other weights, another order or a rounding that differs would change them."""
    mask = ball(40, 13.0)
    mask[:, 22:] = False
    mask[:20, :9] = False
    assert zlib.crc32(encode_mask_by_context(mask)) == 0xE48AFE59


def test_a_synthetic_map_is_smaller_than_by_gzip() -> None:
    data = cryoinr.synthetic_map(64, seed=123).data
    mask = data > np.quantile(data, 0.95)
    assert 2.0 * len(assert_survives(mask)) < gzipped(mask)


@pytest.fixture(scope="module")
def coded() -> tuple[bytes, tuple[int, int, int]]:
    mask = ball(40, 13.0)
    mask[:, 22:] = False
    mask[:20, :9] = False
    data = encode_mask_by_context(mask)
    assert data[0] == 1
    return data, mask.shape


def decoded_or_refused(data: bytes, shape: tuple[int, int, int]) -> None:
    try:
        mask = decode_mask_by_context(data, shape)
    except DAMAGE:
        return
    assert mask.dtype == bool and mask.shape == shape


def test_truncated_masks_are_refused_or_some_mask(
    coded: tuple[bytes, tuple[int, int, int]],
) -> None:
    data, shape = coded
    for length in range(0, len(data), 7):
        decoded_or_refused(data[:length], shape)
    deflated = encode_mask_by_context(np.random.default_rng(0).random((9, 9, 9)) < 0.5)
    for length in range(len(deflated)):
        with pytest.raises(DAMAGE):
            decode_mask_by_context(deflated[:length], (9, 9, 9))


@QUICK
@given(st.binary(max_size=200), st.tuples(*[st.integers(0, 30)] * 3))
def test_random_bytes_are_refused_or_some_mask(data: bytes, shape: tuple[int, int, int]) -> None:
    for method in (b"", b"\0", b"\1", b"\2", b"\3"):
        decoded_or_refused(method + data, shape)


@pytest.mark.parametrize("data", [b"", b"\2" + bytes(8), b"\1" + bytes(3), b"\0" + bytes(8)])
def test_what_is_no_mask_is_refused(data: bytes) -> None:
    with pytest.raises(DAMAGE):
        decode_mask_by_context(data, (16, 16, 16))


@pytest.mark.parametrize("method", [b"\0", b"\1", b"\2" + bytes(3)])
def test_few_bytes_cannot_ask_for_a_large_volume(method: bytes) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        decode_mask_by_context(method + bytes(4), (8192, 8192, 8192))


def trefoil(size: int, flaws: int = 0) -> np.ndarray:
    """A blob in one quarter of the box, and its three images about the axis z."""
    random = np.random.default_rng(5)
    odd = size - 1 + size % 2  # the box with its centre in the middle
    coarse = random.random((odd // 4 + 1, odd // 8, odd // 8)) < 0.4
    part = np.zeros((odd,) * 3, bool)
    filled = coarse.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2)[:odd]
    part[:, : filled.shape[1], : filled.shape[2]] = filled
    whole = part.copy()
    for quarter in range(1, 4):
        whole |= np.rot90(part, quarter, axes=(1, 2))
    mask = np.zeros((size,) * 3, bool)
    mask[size - odd :, size - odd :, size - odd :] = whole
    mask.reshape(-1)[random.choice(mask.size, flaws, replace=False)] ^= True
    return mask


@pytest.mark.parametrize("size", [40, 41])
def test_a_fourfold_axis_is_found_and_saves_bytes(size: int) -> None:
    mask = trefoil(size)
    exact, near = symmetries(mask)
    assert len(exact) == 3 and near == exact
    data = assert_survives(mask)
    assert data[0] == 2
    one_flaw = mask.copy()
    one_flaw[3, 3, 3] ^= True
    assert len(data) < len(assert_survives(one_flaw))


def test_a_nearly_kept_mask_is_coded_by_its_images() -> None:
    mask = trefoil(48, flaws=30)
    exact, near = symmetries(mask)
    assert exact == [] and len(near) == 3
    assert assert_survives(mask)[0] == 3


def test_turns_need_axes_of_one_size() -> None:
    exact, _ = symmetries(np.pad(trefoil(33), ((0, 0), (0, 0), (2, 2))))
    assert len(exact) == 1  # the half turn


def test_empty_masks_and_masks_at_the_border_have_no_symmetry() -> None:
    assert symmetries(np.zeros((8, 8, 8), bool)) == ([], [])
    assert symmetries(np.ones((8, 9, 10), bool))[0] == []  # images of voxels at 0 lie outside


def test_damaged_symmetric_masks_are_refused_or_some_mask() -> None:
    for mask in (trefoil(40), trefoil(48, flaws=30)):
        data = encode_mask_by_context(mask)
        random = np.random.default_rng(2)
        for _ in range(5):
            broken = bytearray(data)
            broken[random.integers(1, len(data))] ^= int(random.integers(1, 256))
            decoded_or_refused(bytes(broken), mask.shape)
            decoded_or_refused(data[: random.integers(len(data))], mask.shape)


def test_fronts_visit_each_voxel_of_mixed_cubes_once() -> None:
    cubes = np.random.default_rng(1).integers(-1, 2, (3, 2, 4)).astype(np.int8)
    shape = (20, 16, 31)
    states = contexts.voxel_states(cubes, shape).reshape(-1)
    places = np.concatenate(list(contexts.voxel_fronts(cubes)))
    assert len(np.unique(places)) == len(places) == np.count_nonzero(cubes == 0) * 8**3
    asked = places[states[places] == contexts.UNKNOWN]
    assert np.array_equal(np.sort(asked), np.flatnonzero(states == contexts.UNKNOWN))


def test_neighbours_behind_are_on_earlier_fronts() -> None:
    cubes = np.zeros((2, 3, 2), np.int8)
    steps = contexts.strides(contexts.widened((16, 24, 16)))
    front_of = {}
    for number, front in enumerate(contexts.voxel_fronts(cubes)):
        front_of.update(dict.fromkeys(front.tolist(), number))
    behind = contexts.VOXEL_OFFSETS[contexts.VOXEL_OFFSETS @ contexts.SLOPE < 0] @ steps
    for place, number in front_of.items():
        assert all(front_of.get(place + step, -1) < number for step in behind.tolist())


def test_cubes_know_the_border() -> None:
    mask = np.zeros((10, 8, 9), bool)
    mask[8:] = True
    mask[0, 0, 8] = True
    assert contexts.cube_states(mask).tolist() == [[[-1, 0]], [[1, 1]]]


def test_chances_follow_what_is_coded() -> None:
    network = networks()[1]
    model = Predictor(network, 3)
    inputs = np.full((100, len(contexts.VOXEL_OFFSETS)), -1, np.int8)
    before = model.chances(inputs)
    assert before.min() > 0 and before.max() < 1 << (CHANCE_BITS - 4)
    for _ in range(200):
        model.chances(inputs)
        model.learn(np.ones(100, bool))
    assert model.chances(inputs).min() > 1 << (CHANCE_BITS - 1)


def test_counts_follow_what_is_coded() -> None:
    counts, first = Counts(np.full(2, 40), np.ones(2)), np.zeros(50, np.int64)
    counts.learn(first, np.ones(50, bool))
    low, high = counts.chances(np.array([1, 0]))
    assert low < 1 << (CHANCE_BITS - 4) < 1 << (CHANCE_BITS - 1) < high


def test_sums_of_the_networks_are_exact_in_float32() -> None:
    """The largest sums that any inputs can give stay below 2²⁴."""
    for network in networks():
        for weights, bias, largest in zip(
            network.weights[:2], network.biases[:2], (1, TOP), strict=True
        ):
            sums = largest * np.abs(weights.astype(np.int64)).sum(axis=0) + np.abs(bias)
            assert sums.max() < 2**24
