"""Synthetic maps look like a molecule in solvent, and are the same for the same arguments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_cryoinr import SettingsError, synthetic_map
from napari_cryoinr.maps.auto_threshold import auto_threshold
from napari_cryoinr.maps.map_statistics import statistics


def shell_amplitudes(data: np.ndarray, bins: np.ndarray, voxel_size: float) -> np.ndarray:
    """Mean Fourier amplitude between successive spatial frequencies, 1/Å."""
    axes = np.ix_(*[np.fft.fftfreq(n, voxel_size) ** 2 for n in data.shape])
    frequency = np.sqrt(axes[0] + axes[1] + axes[2])
    amplitude = np.abs(np.fft.fftn(data))
    return np.array(
        [
            amplitude[(frequency >= low) & (frequency < high)].mean()
            for low, high in itertools.pairwise(bins)
        ]
    )


@pytest.mark.parametrize("size", [20, 21, 48, (24, 40, 33)])
def test_shape_type_and_normalisation(size: int | tuple[int, int, int]) -> None:
    made = synthetic_map(size, voxel_size=2.5, name="made")
    assert made.data.shape == (size if isinstance(size, tuple) else (size,) * 3)
    assert made.data.dtype == np.float32
    assert made.voxel_size == (2.5, 2.5, 2.5)
    assert made.name == "made"
    assert np.isfinite(made.data).all()
    assert made.data.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    corner = made.data[:5, :5, :5].mean()
    assert abs(corner) < 0.2  # solvent


def test_same_seed_same_map_and_other_seed_other_map() -> None:
    first, again, other = (synthetic_map(24, seed=s).data for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert np.corrcoef(first.ravel(), other.ravel())[0, 1] < 0.9


def test_global_random_state_is_neither_used_nor_touched() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    first = synthetic_map(20).data
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]
    np.random.seed(2)
    assert np.array_equal(first, synthetic_map(20).data)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
def test_auto_threshold_finds_the_molecule(seed: int, noise: float) -> None:
    made = synthetic_map(48, seed=seed, noise=noise)
    above = made.data > auto_threshold(statistics(made))
    assert 0.03 <= above.mean() <= 0.12
    faces = np.ones(above.shape, bool)
    faces[3:-3, 3:-3, 3:-3] = False
    assert above[faces].mean() < 0.002  # but for specks of noise, nothing is at the faces


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.4])
def test_noise_has_the_strength_asked_for(noise: float) -> None:
    quiet, noisy = (synthetic_map(48, noise=n).data.astype(float) for n in (0.0, noise))
    # The same seed gives the same molecule: bring it to the same scale and the rest is noise.
    slope, shift = np.polyfit(quiet.ravel(), noisy.ravel(), 1)
    rest = noisy - slope * quiet - shift
    inside = quiet > np.quantile(quiet, 0.935)
    assert rest.std() / (slope * quiet[inside].std()) == pytest.approx(noise, rel=0.05)


@pytest.mark.parametrize(("voxel_size", "resolution"), [(2.0, 6.0), (1.0, 4.0), (5.0, 12.0)])
def test_power_falls_with_resolution_and_ends_at_it(voxel_size: float, resolution: float) -> None:
    made = synthetic_map(64, voxel_size=voxel_size, resolution=resolution, noise=0.02)
    bins = np.array([0.1, 0.3, 0.5, 0.7, 0.85, 1.0, 1.15]) / resolution
    amplitudes = shell_amplitudes(made.data.astype(float), bins, voxel_size)
    assert (np.diff(amplitudes) < 0).all()
    beyond = np.array([1.16, 1.5]) / resolution
    assert shell_amplitudes(made.data.astype(float), beyond, voxel_size)[0] < 1e-4 * amplitudes[0]


def test_large_map_is_quick_enough_for_tests() -> None:
    made = synthetic_map(128)
    assert 0.03 <= (made.data > auto_threshold(statistics(made))).mean() <= 0.12


@pytest.mark.parametrize(
    ("arguments", "name", "rule"),
    [
        ({"size": 3}, "size = 3", "at least 4"),
        ({"size": 20.0}, "size = (20.0,", "an integer"),
        ({"size": True}, "size = (True,", "an integer"),
        ({"size": (20, 20)}, "size has 2 items", "3 to 3"),
        ({"size": (20, 20, 0)}, "size = 0", "at least 4"),
        ({"voxel_size": 0.0}, "voxel_size = 0.0", "above 0"),
        ({"voxel_size": float("nan")}, "voxel_size = nan", "finite"),
        ({"voxel_size": "2"}, "voxel_size = '2'", "a number"),
        ({"resolution": 3.9}, "resolution = 3.9", "from 4 Å"),
        ({"resolution": 41.0, "size": 20}, "resolution = 41.0", "to 40 Å"),
        ({"noise": -0.1}, "noise = -0.1", "at least 0"),
        ({"noise": float("inf")}, "noise = inf", "finite"),
        ({"seed": -1}, "seed = -1", "at least 0"),
        ({"seed": 1.5}, "seed = 1.5", "integer"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], name: str, rule: str) -> None:
    with pytest.raises(SettingsError) as caught:
        synthetic_map(**arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    assert name in message and rule in message and "\n" not in message


def test_limits_of_the_arguments_are_allowed() -> None:
    for arguments in ({"size": 4}, {"resolution": 4.0}, {"resolution": 40.0}, {"noise": 0}):
        made = synthetic_map(**{"size": 20, **arguments})  # type: ignore[arg-type]
        assert np.isfinite(made.data).all()
