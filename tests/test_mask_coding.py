"""Masks coded by a context model: exact, small, and safe against damage."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from napari_cryoinr.coding.masks import decode_mask_steps, encode_mask_steps
from napari_cryoinr.progress import Clock, drain

DAMAGE = (ValueError, AssertionError)


def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return drain(decode_mask_steps(data, shape, Clock()))


def assert_survives(mask: np.ndarray) -> bytes:
    data = drain(encode_mask_steps(mask, Clock()))
    again = decode(data, mask.shape)
    assert again.dtype == bool
    np.testing.assert_array_equal(again, mask)
    return data


def gzipped(mask: np.ndarray) -> int:
    return len(gzip.compress(np.packbits(mask).tobytes(), 9))


def cut_ball(size: int = 40) -> np.ndarray:
    grid = np.indices((size,) * 3) - (size - 1) / 2
    mask = (grid**2).sum(axis=0) < (size / 3) ** 2
    mask[:, size // 2 + 2 :] = False
    mask[: size // 2, : size // 4] = False
    return mask


@settings(max_examples=20, derandomize=True)
@given(st.tuples(*[st.integers(1, 20)] * 3), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_random_masks_survive(shape: tuple[int, int, int], share: float, seed: int) -> None:
    assert_survives(np.random.default_rng(seed).random(shape) < share)


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (33, 40, 17), (64, 64, 64)])
def test_uniform_masks_cost_nearly_nothing(shape: tuple[int, int, int], filled: bool) -> None:
    assert len(assert_survives(np.full(shape, filled))) <= 100


@pytest.mark.parametrize("shape", [(1, 1, 200_000), (200_000, 1, 1), (1, 2, 70_000)])
def test_long_thin_masks_survive(shape: tuple[int, int, int]) -> None:
    assert_survives((np.arange(np.prod(shape)) % 7000 < 3000).reshape(shape))


def test_views_and_other_orders_survive() -> None:
    assert_survives(cut_ball()[::-1, 3:].transpose(2, 0, 1))


def test_noise_costs_little_more_than_its_bits() -> None:
    mask = np.random.default_rng(3).random((32, 32, 32)) < 0.5
    assert len(assert_survives(mask)) <= 1.1 * mask.size / 8


def test_masks_of_maps_are_smaller_than_by_gzip() -> None:
    data = cryoinr.synthetic_map(64, seed=123).data
    mask = data > np.quantile(data, 0.95)
    assert 1.7 * len(assert_survives(mask)) < gzipped(mask)


def test_long_work_reports_often() -> None:
    records = list(encode_mask_steps(cut_ball(64), Clock()))
    steps = [record.step for record in records]
    assert steps == sorted(steps) and steps[-1] == records[-1].steps
    assert max(np.diff(steps)) <= 100_000


def decoded_or_refused(data: bytes, shape: tuple[int, ...]) -> None:
    try:
        mask = decode(data, shape)
    except DAMAGE:
        return
    assert mask.dtype == bool and mask.shape == shape


@settings(max_examples=20, derandomize=True)
@given(st.binary(max_size=200), st.tuples(*[st.integers(1, 30)] * 3))
def test_random_bytes_are_refused_or_some_mask(data: bytes, shape: tuple[int, int, int]) -> None:
    decoded_or_refused(data, shape)


def test_truncated_masks_are_refused_or_some_mask() -> None:
    mask = cut_ball()
    data = drain(encode_mask_steps(mask, Clock()))
    for length in range(0, len(data), 29):
        decoded_or_refused(data[:length], mask.shape)


def test_few_bytes_cannot_ask_for_a_large_volume() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        decode(bytes(4), (8192, 8192, 8192))
