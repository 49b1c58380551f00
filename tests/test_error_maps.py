"""Error volumes: known answers, and any region is what the whole has there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import MapError, SettingsError
from napari_cryoinr.progress import drain
from napari_cryoinr.quality.error_maps import (
    ABSOLUTE,
    CORRELATION,
    KINDS,
    RELATIVE,
    SIGNED,
    ErrorMap,
    display_limits,
)

ALL = slice(None)
EVERYTHING = (ALL, ALL, ALL)


def pair(shape=(11, 12, 13), noise=0.3, seed=0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    original = random.normal(size=shape).astype(np.float32)
    return original, original + np.float32(noise) * random.normal(size=shape).astype(np.float32)


def naive_correlation(a: np.ndarray, b: np.ndarray, window: int) -> np.ndarray:
    out = np.empty(a.shape)
    half = window // 2
    indices = np.indices(a.shape)
    for place in np.ndindex(a.shape):
        squares = sum((axis - i) ** 2 for axis, i in zip(indices, place, strict=True))
        sphere = squares <= (half + 0.5) ** 2
        out[place] = np.corrcoef(a[sphere], b[sphere])[0, 1]
    return out


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_perfect_map_has_no_error(kind) -> None:
    original, _ = pair()
    original[2, 2, 2] = 0
    error = ErrorMap(original, original.copy(), kind)[EVERYTHING]
    known = np.isfinite(error)
    assert error.dtype == np.float32
    assert (error[known] == (1.0 if kind is CORRELATION else 0.0)).all()
    assert np.count_nonzero(~known) == (1 if kind is RELATIVE else 0)


def test_known_answers() -> None:
    original = np.zeros((2, 2, 2), np.int16)
    original[0, 0] = 4, 10
    original[1, 1, 1] = -5
    decoded = original.astype(np.float64)
    decoded[0, 0] = 3, 11
    decoded[1, 1, 1] = -4

    def errors(kind, contour=None) -> np.ndarray:
        return ErrorMap(original, decoded, kind, contour)[EVERYTHING]

    np.testing.assert_array_equal(errors(SIGNED)[0, 0], (-1, 1))
    np.testing.assert_array_equal(errors(ABSOLUTE)[0, 0], (1, 1))
    np.testing.assert_allclose(errors(RELATIVE)[0, 0], (25, 10))
    np.testing.assert_allclose(errors(RELATIVE)[1, 1, 1], 20)
    assert np.isnan(errors(RELATIVE)[0, 1]).all()  # the original is 0
    above = errors(RELATIVE, 4.0)
    assert above[0, 0, 1] == 10
    assert np.isnan(above[0, 0, 0])  # at the contour is not above it
    assert np.count_nonzero(np.isfinite(above)) == 1


def test_unsigned_and_boolean_maps_do_not_wrap_round() -> None:
    small, large = np.zeros((1, 1, 1), np.uint8), np.full((1, 1, 1), 200, np.uint8)
    assert ErrorMap(large, small, SIGNED)[0, 0, 0] == -200
    assert ErrorMap(large > 0, small > 0, SIGNED)[0, 0, 0] == -1


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_only_above_the_contour(kind) -> None:
    original, decoded = pair()
    everywhere = ErrorMap(original, decoded, kind)[EVERYTHING]
    inside = ErrorMap(original, decoded, kind, 0.5, inside_only=True)[EVERYTHING]
    np.testing.assert_array_equal(np.isfinite(inside), original > 0.5)
    np.testing.assert_array_equal(inside[original > 0.5], everywhere[original > 0.5])


@pytest.mark.parametrize("window", [3, 5])
def test_local_correlation_is_pearsons(window: int) -> None:
    a, b = pair((6, 7, 8))
    found = ErrorMap(a, b, CORRELATION, window=window)[EVERYTHING]
    np.testing.assert_allclose(found, naive_correlation(a, b, window), atol=1e-6)


def test_local_correlation_knows_scale_and_sign() -> None:
    a, _ = pair()
    for factor in (2.0, -3.0):
        found = ErrorMap(a, factor * a.astype(np.float64) + 7, CORRELATION)[EVERYTHING]
        np.testing.assert_allclose(found, np.sign(factor), atol=1e-6)


def test_local_correlation_of_a_small_spread_about_a_large_mean() -> None:
    a, b = (values.astype(np.float64) for values in pair((6, 6, 6)))
    found = ErrorMap(1e6 + a, 1e6 + b, CORRELATION, window=3)[EVERYTHING]
    np.testing.assert_allclose(found, naive_correlation(a, b, 3), atol=1e-5)


def test_local_correlation_without_spread() -> None:
    a, b = pair((20, 5, 5))
    a[:10] = b[:10] = 0.1
    b[:5] = 0.2
    a[14:] = 0.7
    found = ErrorMap(a, b, CORRELATION, window=3)[EVERYTHING]
    assert np.isnan(found[:4]).all()  # both constant, and different
    assert (found[6:9] == 1).all()  # both constant, and equal
    assert np.isnan(found[15:]).all()  # one of them constant
    assert np.isfinite(found[9:15]).all()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_voxel_without_a_density_spoils_no_other(kind, bad: float) -> None:
    a, b = pair()
    clean = ErrorMap(a, b, kind)[EVERYTHING]
    a[5, 5, 5] = bad
    found = ErrorMap(a, b, kind)[EVERYTHING]
    if kind is CORRELATION:
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found[:2, :2, :2], clean[:2, :2, :2])
    else:
        assert np.argwhere(np.isnan(found)).tolist() == [[5, 5, 5]]


@st.composite
def regions(draw, shape=(9, 10, 11)):
    places = []
    for count in shape:
        within = st.integers(-count, count - 1)
        several = st.lists(within, min_size=1, max_size=4).map(np.array)
        end = st.none() | st.integers(-count, count)
        step = st.sampled_from([None, 1, 2, 3, -1, -2])
        # dask asks for a list along one axis at most
        listed = any(isinstance(place, np.ndarray) for place in places)
        choices = within | st.builds(slice, end, end, step)
        places.append(draw(choices if listed else choices | several))
    return tuple(places[: draw(st.integers(1, 3))])


@settings(max_examples=60, deadline=None)
@given(regions(), st.sampled_from(list(KINDS.values())), st.sampled_from([3, 7, 31]))
def test_a_region_is_what_the_whole_has_there(region, kind, window: int) -> None:
    error_map = ErrorMap(*pair((9, 10, 11)), kind, 0.1, window=window)
    expected = error_map[EVERYTHING]
    for axis in reversed(range(len(region))):  # lists index each axis on its own
        expected = expected[(slice(None),) * axis + (region[axis],)]
    np.testing.assert_allclose(error_map[region], expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_lazy_maps_and_volumes_give_the_same(kind) -> None:
    da = pytest.importorskip("dask.array")
    from napari_cryoinr.gui.error_dock.error_layers import lazy_volume

    original, decoded = pair((20, 30, 40))
    expected = ErrorMap(original, decoded, kind, 0.1)[EVERYTHING]
    chunked = ErrorMap(original, da.from_array(decoded, chunks=(8, 16, 16)), kind, 0.1)
    volume = lazy_volume(chunked)
    assert volume.chunks == chunked.decoded.chunks
    np.testing.assert_allclose(np.asarray(volume), expected, atol=1e-6)
    np.testing.assert_allclose(np.asarray(volume[7]), expected[7], atol=1e-6)
    np.testing.assert_allclose(drain(chunked.compute_steps()), expected, atol=1e-6)


class Counted:
    """An array that notes how many voxels were read of it."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.voxels = data, data.shape, 0

    def __getitem__(self, index):
        self.voxels += self.data[index].size
        return self.data[index]

    def __reduce__(self):
        raise AssertionError("the whole map was serialised")


def test_a_plane_of_a_lazy_volume_reads_little() -> None:
    pytest.importorskip("dask")
    from napari_cryoinr.gui.error_dock.error_layers import lazy_volume

    original, decoded = pair((150, 30, 30))
    for kind, planes in ((SIGNED, 1), (CORRELATION, 7)):
        counted = Counted(original)
        np.asarray(lazy_volume(ErrorMap(counted, decoded, kind))[75])
        assert counted.voxels == planes * 900


@pytest.mark.parametrize("kind", [SIGNED, CORRELATION])
def test_volumes_are_computed_part_by_part(kind) -> None:
    error_map = ErrorMap(*pair((20, 150, 150)), kind, 0.5)
    records = []
    volume = drain(error_map.compute_steps(), records.append)
    np.testing.assert_allclose(volume, error_map[EVERYTHING], atol=1e-6)
    assert len(records) > 1
    assert records[-1].step == records[-1].steps


def test_limits() -> None:
    values = np.append(np.linspace(-2, 1, 1000, dtype=np.float32), np.float32(np.nan))
    values[500] = 1000  # one voxel is no reason to see nothing of the others
    low, high = display_limits(SIGNED, values)
    assert -low == high == pytest.approx(2, rel=0.02)
    assert display_limits(ABSOLUTE, np.abs(values)) == (0, pytest.approx(2, rel=0.02))
    assert display_limits(RELATIVE, np.abs(values)) == (0, 20)
    assert display_limits(RELATIVE, 30 * np.abs(values)) == (0, pytest.approx(60, rel=0.02))
    assert display_limits(RELATIVE, 1000 * np.abs(values)) == (0, 100)
    assert display_limits(CORRELATION, values / 2) == (pytest.approx(-1, rel=0.02), 1)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("value", [None, np.nan, 0.0, 1.0])
def test_limits_are_never_empty(kind, value) -> None:
    low, high = display_limits(kind, np.full(0 if value is None else 9, value, np.float32))
    assert np.isfinite([low, high]).all()
    assert low < high


def test_few_wrong_voxels_are_seen() -> None:
    values = np.zeros(10_000, np.float32)
    values[0] = -3
    assert display_limits(SIGNED, values) == (-3, 3)


def test_limits_of_a_large_map_come_from_samples() -> None:
    original, decoded = pair((140, 150, 160))
    counted = Counted(original)
    low, high = drain(ErrorMap(counted, decoded, SIGNED).limits_steps())
    whole = display_limits(SIGNED, decoded - original)
    np.testing.assert_allclose((low, high), whole, rtol=0.02)
    assert counted.voxels == 27 * 32**3 < original.size


def test_limits_of_a_small_map_come_from_all_of_it() -> None:
    original, decoded = pair((33, 20, 5))
    counted = Counted(original)
    drain(ErrorMap(counted, decoded, SIGNED).limits_steps())
    assert counted.voxels == original.size


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"decoded": np.zeros((4, 4, 5))}, MapError, r"\(4, 4, 4\) and \(4, 4, 5\).*one grid"),
        ({"original": np.zeros((4, 4)), "decoded": np.zeros((4, 4))}, MapError, "volumes"),
        ({"window": 4}, SettingsError, "window = 4.*odd, 3 to 31"),
        ({"window": 33}, SettingsError, "window = 33.*odd, 3 to 31"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, error, message: str) -> None:
    good = ErrorMap(np.zeros((4, 4, 4)), np.zeros((4, 4, 4)), SIGNED)
    with pytest.raises(error, match=message):
        dataclasses.replace(good, **change)
