"""Masks coded by a context model: exact, small, and safe against damage."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from napari_cryoinr.coding.masks import decode_mask, encode_mask
from napari_cryoinr.models.mask_stream import pack_mask, unpack_mask

QUICK = settings(deadline=None, max_examples=30, derandomize=True)
SHAPES = st.tuples(*[st.integers(1, 20)] * 3)
DAMAGE = (ValueError, AssertionError)


def gzipped(mask: np.ndarray) -> int:
    return len(gzip.compress(np.packbits(mask).tobytes(), 9))


def assert_survives(mask: np.ndarray) -> bytes:
    data = encode_mask(mask)
    assert encode_mask(mask) == data
    again = decode_mask(data, mask.shape)
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
    assert len(assert_survives(np.full(shape, filled))) <= 100


def test_a_checkerboard_survives() -> None:
    mask = np.indices((24, 17, 31)).sum(axis=0) % 2 == 0
    assert_survives(mask)


def test_noise_costs_little_more_than_its_bits() -> None:
    mask = np.random.default_rng(3).random((32, 32, 32)) < 0.5
    assert len(assert_survives(mask)) <= 1.05 * mask.size / 8


@pytest.mark.parametrize("shape", [(1, 1, 200_000), (200_000, 1, 1), (1, 2, 70_000)])
def test_long_thin_masks_survive(shape: tuple[int, int, int]) -> None:
    assert_survives((np.arange(np.prod(shape)) % 7000 < 3000).reshape(shape))


def test_views_and_other_orders_survive() -> None:
    mask = ball(30, 9.0)
    mask[:, :7] = False
    assert_survives(mask[::-1, 3:].transpose(2, 0, 1))


def test_a_ball_is_smaller_than_by_gzip() -> None:
    mask = ball(64, 20.3)
    assert 1.5 * len(assert_survives(mask)) < gzipped(mask)


def test_the_bytes_are_the_same_on_every_machine() -> None:
    """Another order or a rounding that differs would change them."""
    mask = ball(40, 13.0)
    mask[:, 22:] = False
    mask[:20, :9] = False
    assert zlib.crc32(encode_mask(mask)) == 0x6E44509C


def test_a_synthetic_map_is_smaller_than_by_gzip() -> None:
    data = cryoinr.synthetic_map(64, seed=123).data
    mask = data > np.quantile(data, 0.95)
    assert 2.0 * len(assert_survives(mask)) < gzipped(mask)


@pytest.fixture(scope="module")
def coded() -> tuple[bytes, tuple[int, int, int]]:
    mask = ball(40, 13.0)
    mask[:, 22:] = False
    mask[:20, :9] = False
    data = encode_mask(mask)
    return data, mask.shape


def decoded_or_refused(data: bytes, shape: tuple[int, int, int]) -> None:
    try:
        mask = decode_mask(data, shape)
    except DAMAGE:
        return
    assert mask.dtype == bool and mask.shape == shape


def test_truncated_masks_are_refused_or_some_mask(
    coded: tuple[bytes, tuple[int, int, int]],
) -> None:
    data, shape = coded
    for length in range(0, len(data), 7):
        decoded_or_refused(data[:length], shape)


@QUICK
@given(st.binary(max_size=200), st.tuples(*[st.integers(0, 30)] * 3))
def test_random_bytes_are_refused_or_some_mask(data: bytes, shape: tuple[int, int, int]) -> None:
    for head in (b"", b"\0", b"\1"):
        decoded_or_refused(head + data, shape)
    for head in (b"", b"\4", b"\4\1\0\0\0" + bytes(12)):
        with suppress(*DAMAGE):
            assert unpack_mask(head + data, shape).shape == shape


@pytest.mark.parametrize("data", [b"", b"\1" + bytes(8), b"\0" + bytes(3), b"\2" + bytes(8)])
def test_what_is_no_mask_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no coded mask"):
        decode_mask(data, (16, 16, 16))


@pytest.mark.parametrize("data", [b"", b"\1", b"\4" + bytes(7), b"\4" + b"\xff" * 16])
def test_what_is_no_stream_of_a_mask_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no stream of a mask|symmetry"):
        unpack_mask(data, (16, 16, 16))


def test_few_bytes_cannot_ask_for_a_large_volume() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        decode_mask(b"\0" + bytes(4), (8192, 8192, 8192))


def four_lobes(size: int, flaws: int = 0) -> np.ndarray:
    """Blobs in one quarter of the box, and their three images about the axis z."""
    random = np.random.default_rng(5)
    half = size // 2
    quarter = ball(size, 0.45 * size)[:, :half, :half].copy()
    holes = random.random((size // 4, half // 4, half // 4)) < 0.4
    for axis in range(3):
        holes = holes.repeat(4, axis=axis)
    quarter[: len(holes), : holes.shape[1], : holes.shape[2]] &= ~holes
    top = np.concatenate([quarter, np.rot90(quarter, -1, axes=(1, 2))], axis=2)
    mask = np.concatenate([top, np.rot90(top, 2, axes=(1, 2))], axis=1)
    mask.reshape(-1)[random.choice(mask.size, flaws, replace=False)] ^= True
    return mask


def packed(mask: np.ndarray) -> bytes:
    data = pack_mask(mask)
    assert np.array_equal(unpack_mask(data, mask.shape), mask)
    return data


def test_a_fourfold_axis_is_found_and_saves_bytes() -> None:
    mask = four_lobes(40)
    assert 2.5 * len(packed(mask)) < len(encode_mask(mask))


def test_a_symmetry_with_flaws_saves_bytes() -> None:
    mask = four_lobes(48, flaws=30)
    data = packed(mask)
    assert len(packed(four_lobes(48))) < len(data)
    assert 1.5 * len(data) < len(encode_mask(mask))


@pytest.mark.parametrize("flaws", [0, 30])
def test_damaged_symmetric_masks_are_refused_or_some_mask(flaws: int) -> None:
    mask = four_lobes(32, flaws)
    data = packed(mask)
    random = np.random.default_rng(2)
    for _ in range(10):
        broken = bytearray(data)
        broken[random.integers(1, len(data))] ^= int(random.integers(1, 256))
        with suppress(*DAMAGE):
            assert unpack_mask(bytes(broken), mask.shape).shape == mask.shape
