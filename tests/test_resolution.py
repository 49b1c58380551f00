"""The resolution of a map: maps whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import DensityMap, Settings, compress, open_archive, synthetic_map
from napari_cryoinr.maps.envelope import soft_mask
from napari_cryoinr.maps.fourier_shells import FourierShells
from napari_cryoinr.maps.half_maps import HalfMapNoise
from napari_cryoinr.maps.resolution import resolution_steps
from napari_cryoinr.progress import Clock, drain

SHAPE, VOXEL = (48, 48, 48), (2.0, 2.0, 2.0)


def frequencies(shape=SHAPE, voxel=VOXEL):
    z, y, x = (np.fft.fftfreq(n, v) for n, v in zip(shape, voxel, strict=True))
    return np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x[: shape[2] // 2 + 1] ** 2)


def filtered(volume, response):
    return np.fft.irfftn(np.fft.rfftn(volume) * response, s=volume.shape, axes=(0, 1, 2)).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def molecule():
    """Grains within a ball, whose spectrum is flat but for the envelope."""
    rng = np.random.default_rng(3)
    z, y, x = np.ogrid[:48, :48, :48]
    ball = (z - 24) ** 2 + (y - 23) ** 2 + (x - 25) ** 2 < 12**2
    data = np.where(ball, 1 + rng.normal(0, 0.7, SHAPE), 0).astype(np.float32)
    return data, soft_mask(ball.astype(np.float32), 0.5, 2, 3)


def found(data, weight, background=0.0, voxel=VOXEL):
    return drain(resolution_steps(data, weight, voxel, background, Clock()))


@pytest.mark.parametrize("cut", [6.0, 8.0])
def test_a_low_pass_filter_is_found(molecule, cut):
    data, weight = molecule
    low = filtered(data, frequencies() < 1 / cut)
    masked = low * weight
    for volume, mask in ((low, weight), (low + np.float32(5), weight), (masked, weight)):
        resolution = found(volume, mask, float(volume[0, 0, 0]))
        assert resolution.source == "filter"
        assert abs(96 / resolution.angstrom - 96 / cut) <= 1.5  # shells


@pytest.mark.parametrize("cut", [7.0, 10.0])
def test_noise_that_drowns_the_signal_is_found(molecule, cut):
    data, weight = molecule
    noise = np.random.default_rng(5).normal(0, 1, SHAPE).astype(np.float32)
    shells = FourierShells(SHAPE, VOXEL)
    # The signal falls by a B factor until it has a third of the power of the noise.
    k = frequencies()
    signal = filtered(data, np.exp(-((k * cut) ** 2) * 2.5))
    inside = np.square(weight).sum()
    power = shells.power(shells.spectrum(signal * weight)) / shells.counts / inside
    noise *= np.sqrt(3 * power[round(96 / cut)])
    resolution = found(signal + noise, weight)
    assert resolution.source == "solvent"
    assert abs(96 / resolution.angstrom - 96 / cut) <= 2


def test_what_is_sharp_to_the_grid_and_what_is_nearly_nothing(molecule):
    data, weight = molecule
    assert found(data, weight).source == "grid"
    weak = filtered(data, np.exp(-400 * frequencies() ** 2))
    resolution = found(weak, None)
    shells = FourierShells(SHAPE, VOXEL)
    power = shells.power(shells.spectrum(weak))[1:]
    assert resolution.source == "weak"
    last = shells.last(resolution.angstrom)
    assert power[last - 1] >= 1e-4 * power.max() > power[last]


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_scale_of_density_matters(molecule, scale):
    data, weight = molecule
    low = filtered(data, frequencies() < 1 / 8)
    same = found(low * np.float32(scale), weight)
    assert same == found(low, weight)


def test_half_maps_tell_their_known_correlation(molecule):
    data, _ = molecule
    rng = np.random.default_rng(9)
    k = frequencies()
    spectrum = np.abs(np.fft.rfftn(data))
    shells = FourierShells(SHAPE, VOXEL)
    power = shells.power(shells.spectrum(data)) / shells.counts
    ratio = 1e3 * np.exp(-np.arange(len(power)) / 2)  # of signal to noise in a half
    amplitude = np.sqrt(power / ratio)[np.minimum(shells.index, len(power) - 1)] / 48**1.5
    assert spectrum.shape == amplitude.shape == k.shape
    one, two = (
        DensityMap(data + filtered(rng.normal(size=SHAPE), amplitude), VOXEL) for _ in range(2)
    )
    noise = HalfMapNoise.measure((replace(one, data=one.data + 7), two), None, one)
    expected = HalfMapNoise(shells, (ratio / (1 + ratio))[1:])
    assert np.allclose(noise.correlation, expected.correlation, atol=0.12)
    assert abs(noise.last_shell - expected.last_shell) <= 1
    assert 96 / (noise.last_shell + 1) <= noise.resolution <= 96 / noise.last_shell
    # Of the mean of both, noise is what is not signal: 1 / (1 + 2 S / N).
    assert np.allclose(expected.noise_share, 1 / (1 + 2 * ratio[1:]), atol=2e-6)


def test_an_error_in_each_half_map_lowers_the_correlation_as_predicted():
    rng = np.random.default_rng(2)
    signal, *others = (rng.normal(size=SHAPE).astype(np.float32) for _ in range(5))
    halves = [signal + other for other in others[:2]]
    shells = FourierShells(SHAPE, VOXEL)

    def noise_of(maps):
        one, two = (DensityMap(m, VOXEL) for m in maps)
        return HalfMapNoise.measure((one, two), None, one)

    before = noise_of(halves)
    # The mean has a power of 1 + 1/2: an error of 0.6 is a share of 0.4.
    worse = noise_of([half + np.sqrt(0.6) * e for half, e in zip(halves, others[2:], strict=True)])
    predicted = before.with_error(np.full(shells.nyquist, 0.4))
    assert np.allclose(predicted.correlation, worse.correlation, atol=0.15)
    assert np.mean(predicted.correlation[5:] - worse.correlation[5:]) == pytest.approx(0, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(*[st.integers(4, 40)] * 3), voxel=st.tuples(*[st.floats(0.01, 300)] * 3))
def test_the_resolution_of_a_shell_names_that_shell(shape, voxel):
    shells = FourierShells(shape, voxel)
    for shell in range(1, shells.nyquist + 1):
        assert shells.last(shells.resolution(shell)) == shell


def test_the_report_says_the_resolution_and_where_it_comes_from(molecule, tmp_path):
    data, _ = molecule
    low = filtered(data, frequencies() < 1 / 8)
    m = DensityMap(low, VOXEL, name="filtered")
    chosen = Settings(threshold=float(low.max()) / 3, effort="fast")
    report = compress(m, tmp_path / "auto.cinr", chosen)
    assert report.resolution_source == "filter"
    assert report.resolution == pytest.approx(8, abs=0.7)
    stored = open_archive(tmp_path / "auto.cinr")[0].quality
    assert (stored.resolution, stored.resolution_source) == (report.resolution, "filter")
    assert "where a low-pass filter" in report.text()
    given = compress(
        m, tmp_path / "given.cinr", Settings(threshold=0.4, resolution=20.0, effort="fast")
    )
    assert (given.resolution, given.resolution_source) == (20.0, "given")


def test_weak_shells_at_the_edge_of_a_filter_are_beyond_it(tmp_path):
    """Else the last shell, which holds next to nothing, would decide the size of the file."""
    sample = synthetic_map(40)
    report = compress(sample, tmp_path / "a.cinr", Settings(effort="fast", device="cpu"))
    shells = FourierShells(sample.data.shape, sample.voxel_size)
    with open_archive(tmp_path / "a.cinr") as archive:
        member = archive[0]
        weight, background = member.promised_weight(sample.data), member.header.background
    power = shells.power(shells.spectrum((sample.data - np.float32(background)) * weight))[1:]
    assert report.resolution_source in ("filter", "weak")
    assert power[shells.last(report.resolution) - 1] >= 1e-4 * power.max()
    assert report.lowest_fsc < 0.995
