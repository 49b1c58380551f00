"""Masks, labels, tomograms, half-maps are recognised and kept as a whole: nothing was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import cryoinr as command
from napari_cryoinr.maps.half_maps import HalfMapNoise, are_half_maps_steps
from napari_cryoinr.maps.map_statistics import statistics
from napari_cryoinr.maps.volume_kinds import kind_of
from napari_cryoinr.progress import Clock

FAST = {"effort": "fast", "device": "cpu"}


def kind(data: np.ndarray) -> str:
    made = cryoinr.DensityMap(data.astype(np.float32), (2.0, 2.0, 2.0))
    return kind_of(made, statistics(made))


def mask_of(size: int = 24, seed: int = 0) -> np.ndarray:
    return cryoinr.synthetic_map(size, seed=seed, noise=0.0).data > 2


def labels_of(size: int = 40) -> np.ndarray:
    """Many patches, each with a number of its own."""
    random = np.random.default_rng(0)
    cells = random.integers(0, 900, (size // 4,) * 3)
    return np.kron(cells, np.ones((4, 4, 4), int))


def tomogram(shape: tuple[int, int, int] = (24, 40, 44), seed: int = 0) -> np.ndarray:
    """Noise of some voxels' width, everywhere alike, and something dense from face to face."""
    random = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(random.normal(0, 1, shape), 0.8)
    y, x = np.ogrid[: shape[1], : shape[2]]
    return noise / noise.std() + 0.7 * (np.abs(y - 0.7 * x - 5) < 3)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    st.integers(0, 3),
    st.sampled_from([(0.0, 1.0), (1.0, 0.0), (-2.5, 1e-30), (3e37, 7.0)]),
    st.integers(0, 3),
)
def test_two_densities_are_a_mask(seed: int, values: tuple[float, float], border: int) -> None:
    data = np.where(mask_of(seed=seed), *values)
    assert kind(np.pad(data, border, constant_values=values[1])) == "labels"


def test_numbers_in_patches_are_labels() -> None:
    labels = labels_of()
    assert kind(labels) == kind(np.pad(labels, 8)) == kind(labels + 1000) == "labels"
    random = np.random.default_rng(1)
    assert kind(random.permuted(labels.ravel()).reshape(labels.shape)) != "labels"
    labels = labels.astype(float)
    labels[3, 3, 3] += 0.5
    assert kind(labels) != "labels"


@pytest.mark.parametrize("scale", [3, 20, 1000])
def test_densities_in_whole_numbers_are_no_labels(scale: float) -> None:
    made = cryoinr.synthetic_map(32, noise=0.1).data
    assert kind(np.rint(scale * made)) == ("labels" if np.ptp(scale * made) < 16 else "density")


def test_a_soft_mask_is_no_label() -> None:
    soft = np.clip(cryoinr.synthetic_map(32, noise=0.0).data, 0, 1)
    assert kind(soft) == "density"


@pytest.mark.parametrize("seed", range(3))
def test_a_tomogram_is_recognised_whatever_its_scale(seed: int) -> None:
    data = tomogram(seed=seed)
    assert kind(data) == kind(1e30 * data) == kind(100 - 1e-3 * data) == "tomogram"
    assert kind(np.rint(20 * data)) == "tomogram"
    assert kind(np.pad(data, 6, constant_values=50)) == "tomogram"
    turned = ndimage.rotate(data + 20, 25, (1, 2), order=1)  # zeros at the corners
    assert kind(turned) == "tomogram"


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_noisy_average_is_no_tomogram(seed: int, noise: float) -> None:
    made = cryoinr.synthetic_map(40, seed=seed, noise=noise).data
    assert kind(made) == "density"
    # As the noise of an average, which grows with the distance from its centre.
    random = np.random.default_rng(seed)
    distance = np.linalg.norm(np.indices(made.shape) - 20, axis=0) / 20
    assert kind(made + min(noise, 0.6) * distance * random.normal(0, 2, made.shape)) == "density"


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 9), (2, 3, 4), (15, 40, 40)])
def test_small_volumes_have_a_kind(shape: tuple[int, int, int]) -> None:
    random = np.random.default_rng(0)
    assert kind(random.normal(size=shape)) in ("labels", "density")
    assert kind(np.full(shape, 2.5)) == "labels"


@pytest.mark.parametrize("what", ["int8 mask", "float mask", "scaled mask", "labels", "constant"])
def test_masks_and_labels_come_back_exactly(tmp_path: Path, what: str) -> None:
    mask = mask_of()
    data = {
        "int8 mask": mask.astype(np.int8),
        "float mask": mask,
        "scaled mask": np.where(mask, 0.7, -1e-3),
        "labels": labels_of(),
        "constant": np.full((8, 8, 8), 0.1),
    }[what].astype(np.float32)
    report = cryoinr.compress(cryoinr.DensityMap(data), tmp_path / "a.cinr")
    assert isinstance(report, cryoinr.QualityReport)
    assert report.kind == "labels" and "stored exactly" in report.text().splitlines()[1]
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert archive.header.model.name == "lossless"
        assert archive[0].header.keep == "volume"
        assert archive[0].read().tobytes() == data.tobytes()
        assert archive[0].quality.kind == "labels"


@pytest.mark.parametrize(
    "chosen", [{"threshold": 0.5, "keep": "contour"}, {"target_nrmse": 0.2}, {"keep": "contour"}]
)
def test_what_is_asked_for_counts_for_masks_too(tmp_path: Path, chosen: dict[str, object]) -> None:
    mask = cryoinr.DensityMap(mask_of().astype(np.float32))
    made = cryoinr.Settings(**FAST, **chosen)  # type: ignore[arg-type]
    report = cryoinr.compress(mask, tmp_path / "a.cinr", made)
    assert isinstance(report, cryoinr.QualityReport) and report.kind == "density"
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert archive.header.model.name == "field"


def test_a_map_and_its_mask_in_one_archive(tmp_path: Path) -> None:
    made = cryoinr.synthetic_map(24, noise=0.3)
    mask = cryoinr.DensityMap(mask_of().astype(np.float32), made.voxel_size, name="mask")
    reports = cryoinr.compress([made, mask], tmp_path / "a.cinr", cryoinr.Settings(**FAST))
    assert isinstance(reports, list) and [r.kind for r in reports] == ["density", "labels"]
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert [item.header.keep for item in archive] == ["envelope", "volume"]
        assert [item.header.lossless for item in archive] == [False, True]
        assert archive.member("mask").read().tobytes() == mask.data.tobytes()


def test_a_tomogram_is_kept_as_a_whole_and_told_so(tmp_path: Path) -> None:
    volume = cryoinr.DensityMap(tomogram((16, 20, 24)).astype(np.float32), (8.0, 8.0, 8.0))
    cryoinr.write_map(volume, tmp_path / "a.mrc")
    arguments = ["compress", str(tmp_path / "a.mrc"), str(tmp_path / "a.cinr"), "--effort", "fast"]
    result = CliRunner().invoke(command, [*arguments, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    told = [line for line in result.output.splitlines() if "No solvent" in line]
    assert len(told) == 1 and "the whole volume is kept" in told[0]
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert archive[0].header.keep == "volume" and archive[0].threshold is None
    chosen = ["--overwrite", "--threshold", "2sigma", "--keep", "contour", "--target-nrmse", "0.3"]
    result = CliRunner().invoke(command, [*arguments, "--device", "cpu", *chosen])
    assert result.exit_code == 0 and "No solvent" not in result.output
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert archive[0].header.keep == "contour"


def are_half_maps(one: cryoinr.DensityMap, other: cryoinr.DensityMap) -> bool:
    return cryoinr.drain(are_half_maps_steps(one, other, Clock()))


def halves_of(size: int = 32, noise: float = 0.6, scale: float = 1.0) -> list[cryoinr.DensityMap]:
    """Two maps with one signal, and noise that is everywhere."""
    whole = cryoinr.synthetic_map(size, noise=0.0, resolution=8)
    random = np.random.default_rng(0)
    return [
        replace(
            whole,
            data=((whole.data + random.normal(0, noise, whole.data.shape)) * scale).astype("f4"),
            name=name,
        )
        for name in ("half1", "half2")
    ]


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e36])
@pytest.mark.parametrize("noise", [0.1, 0.6, 1.5])
def test_half_maps_are_recognised_by_what_they_share(noise: float, scale: float) -> None:
    one, two = halves_of(noise=noise, scale=scale)
    assert are_half_maps(one, two)
    assert are_half_maps(one, replace(two, data=two.data + np.float32(3 * scale)))


def test_other_pairs_are_no_half_maps() -> None:
    one, two = halves_of()
    mean = replace(one, data=(one.data + two.data) / 2)
    smooth = replace(one, data=ndimage.gaussian_filter(one.data, 2))
    other = cryoinr.synthetic_map(32, seed=5, noise=0.0)
    masked = np.where(cryoinr.synthetic_map(32, noise=0.0, resolution=8).data > 1, 1, 0)
    moved = np.roll(cryoinr.synthetic_map(32, noise=0.05).data, 1, axis=0)
    for a, b in (
        (one, one),
        (one, mean),
        (one, smooth),
        (one, replace(one, data=one.data * 2)),
        (one, replace(two, data=two.data * 3)),
        (one, other),
        (one, replace(two, voxel_size=(3.0, 3.0, 3.0))),
        (one, replace(two, data=two.data[1:])),
        (one, replace(two, data=np.zeros_like(two.data))),
        (replace(one, data=one.data * masked), replace(two, data=two.data * masked)),
        (cryoinr.synthetic_map(32, noise=0.05), replace(one, data=moved)),
    ):
        assert not are_half_maps(a, b)


def test_half_maps_are_kept_as_a_whole_and_told_so(tmp_path: Path) -> None:
    pair = halves_of(24)
    reports = cryoinr.compress(pair, tmp_path / "a.cinr", cryoinr.Settings(device="cpu"))
    assert isinstance(reports, list)
    for report in reports:
        assert report.kind == "half-map" and "half-maps" in report.notes()[0]
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert {item.header.keep for item in archive} == {"volume"}
        decoded = [item.to_map() for item in archive]
    before = HalfMapNoise.measure((pair[0], pair[1]), None, pair[0])
    after = HalfMapNoise.measure((decoded[0], decoded[1]), None, pair[0])
    assert abs(before.shells.edge * (1 / before.resolution - 1 / after.resolution)) < 1


def test_what_is_asked_for_counts_for_half_maps_too(tmp_path: Path) -> None:
    pair = halves_of(24, noise=0.2)
    chosen = cryoinr.Settings(**FAST, keep="contour")  # type: ignore[arg-type]
    reports = cryoinr.compress(pair, tmp_path / "a.cinr", chosen)
    assert isinstance(reports, list) and [r.kind for r in reports] == ["density"] * 2
