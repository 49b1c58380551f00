"""Masks and half-maps that the user gives: promises, refusals, the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from napari_cryoinr import (
    DensityMap,
    MapError,
    Settings,
    compress,
    open_archive,
    read_map,
    write_map,
)
from napari_cryoinr.cli.main import run
from napari_cryoinr.errors import SettingsError
from napari_cryoinr.maps.envelope import soft_mask
from napari_cryoinr.maps.fourier_shells import FourierShells
from napari_cryoinr.maps.half_maps import HalfMapNoise

CHOSEN = Settings()  # small maps need more rounds than "fast" has


def grains(shape, seed=0, fall=4.0):
    """A density whose power falls with the frequency, as a molecule's does."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.fft.fftfreq(n) for n in shape)
    k = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x[: shape[2] // 2 + 1] ** 2)
    spectrum = np.fft.rfftn(rng.normal(size=shape)) * np.exp(-((k * 2 * fall) ** 2))
    out = np.fft.irfftn(spectrum, s=shape, axes=(0, 1, 2))
    return (out / out.std()).astype(np.float32)


def ball(shape, share=0.35, edge=3.0):
    """A soft mask: a ball with a raised-cosine edge."""
    axes = [np.arange(n) - (n - 1) / 2 for n in shape]
    radius = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2)
    phase = np.clip((radius - share * min(shape)) / edge, 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * phase)).astype(np.float32)


def curves(original, decoded, mask, voxel_size):
    shells = FourierShells(original.shape, voxel_size)
    one, other = (shells.spectrum(volume * mask) for volume in (original, decoded))
    error = shells.power(other - one) / np.maximum(shells.power(one), 1e-30)
    return shells, shells.correlation(one, other)[1:], error[1:]


@pytest.fixture(scope="module")
def halves():
    """A map and its half-maps, and the mask inside which they hold it."""
    shape, mask = (36, 40, 34), ball((36, 40, 34))
    signal = grains(shape, 1) * mask
    pair = [signal + np.float32(0.15) * grains(shape, seed, 0.5) for seed in (2, 3)]
    one, two = (
        DensityMap(half, (2, 2, 2), name=f"half{n}") for n, half in enumerate(pair, start=1)
    )
    return DensityMap((one.data + two.data) / 2, (2, 2, 2), name="final"), (one, two), mask


@settings(
    max_examples=3,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    shape=st.tuples(*[st.integers(20, 28)] * 3),
    voxel=st.tuples(*[st.floats(0.5, 8)] * 3),
    scale=st.sampled_from([1e-20, 1.0, 3e5]),
    hard=st.booleans(),
    threshold=st.sampled_from(["none", "auto", "2sigma"]),
    seed=st.integers(0, 99),
)
def test_inside_a_mask_each_shell_is_kept_and_outside_is_the_background(
    tmp_path, shape, voxel, scale, hard, threshold, seed
):
    mask = ball(shape)
    if hard:
        mask = (mask >= 0.5).astype(np.float32)
    data = (grains(shape, seed) + 2) * np.float32(scale)
    m = DensityMap(data, voxel, name="grains")
    out = tmp_path / "a.cinr"
    report = compress(m, out, replace(CHOSEN, threshold=threshold), masks=mask, overwrite=True)
    member = open_archive(out)[0]
    decoded = member.to_map().data
    background = np.float32(member.header.background)
    assert (decoded[mask == 0] == background).all()
    unit = np.float32(scale)
    shells, correlation, _ = curves(
        (data - background) / unit, (decoded - background) / unit, mask, voxel
    )
    last = shells.last(report.resolution)
    strong = correlation[:last][_strong(shells, (data - background) / unit * mask)[:last]]
    assert strong.min() >= 0.99 - 1e-5
    assert report.lowest_fsc == pytest.approx(strong.min(), abs=1e-4)


def _strong(shells, volume):
    power = shells.power(shells.spectrum(volume))[1:]
    return power >= 1e-4 * power.max()


def test_the_error_stays_below_a_tenth_of_the_noise(halves, tmp_path):
    final, pair, mask = halves
    out = tmp_path / "a.cinr"
    report = compress(final, out, replace(CHOSEN, threshold="none"), masks=mask, half_maps=pair)
    member = open_archive(out)[0]
    background = np.float32(member.header.background)
    decoded = member.to_map().data
    shells, _, error = curves(final.data - background, decoded - background, mask, (2, 2, 2))
    noise = HalfMapNoise.measure(pair, mask, final)
    last = shells.last(report.resolution)
    assert last == noise.last_shell
    assert report.resolution_source == "half-maps"
    assert 1 < last < shells.nyquist
    share = (error / noise.noise_share)[:last]
    assert share.max() <= 0.1 + 1e-4
    assert 0.05 < report.error_of_noise <= 0.1
    assert report.half_map_resolution == noise.resolution
    before, after = report.half_map_resolution, report.half_map_resolution_after
    assert abs(shells.edge / before - shells.edge / after) < 1
    assert member.quality.half_map_resolution_after == after
    assert "half-maps" in report.text()
    assert report.verdict().startswith("Kept to ")


def test_half_maps_as_members_keep_their_resolution(halves, tmp_path):
    final, pair, mask = halves
    reports = compress(pair, tmp_path / "a.cinr", replace(CHOSEN, keep="volume"))
    assert min(report.lowest_fsc for report in reports) >= 0.99
    one, two = (member.to_map() for member in open_archive(tmp_path / "a.cinr"))
    before = HalfMapNoise.measure(pair, mask, final)
    after = HalfMapNoise.measure((one, two), mask, final)
    assert abs(before.shells.edge * (1 / before.resolution - 1 / after.resolution)) < 1


def test_each_of_several_maps_has_its_own(halves, tmp_path):
    final, pair, mask = halves
    other = replace(final, data=grains(final.data.shape), name="other")
    reports = compress(
        [final, other], tmp_path / "a.cinr", CHOSEN, masks=[mask, mask], half_maps=[pair, None]
    )
    assert [report.resolution_source == "half-maps" for report in reports] == [True, False]
    assert [report.half_map_resolution is None for report in reports] == [False, True]


def refused(message, error, *args, **given):
    with pytest.raises(error, match=message) as caught:
        compress(*args, **given)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_a_mask_is_refused_in_one_line(halves, tmp_path):
    final, _, mask = halves
    out = tmp_path / "a.cinr"
    refused("the mask has the shape", MapError, final, out, CHOSEN, masks=mask[1:])
    refused("values 0 to 255", MapError, final, out, CHOSEN, masks=mask * 255)
    refused("values nan to nan", MapError, final, out, CHOSEN, masks=mask * np.float32("nan"))
    refused("covers nothing", MapError, final, out, CHOSEN, masks=mask * np.float32(0.2))
    for settings_ in (Settings(keep="volume"), Settings(keep="contour"), Settings(lossless=True)):
        refused("a mask needs keep = envelope", SettingsError, final, out, settings_, masks=mask)
    refused("2 for 1 maps", SettingsError, [final], out, CHOSEN, masks=[mask, mask])
    assert not out.exists()


def test_what_cannot_be_half_maps_is_refused_in_one_line(halves, tmp_path):
    final, (one, two), _ = halves
    out = tmp_path / "a.cinr"

    def no(message, pair, error=MapError, chosen=CHOSEN):
        refused(message, error, final, out, chosen, half_maps=pair)

    no("half-map half1 has the shape", (replace(one, data=one.data[1:]), two))
    no("voxels of 3 Å", (one, replace(two, voxel_size=(3, 3, 3))))
    no("are the same map", (one, one))
    no("is constant", (one, replace(two, data=np.ones_like(two.data))))
    no("give one goal at most", (one, two), SettingsError, Settings(target_nrmse=0.1))
    no("half-maps need", (one, two), SettingsError, Settings(keep="contour"))
    no("half-maps need", (one, two), SettingsError, Settings(model="paper"))
    assert not out.exists()


def test_rounded_masks_are_taken_and_hardly_counting_voxels_are_outside(halves, tmp_path):
    final, _, mask = halves
    rough = mask * 1.0002 - 0.0001
    smooth = replace(final, data=grains(final.data.shape))
    compress(smooth, tmp_path / "a.cinr", replace(CHOSEN, threshold="none"), masks=rough)
    member = open_archive(tmp_path / "a.cinr")[0]
    decoded = member.to_map().data
    assert (decoded[mask < 1e-3] == np.float32(member.header.background)).all()
    assert member.header.threshold is None


def test_a_mask_with_the_other_goals(halves, tmp_path):
    final, _, mask = halves
    out = tmp_path / "a.cinr"
    for chosen in (Settings(target_nrmse=0.2), Settings(max_error=0.3)):
        chosen = replace(chosen, effort="fast", threshold="none")
        report = compress(final, out, chosen, masks=mask, overwrite=True)
        member = open_archive(out)[0]
        decoded, inside = member.to_map().data, mask >= 0.5
        assert (decoded[mask == 0] == np.float32(member.header.background)).all()
        error = np.abs(decoded - final.data)[inside]
        assert report.max_error == pytest.approx(error.max(), rel=1e-4)
        assert report.kept_voxels == inside.sum()


def test_the_command_line_takes_masks_and_half_maps(halves, tmp_path, capsys):
    final, pair, mask = halves
    paths = {}
    for name, m in (("map", final), ("half1", pair[0]), ("half2", pair[1])):
        paths[name] = str(tmp_path / f"{name}.mrc")
        write_map(m, paths[name])
    paths["mask"] = str(tmp_path / "mask.mrc")
    write_map(replace(final, data=mask), paths["mask"])
    out = tmp_path / "out.cinr"
    command = ["compress", paths["map"], str(out), "--effort", "fast", "--mask", paths["mask"]]
    assert run([*command, "--half-maps", paths["half1"], paths["half2"]]) == 0
    shown = capsys.readouterr().out
    assert "where the FSC of the half-maps falls below 0.143" in shown
    assert "with the error of this file" in shown
    assert open_archive(out)[0].header.shape == read_map(paths["map"]).data.shape
    assert run([*command, "--mask", paths["mask"], "--overwrite"]) != 0
    assert "2 masks for 1 maps" in capsys.readouterr().err


@pytest.mark.parametrize("edge", [1, 3, 6])
def test_what_was_measured_in_a_mask_is_measured_again(halves, tmp_path, capsys, edge):
    """In its outline and edge, which the archive has, nearly so; in the mask itself exactly."""
    final, _, mask = halves
    mask = soft_mask(mask, 0.9, 1, edge)
    paths = {name: str(tmp_path / name) for name in ("map.mrc", "mask.mrc", "out.cinr")}
    write_map(final, paths["map.mrc"])
    write_map(replace(final, data=mask), paths["mask.mrc"])
    chosen = replace(CHOSEN, threshold="none", target_fsc=0.99, resolution=8)
    report = compress(final, paths["out.cinr"], chosen, masks=mask)
    with open_archive(paths["out.cinr"]) as archive:
        header = archive[0].header
        assert header.given_mask and header.extend == 0 and abs(header.edge - edge) <= 1
        again = archive[0].promised_weight(final.data)
    assert ((again > 0) == (mask >= 1e-3)).all()
    assert np.abs(again - mask).mean() < 0.05
    for given_, off in (([], 3e-3), (["--mask", paths["mask.mrc"]], 2e-6)):
        command = ["compare", paths["map.mrc"], paths["out.cinr"], "--json", *given_]
        assert run(command) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["keep"] == "envelope"
        assert found["lowest_fsc"] == pytest.approx(report.lowest_fsc, abs=off)


def test_a_mask_that_compare_cannot_use_is_refused(halves, tmp_path, capsys):
    final, _, mask = halves
    for name, data in (("map", final.data), ("mask", mask[1:])):
        write_map(replace(final, data=data), tmp_path / f"{name}.mrc")
    paths = [str(tmp_path / "map.mrc")] * 2
    assert run(["compare", *paths, "--mask", str(tmp_path / "mask.mrc")]) != 0
    assert "the mask has the shape" in capsys.readouterr().err
    html = str(tmp_path / "a.html")
    assert run(["report", paths[0], html, "--mask", str(tmp_path / "mask.mrc")]) != 0
    assert "a mask needs the original" in capsys.readouterr().err
