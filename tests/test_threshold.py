"""Thresholds: what the settings mean as densities, and the automatic choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import DensityMap, SettingsError, synthetic_map
from napari_cryoinr.maps import density_map as density_map_module
from napari_cryoinr.maps import map_statistics as map_statistics_module
from napari_cryoinr.maps.auto_threshold import auto_threshold, least_voxels, otsu, solvent_density
from napari_cryoinr.maps.map_statistics import Statistics, statistics
from napari_cryoinr.maps.threshold import resolve_threshold


def masked(size: int, seed: int) -> DensityMap:
    """A synthetic map whose outside, all but a shell around the molecule, is exactly zero."""
    made = synthetic_map(size, seed=seed, noise=0.1)
    axes = np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j, -1 : 1 : size * 1j]
    made.data[sum(a**2 for a in axes) > 0.75**2] = 0
    return made


@pytest.fixture(params=["one slab", "many slabs"])
def any_slabs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many slabs":
        monkeypatch.setattr(density_map_module, "SLAB_VOXELS", 2000)


@pytest.mark.usefixtures("any_slabs")
def test_statistics_are_those_of_the_voxels() -> None:
    made = synthetic_map(24, seed=1)
    stats = statistics(made)
    data = made.data.astype(np.float64)
    assert (stats.low, stats.high) == (data.min(), data.max())
    assert stats.mean == pytest.approx(data.mean(), abs=1e-9)
    assert stats.sigma == pytest.approx(data.std(), rel=1e-9)
    assert stats.flat is None and stats.size == stats.varied == data.size
    assert np.array_equal(stats.sample, np.sort(made.data, axis=None))
    for share in (0.01, 0.3, 0.5, 0.99, 1.0):
        found = stats.quantile(share)
        assert np.mean(data < found) <= share <= np.mean(data <= found) + 1e-3
    for density in (-0.1, 0.5, 3.0):
        assert stats.share_above(density) == pytest.approx(np.mean(data > density), abs=1e-9)


@pytest.mark.usefixtures("any_slabs")
def test_statistics_leave_out_the_outside_of_a_masked_map() -> None:
    made = masked(24, 0)
    stats = statistics(made)
    outside = int(np.count_nonzero(made.data == 0))
    assert stats.flat == 0.0
    assert stats.varied == stats.sample.size == made.data.size - outside
    for density in (-0.5, 0.5):
        assert stats.share_above(density) == pytest.approx(np.mean(made.data > density), abs=1e-9)
    assert stats.mean == pytest.approx(made.data.mean(dtype=np.float64))  # all voxels


@pytest.mark.usefixtures("any_slabs")
def test_a_large_map_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    made = synthetic_map(32, seed=2)
    monkeypatch.setattr(map_statistics_module, "_SAMPLE", 4000)
    stats = statistics(made)
    assert 3000 <= stats.sample.size <= 4000 and stats.varied == made.data.size
    for density in (0.0, 1.0, 3.0):
        assert stats.share_above(density) == pytest.approx(np.mean(made.data > density), abs=0.02)


def test_borders_within_borders_are_left_out() -> None:
    inner = synthetic_map(20, seed=3).data
    padded = np.pad(inner, ((1, 4), (0, 2), (3, 3)), constant_values=7)
    padded = np.pad(padded, ((2, 0), (5, 5), (1, 1)), constant_values=-1)
    stats = statistics(DensityMap(padded))
    assert stats.box == (slice(3, 23), slice(5, 25), slice(4, 24))
    assert np.array_equal(stats.sample, np.sort(inner, axis=None))
    assert dict(stats.constants) == {
        7.0: int(np.count_nonzero(padded == 7)),
        -1.0: int(np.count_nonzero(padded == -1)),
    }


def test_few_zeros_are_no_mask() -> None:
    data = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    data.flat[: data.size // 100] = 0  # exactly 1 %
    assert statistics(DensityMap(data)).flat is None
    data[10] = 0
    assert statistics(DensityMap(data)).flat == 0.0


def test_whole_numbers_are_no_mask_where_they_repeat_alike() -> None:
    noise = np.random.default_rng(0).normal(100, 3, (20, 20, 20)).round().astype(np.float32)
    assert statistics(DensityMap(noise)).flat is None
    noise[:, 4:16, 4:16] = 100
    assert statistics(DensityMap(noise)).flat == 100


def test_otsu_separates_two_peaks() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0, 1, 50_000), random.normal(10, 1, 50_000)])
    assert 4 < otsu(np.sort(values).astype(np.float32)) < 6


def test_otsu_is_the_best_of_all_cuts() -> None:
    """Against the definition: the greatest variance between the two classes."""
    counts = np.random.default_rng(0).integers(0, 50, 40)
    centres = np.linspace(-3, 5, 40).astype(np.float32)
    values = np.repeat(centres, counts)
    inner = np.clip(values, *values[[values.size // 1000, -1 - values.size // 1000]])

    def between(cut: float) -> float:
        low, high = inner[values <= cut], inner[values > cut]
        return low.size * high.size * (low.mean() - high.mean()) ** 2

    best = max(np.unique(values)[:-1], key=between)
    found = otsu(values)
    assert np.array_equal(values > best, values > np.float32(found))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "make",
    [lambda seed: synthetic_map(40, seed=seed), lambda seed: masked(40, seed)],
    ids=["unmasked", "masked"],
)
def test_auto_is_the_molecule(make: object, seed: int) -> None:
    made = make(seed)  # type: ignore[operator]
    quiet = synthetic_map(40, seed=seed, noise=0.0).data
    threshold = resolve_threshold("auto", statistics(made))
    assert threshold is not None and threshold > 0
    above = made.data > threshold
    assert 0.02 <= above.mean() <= 0.12
    molecule = quiet > np.quantile(quiet, 0.92)
    assert molecule[above].mean() > 0.95


def noise_and(*densities: float) -> Statistics:
    """27,000 voxels of noise with mean 5 and deviation 2, a few of them replaced by densities."""
    data = np.random.default_rng(0).normal(5, 2, (30, 30, 30)).astype(np.float32)
    data.flat[: len(densities)] = densities
    return statistics(DensityMap(data))


def test_auto_is_at_least_three_deviations_above_the_noise() -> None:
    # Otsu's threshold of noise alone is its mean.
    stats = noise_and()
    assert otsu(stats.sample) == pytest.approx(5, abs=0.3)
    assert auto_threshold(stats) == pytest.approx(5 + 3 * 2, abs=0.15)


def test_auto_of_a_full_box_separates_the_structure_once_more() -> None:
    random = np.random.default_rng(0)
    layers = np.repeat([0.0, 10.0, 11.0, 14.0], [9000, 6000, 6000, 6000])
    data = (layers + random.normal(0, 0.3, layers.size)).astype(np.float32).reshape(30, 30, 30)
    assert 12 < auto_threshold(statistics(DensityMap(data))) < 13.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("value", [1e4, -1e4, 3.4e38])
def test_hot_voxels_hardly_move_auto(seed: int, value: float) -> None:
    made = synthetic_map(40, seed=seed)
    hot = made.data.copy()
    usual = auto_threshold(statistics(made))
    hot.flat[np.random.default_rng(seed).choice(hot.size, 12, replace=False)] = value
    found = auto_threshold(statistics(DensityMap(hot, made.voxel_size)))
    assert found == pytest.approx(usual, rel=0.02)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.integers(0, 3),
    st.sampled_from([1e-30, 1e-6, 1.0, 300.0, 1e36]),
    st.floats(-20, 20),
    st.booleans(),
)
def test_auto_follows_scaled_and_shifted_densities(
    seed: int, scale: float, shift: float, with_mask: bool
) -> None:
    made = masked(24, seed) if with_mask else synthetic_map(24, seed=seed)
    moved = ((made.data.astype(np.float64) + shift) * scale).astype(np.float32)
    # Densities that rounding makes equal to the outside of the mask are outside of the other map.
    back = (moved / np.float64(scale) - shift).astype(np.float32)
    if with_mask:
        back[moved == moved[0, 0, 0]] = made.data[0, 0, 0]
    expected = auto_threshold(statistics(DensityMap(back, made.voxel_size)))
    found = auto_threshold(statistics(DensityMap(moved, made.voxel_size)))
    assert found / scale - shift == pytest.approx(expected, abs=1e-4)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.integers(0, 3),
    st.tuples(*[st.tuples(st.integers(0, 9), st.integers(0, 9))] * 3),
    st.sampled_from([0.0, -5.0, 0.7, 1e4, -1e30]),
    st.booleans(),
)
def test_auto_takes_no_notice_of_a_border(
    seed: int, widths: tuple[tuple[int, int], ...], value: float, with_mask: bool
) -> None:
    made = masked(24, seed) if with_mask else synthetic_map(24, seed=seed)
    padded = np.pad(made.data, widths, constant_values=value).astype(np.float32)
    expected = auto_threshold(statistics(made))
    assert auto_threshold(statistics(DensityMap(padded, made.voxel_size))) == expected


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.6, 0.7), (3.0, 3.0, 3.0), (12.0, 12.0, 12.0)]),
    st.sampled_from(["noise", "power", "whole", "few", "rare"]),
)
def test_auto_never_keeps_less_than_a_molecule(
    seed: int, voxel_size: tuple[float, float, float], kind: str
) -> None:
    random = np.random.default_rng(seed)
    shape = tuple(int(n) for n in random.integers(4, 24, 3))
    data = random.normal(0, 1, shape)
    if kind == "power":
        data = np.exp(5 * data)
    elif kind == "whole":
        data = np.rint(4 * data)
    elif kind == "few":
        data = random.integers(0, 3, shape)
    elif kind == "rare":
        data = np.where(random.random(shape) < 0.002, 1e4, data)
    made = DensityMap(data.astype(np.float32), voxel_size)
    stats = statistics(made)
    threshold = resolve_threshold("auto", stats)
    if threshold is None:
        assert stats.low == stats.high
        return
    least = 0.001 * stats.varied
    if voxel_size[0] != 1:  # 10 kDa of protein, at most a ball of a third of the edge
        least = max(least, min(12_000 / np.prod(voxel_size), 0.019 * stats.varied))
    assert least_voxels(stats) == pytest.approx(least)
    assert np.count_nonzero(made.data > np.float32(threshold)) >= least


def test_the_corners_of_a_rotated_volume_are_no_solvent() -> None:
    data = np.random.default_rng(0).normal(100, 5, (24, 24, 24)).astype(np.float32)
    data[:, :5, :5] = 0
    stats = statistics(DensityMap(data))
    assert stats.flat == 0 and solvent_density(stats) == pytest.approx(100, abs=1)


@pytest.mark.parametrize("values", [(0, 1), (0.25, 1e-3), (-7, 1e30)])
def test_auto_of_a_mask_lies_between_its_two_values(values: tuple[float, float]) -> None:
    inside = synthetic_map(24, noise=0.0).data > 2
    data = np.where(inside, np.float32(max(values)), np.float32(min(values)))
    for padded in (data, np.pad(data, 3, constant_values=min(values))):
        assert auto_threshold(statistics(DensityMap(padded))) == pytest.approx(sum(values) / 2)


def test_none_keeps_everything() -> None:
    assert resolve_threshold("none", statistics(synthetic_map(20))) is None


def test_auto_of_a_constant_map_keeps_everything() -> None:
    constant = statistics(DensityMap(np.full((4, 4, 4), 2.5, np.float32)))
    assert resolve_threshold("auto", constant) is None
    with pytest.raises(SettingsError, match="no voxel is above"):
        resolve_threshold(2.5, constant)


@pytest.mark.parametrize("number", [-1.0, 0.0, 1.5, 3.0])
def test_sigma_counts_from_the_mean_of_all_voxels(number: float) -> None:
    for made in (synthetic_map(24), masked(24, 0)):
        data = made.data.astype(np.float64) + 7  # a mean far from zero
        moved = DensityMap(data.astype(np.float32))
        expected = np.float32(data.mean() + number * data.std())
        found = resolve_threshold(f"{number}sigma", statistics(moved))
        assert found == pytest.approx(float(expected), rel=1e-6)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.floats(-100, 9.9))
def test_densities_are_taken_as_they_are_in_float32(density: float) -> None:
    stats = statistics(DensityMap(np.array([[[-1.0, 0.0, 10.0]]])))
    for setting in (density, repr(density)):
        assert resolve_threshold(setting, stats) == float(np.float32(density))


@pytest.mark.parametrize("setting", [1000.0, "1000", "500sigma"])
def test_a_threshold_above_every_voxel_is_refused(setting: float | str) -> None:
    stats = statistics(synthetic_map(20))
    with pytest.raises(SettingsError) as caught:
        resolve_threshold(setting, stats)
    message = str(caught.value)
    assert "no voxel is above it" in message and f"{stats.high:g}" in message
    assert "\n" not in message


def test_the_largest_density_is_no_threshold_but_the_one_below_is() -> None:
    made = synthetic_map(20)
    stats = statistics(made)
    with pytest.raises(SettingsError):
        resolve_threshold(stats.high, stats)
    below = float(np.nextafter(made.data.max(), np.float32(0)))
    assert resolve_threshold(below, stats) == below
