"""Thresholds: what the settings mean as densities, and the automatic choice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import DensityMap, SettingsError, synthetic_map
from napari_cryoinr.maps import density_map as density_map_module
from napari_cryoinr.maps.threshold import (
    Statistics,
    auto_threshold,
    otsu,
    resolve_threshold,
    statistics,
)


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
    assert stats.flat is None and stats.size == data.size
    assert stats.counts.sum() == data.size
    width = stats.centres[1] - stats.centres[0]
    for share in (0.01, 0.3, 0.5, 0.99):
        found = stats.quantile(share)
        assert np.mean(data < found - width) <= share <= np.mean(data <= found + width)
    for density in (-0.1, 0.5, 3.0):
        close = np.mean(np.abs(data - density) < width)
        assert stats.share_above(density) == pytest.approx(np.mean(data > density), abs=close)


@pytest.mark.usefixtures("any_slabs")
def test_statistics_leave_out_the_outside_of_a_masked_map() -> None:
    made = masked(24, 0)
    stats = statistics(made)
    outside = int(np.count_nonzero(made.data == 0))
    assert stats.flat == 0.0
    assert stats.counts.sum() == made.data.size - outside
    assert stats.share_above(-0.5) == pytest.approx(np.mean(made.data > -0.5), abs=0.002)
    assert stats.mean == pytest.approx(made.data.mean(dtype=np.float64))  # all voxels


def test_few_zeros_are_no_mask() -> None:
    data = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    data[0] = 0  # exactly 5 %
    assert statistics(DensityMap(data)).flat is None
    data[1, 0, 0] = 0
    assert statistics(DensityMap(data)).flat == 0.0


def test_otsu_separates_two_peaks() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0, 1, 50_000), random.normal(10, 1, 50_000)])
    counts, edges = np.histogram(values, bins=512)
    assert 4 < otsu(counts, (edges[:-1] + edges[1:]) / 2) < 6


def test_otsu_is_the_best_of_all_cuts() -> None:
    """Against the definition: the greatest variance between the two classes."""
    counts = np.random.default_rng(0).integers(0, 50, 40)
    centres = np.linspace(-3, 5, 40)
    values = np.repeat(centres, counts)

    def between(cut: float) -> float:
        low, high = values[values <= cut], values[values > cut]
        return low.size * high.size * (low.mean() - high.mean()) ** 2

    best = max(centres[1:-1], key=between)
    assert otsu(counts, centres) == best


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
    assert otsu(stats.counts, stats.centres) == pytest.approx(5, abs=0.3)
    assert auto_threshold(stats) == pytest.approx(5 + 3 * 2, abs=0.15)


def test_auto_is_at_most_three_sigma_of_the_map() -> None:
    stats = noise_and(*np.linspace(0, 1000, 54))  # a long tail draws Otsu's threshold up
    bound = stats.mean + 3 * stats.sigma
    assert bound < 100 < otsu(stats.counts, stats.centres)
    assert auto_threshold(stats) == bound


def test_auto_uses_no_bound_that_leaves_nothing() -> None:
    stats = noise_and(400.0, 1000.0)  # fewer than one voxel in ten thousand
    assert stats.mean + 3 * stats.sigma < 35
    assert auto_threshold(stats) == otsu(stats.counts, stats.centres) >= 399


def test_auto_is_not_negative_where_densities_are_positive() -> None:
    data = np.random.default_rng(0).normal(-5, 1, (20, 20, 20)).astype(np.float32)
    data[0, 0, 0] = 0.5
    assert auto_threshold(statistics(DensityMap(data))) == 0.0
    data[0, 0, 0] = -5
    assert auto_threshold(statistics(DensityMap(data))) < 0.0


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
    stats = Statistics(-1.0, 10.0, 0.0, 1.0, None, np.ones(2, np.int64), np.zeros(2), 2)
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
