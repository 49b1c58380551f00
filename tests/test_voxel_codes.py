"""Voxel codes keep the order of densities and give every bit back, in each MRC mode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_cryoinr.maps.mrc_header import INTEGER_MODES, VOXEL_TYPES
from napari_cryoinr.maps.voxel_types import from_codes, just_above, snap, spacing, to_codes

FLOAT_MODES = (2, 12)
QUICK = settings(deadline=None, max_examples=100, derandomize=True)


def every_value(mode: int) -> np.ndarray:
    """All values of a mode in ascending order; for float32 a dense choice with all extremes."""
    dtype = VOXEL_TYPES[mode]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.arange(limits.min, limits.max + 1).astype(np.float32)
    if mode == 12:
        bits = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        bits = bits[np.isfinite(bits)]
    else:
        random = np.random.default_rng(0)
        bits = random.integers(0, 1 << 32, 200_000, np.uint32).view(np.float32)
        info = np.finfo(np.float32)
        edges = [0.0, info.tiny, info.smallest_subnormal, info.max, 1.0, np.nextafter(1, 2)]
        edges = np.array([*edges, *np.negative(edges)], np.float32)
        bits = np.concatenate([bits[np.isfinite(bits)], edges])
    # -0.0 and 0.0 compare equal; the sign bit decides.
    order = np.lexsort([~np.signbit(bits), bits])
    return bits[order].astype(np.float32)


@pytest.mark.parametrize("mode", VOXEL_TYPES)
def test_codes_are_exactly_invertible(mode: int) -> None:
    values = every_value(mode)
    again = from_codes(to_codes(values, mode), mode)
    assert again.dtype == np.float32
    assert again.tobytes() == values.tobytes()  # bytes: -0.0 equals 0.0 otherwise


@pytest.mark.parametrize("mode", VOXEL_TYPES)
def test_codes_keep_the_order(mode: int) -> None:
    values = every_value(mode)
    steps = np.diff(to_codes(values, mode))
    distinct = (np.diff(values) != 0) | (np.diff(np.signbit(values).astype(int)) != 0)
    assert (steps[distinct] > 0).all()
    assert (steps[~distinct] == 0).all()
    if mode != 2:  # all values of the mode are there: neighbours have neighbouring codes
        assert (steps == 1).all()


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_negative_zero_stays_apart(mode: int) -> None:
    codes = to_codes(np.array([-0.0, 0.0], np.float32), mode)
    assert codes.tolist() == [-1, 0]
    assert np.signbit(from_codes(codes, mode)).tolist() == [True, False]


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_neighbouring_floats_have_neighbouring_codes(mode: int) -> None:
    dtype = VOXEL_TYPES[mode]
    values = np.array([-1.0, -1e-3, 1e-7, 0.5, 1.0, 1000.0], dtype)
    above = np.nextafter(values, dtype.type(np.inf))
    low, high = (to_codes(v.astype(np.float32), mode) for v in (values, above))
    assert (high - low == 1).all()


@QUICK
@given(hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32)))
def test_float32_codes_by_hypothesis(values: np.ndarray) -> None:
    """Infinities and NaN too: a lossless residual must not care what the voxels mean."""
    assert from_codes(to_codes(values, 2), 2).tobytes() == values.tobytes()
    assert np.abs(to_codes(values, 2)).max() <= 2**31


@pytest.mark.parametrize(
    ("mode", "density", "expected"),
    [
        (0, 1.4, 1.0),
        (0, -1.6, -2.0),
        (0, 2.5, 2.0),
        (0, 500.0, 127.0),
        (0, -500.0, -128.0),
        (1, 1e9, 32767.0),
        (1, -1e9, -32768.0),
        (1, -0.4, 0.0),
        (8, -3.0, 0.0),
        (8, 500.0, 255.0),
        (6, -3.0, 0.0),
        (6, 1e9, 65535.0),
        (6, 65534.6, 65535.0),
        (2, 0.1, float(np.float32(0.1))),
        (2, -1e-45, float(np.float32(-1e-45))),
        (12, 1e9, 65504.0),
        (12, -1e9, -65504.0),
        (12, 0.1, float(np.float16(0.1))),
        (12, 1e-9, 0.0),
    ],
)
def test_snap(mode: int, density: float, expected: float) -> None:
    for dtype in (np.float32, np.float64):
        snapped = snap(np.array([density], dtype), mode)
        assert snapped.dtype == np.float32
        assert float(snapped[0]) == expected


@pytest.mark.parametrize("mode", VOXEL_TYPES)
def test_snap_leaves_what_is_exact_and_is_nearest(mode: int) -> None:
    values = every_value(mode)
    assert np.array_equal(snap(values, mode), values)
    usual = values[np.abs(values) < 1e4]
    low, high = usual[:-1].astype(np.float64), usual[1:].astype(np.float64)
    for share, nearest in ((0.2, low), (0.8, high)):
        between = low + share * (high - low)
        found = snap(between, mode)
        if mode != 2:  # the float32 values are no neighbours
            assert np.array_equal(found, nearest)
        assert (np.abs(found - between) <= np.abs(nearest - between)).all()


@pytest.mark.parametrize("mode", VOXEL_TYPES)
@pytest.mark.parametrize("threshold", [-2.5, -1.0, -1e-9, 0.0, 0.3, 1.0, 17.2, 100.0])
def test_just_above_is_the_next_value_of_the_mode(mode: int, threshold: float) -> None:
    found = just_above(threshold, mode)
    assert found > threshold
    assert float(snap(np.array([found]), mode)[0]) == max(
        found, 0.0 if VOXEL_TYPES[mode].kind == "u" else found
    )
    if mode in INTEGER_MODES:
        assert found == np.floor(threshold) + 1
        return
    below = from_codes(to_codes(np.array([found], np.float32), mode) - 1, mode)[0]
    # Zero has two codes, and both are the value zero.
    assert below <= threshold or (below == 0 and found == 0)


@QUICK
@given(st.floats(-6e4, 6e4), st.sampled_from(FLOAT_MODES))
def test_just_above_by_hypothesis(threshold: float, mode: int) -> None:
    dtype = VOXEL_TYPES[mode]
    found = dtype.type(just_above(threshold, mode))
    assert float(found) > threshold
    assert float(np.nextafter(found, dtype.type(-np.inf))) <= threshold


@pytest.mark.parametrize(
    ("mode", "largest", "expected"),
    [
        (0, 100.0, 1.0),
        (1, 3e4, 1.0),
        (6, 0.0, 1.0),
        (2, 1.0, 2.0**-23),
        (2, -1.5, 2.0**-23),
        (2, 1024.0, 2.0**-13),
        (12, 1.0, 2.0**-10),
        (12, -2048.0, 2.0),
    ],
)
def test_spacing(mode: int, largest: float, expected: float) -> None:
    assert spacing(largest, mode) == expected
