"""Symmetries with any axes and any centre: rotations, folding, finding them, archives by `inr`."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import napari_cryoinr as cryoinr
from napari_cryoinr.models.inr.finest import Finest
from napari_cryoinr.models.inr.inr_settings import InrConfig
from napari_cryoinr.models.inr.latent_stream import pack_latents
from napari_cryoinr.models.inr.lattice import lattices_of
from napari_cryoinr.models.inr.level_sums import level_sums
from napari_cryoinr.models.inr.pretrained import pretrained
from napari_cryoinr.models.inr.pyramid import Pyramid
from napari_cryoinr.models.inr.representation import InrRepresentation
from napari_cryoinr.progress import Clock, drain
from napari_cryoinr.support.regions import whole_region
from napari_cryoinr.symmetry.continuous import POSITION_BITS, Symmetry
from napari_cryoinr.symmetry.orbit_means import orbit_means_steps
from napari_cryoinr.symmetry.rotations import (
    MATRIX_BITS,
    cosine_and_sine,
    is_group,
    matrices,
    quaternion_of,
    rotation_of,
)
from napari_cryoinr.symmetry.search import candidates_steps

QUICK = settings(deadline=None, max_examples=20, derandomize=True)
ORDERS = {"C1": 1, "C2": 2, "C7": 7, "D1": 2, "D3": 6, "D7": 14, "T": 12, "O": 24, "I": 60}
UNIT = 1 << POSITION_BITS


def turned(seed: int) -> tuple[int, ...]:
    return quaternion_of(Rotation.random(random_state=seed).as_matrix())


def symmetry(name: str, centre: tuple[float, ...], frame: tuple[int, ...] = ()) -> Symmetry:
    return Symmetry.from_floats(name, centre, frame)


def copies(
    of: Symmetry, shape: tuple[int, int, int], seed: int, count: int, width: float = 2.0
) -> np.ndarray:
    """A density of Gaussian functions that has a symmetry."""
    rng = np.random.default_rng(seed)
    centre, radius = np.array(of.centre) / UNIT, 0.36 * min(shape)
    ways = rng.normal(size=(count, 3))
    ways *= (radius * rng.uniform(0.3, 1, count) ** 0.5 / np.linalg.norm(ways, axis=1))[:, None]
    heights = rng.uniform(0.5, 1.5, count)
    grid = np.indices(shape).reshape(3, -1).T
    out = np.zeros(len(grid))
    for images in of.images(ways + centre, max(shape)):
        for place, height in zip(images, heights, strict=True):
            distances = np.square(grid - place).sum(axis=1)
            out += height * np.exp(-distances / (2 * width**2))
    return out.reshape(shape).astype(np.float32)


def a_map(density: np.ndarray, voxel: float = 2.0) -> cryoinr.DensityMap:
    return cryoinr.DensityMap(density, (voxel,) * 3, (0.0, 0.0, 0.0), name="a")


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_a_group_is_closed_and_its_matrices_are_rotations(name: str, order: int) -> None:
    for frame in ((), turned(1)):
        own = matrices(name, frame) * 2.0**-MATRIX_BITS
        assert len(own) == order
        np.testing.assert_allclose(own[0], np.eye(3), atol=1e-6)
        np.testing.assert_allclose(own @ own.transpose(0, 2, 1), [np.eye(3)] * order, atol=3e-7)
        np.testing.assert_allclose(np.linalg.det(own), 1, atol=3e-7)
        for one, other in itertools.islice(itertools.product(own, own), 200):
            assert np.abs(own - one @ other).max(axis=(1, 2)).min() < 1e-6


@pytest.mark.parametrize("name", ["", "C0", "C100", "D0", "c3", "H", "C3 ", "C³"])
def test_what_is_no_group(name: str) -> None:
    assert not is_group(name)
    with pytest.raises(ValueError, match="symmetry"):
        Symmetry(name, (0, 0, 0))


@QUICK
@given(st.fractions(-3, 3))
def test_sines_and_cosines(turns) -> None:  # type: ignore[no-untyped-def]
    cosine, sine = cosine_and_sine(turns)
    assert cosine / 2**80 == pytest.approx(np.cos(2 * np.pi * float(turns)), abs=1e-12)
    assert sine / 2**80 == pytest.approx(np.sin(2 * np.pi * float(turns)), abs=1e-12)


@QUICK
@given(st.integers(0, 10_000))
def test_a_quaternion_of_integers_is_nearly_its_rotation(seed: int) -> None:
    rotation = Rotation.random(random_state=seed).as_matrix()
    np.testing.assert_allclose(rotation_of(quaternion_of(rotation)), rotation, atol=1e-4)


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("seed", [None, 2])
def test_all_images_are_folded_to_one_place(name: str, seed: int | None) -> None:
    own = symmetry(name, (20.25, 31.5, 24.0), () if seed is None else turned(seed))
    places = np.random.default_rng(0).uniform(0, 60, (200, 3))
    folded = own.fold(places)
    for images in own.images(places, 0):
        away = np.abs(own.fold(images) - folded).max(axis=1)
        # A place on the border of two units may be folded to either.
        assert np.sort(away)[-4] < 1e-3
    inside = folded[own.is_own(folded)]
    np.testing.assert_allclose(own.fold(inside), inside, atol=2**-12)
    assert own.is_own(folded).mean() > 0.9


@pytest.mark.parametrize(
    "numbers",
    [
        {"centre": (5000.0, 0.0, 0.0)},
        {"helix": (0.001, 10.0)},
        {"helix": (-2.0, 10.0)},
        {"frame": (0, 0, 0, 0)},
        {"frame": (1, 2)},
        {"frame": (1 << 30, 0, 0, 0)},
        {"centre": (float("nan"), 0.0, 0.0)},
    ],
)
def test_numbers_that_describe_no_symmetry(numbers: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=r"symmetry|NaN"):
        Symmetry.from_floats("C2", **{"centre": (0.0, 0.0, 0.0), **numbers})  # type: ignore[arg-type]


def test_a_centre_far_beyond_the_map_takes_no_memory() -> None:
    config = InrConfig(1, 96, 3, (1.0,), 0.25, symmetry="O", centre=(4000.0, 4000.0, -4000.0))
    lattice = Pyramid.over((20, 20, 20), whole_region((20, 20, 20)), 96, 3, 1)
    levels = [np.zeros(one.counts, np.int32) for one in lattice.lattices]
    stream = pack_latents(levels, lattice.map_tiles, lattice.lattices[0].first, pretrained(), 3)
    made = InrRepresentation.from_stream(config, stream, (20, 20, 20))
    decoded = drain(made.region_steps(whole_region((20, 20, 20)), None, Clock()))
    np.testing.assert_array_equal(decoded, np.full((20, 20, 20), np.float32(0.25)))


def test_a_helix_folds_its_turns() -> None:
    own = Symmetry.from_floats("C2", (30.0, 25.0, 25.0), (), (5.3, 39.6))
    places = np.random.default_rng(0).uniform(5, 45, (200, 3))
    folded = own.fold(places)
    assert np.abs(folded[:, 0] - 30).max() <= 5.3 / 2 + 1e-3
    for images in own.images(places, 20):
        assert np.sort(np.abs(own.fold(images) - folded).max(axis=1))[-8] < 2e-3
    assert "rise 5.300 voxels, twist 39.600°" in own.describe()


@pytest.mark.parametrize(("degree", "spacing"), [(1, 64), (3, 64), (3, 100), (3, 216)])
def test_the_finest_lattice_holds_all_levels(degree: int, spacing: int) -> None:
    lattices = lattices_of((20, 17, 22), spacing, degree, 3)
    rng, steps = np.random.default_rng(0), (1.0, 0.7, 0.4)
    levels = [rng.integers(-5, 6, lattice.counts).astype(float) for lattice in lattices]

    def read(windows):  # type: ignore[no-untyped-def]
        out = []
        for lattice, level, window in zip(lattices, levels, windows, strict=True):
            padded = np.pad(level, 40)
            out.append(
                padded[
                    tuple(
                        slice(s.start - lattice.first + 40, s.stop - lattice.first + 40)
                        for s in window
                    )
                ]
            )
        return out

    part = slice(3, 20), slice(0, 12), slice(5, 22)
    expected = sum(level_sums(lattices, steps, part, read))
    places = np.indices(expected.shape).reshape(3, -1).T + [s.start for s in part]
    spans = list(zip(places.min(axis=0), places.max(axis=0), strict=True))
    found = Finest(lattices, steps, spans, read)(places.astype(float))
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=0.01)


@pytest.mark.parametrize(
    "name",
    ["C2", "C3", "C7", "D2", "D5", "T", *(pytest.param(n, marks=pytest.mark.slow) for n in "OI")],
)
def test_a_group_is_found_with_any_axes_and_centre(name: str) -> None:
    order = ORDERS.get(name) or len(matrices(name))
    for seed, frame in ((1, ()), (2, turned(5))):
        shape = (48, 46, 50)
        own = symmetry(name, (24.3, 21.75, 25.1), frame)
        density = copies(own, shape, seed, max(3, 48 // order))
        density[density < 0.05] = 0
        found = drain(candidates_steps(density, (1.0, 1.0, 1.0), Clock()))
        assert found
        assert found[0].group == name
        # The groups are the same: what one takes for copies, the other one does.
        centre = np.array(found[0].centre) / UNIT
        ways = np.random.default_rng(0).normal(0, 8, (100, 3)) + np.array(own.centre) / UNIT
        for images in found[0].images(ways, 0):
            away = np.abs(own.fold(images) - own.fold(ways)).max(axis=1)
            assert np.median(away) < 0.3
        if name[0] != "C":
            assert np.abs(centre - np.array(own.centre) / UNIT).max() < 0.3


@pytest.mark.parametrize("seed", range(20))
def test_a_map_without_symmetry_has_none(seed: int) -> None:
    own = symmetry("C1", (24.0, 24.0, 24.0))
    found = candidates_steps(copies(own, (48, 46, 50), seed, 40), (1.0, 1.0, 1.0), Clock())
    assert drain(found) == []


def test_voxels_of_several_sizes_allow_rotations_of_equal_ones() -> None:
    own = symmetry("C3", (23.0, 23.0, 23.0))
    density = copies(own, (46, 46, 46), 1, 12)
    assert drain(candidates_steps(density, (1.5, 1.0, 1.0), Clock()))[0].group == "C3"
    assert drain(candidates_steps(density, (1.0, 1.5, 1.0), Clock())) == []
    assert drain(candidates_steps(density, (1.0, 1.5, 2.0), Clock())) == []


def test_long_and_thin_maps_have_no_symmetry_that_is_looked_for() -> None:
    density = np.random.default_rng(0).normal(size=(1, 1, 40_000)).astype(np.float32)
    assert drain(candidates_steps(density, (1.0, 1.0, 1.0), Clock())) == []


def test_means_over_orbits_are_those_of_a_symmetric_map() -> None:
    own = symmetry("C5", (24.3, 21.7, 25.1), turned(3))
    density = copies(own, (48, 46, 50), 3, 10)
    mask = density > 0.05
    means = drain(orbit_means_steps(own, density, mask, 0.0, Clock()))
    assert means.rms < 0.01 * density[mask].std()
    assert means.weight.sum() == pytest.approx(mask.sum(), rel=1e-4)
    assert np.count_nonzero(means.weight) < 0.5 * mask.sum()
    whole = drain(means.unfolded_steps(own, mask, 0.0, Clock()))
    assert np.abs(whole - density)[mask].max() < 0.05


def compressed(
    density: np.ndarray, folder: Path, **given: object
) -> tuple[cryoinr.Archive, cryoinr.QualityReport]:
    options = {"threshold": 0.3, "keep": "contour", "target_nrmse": 0.08, "effort": "fast"}
    inr = cryoinr.InrSettings(symmetry=str(given.pop("symmetry", "auto")))
    path = folder / "a.cinr"
    made = cryoinr.Settings(model="inr", device="cpu", inr=inr, **options | given)  # type: ignore[arg-type]
    report = cryoinr.compress(a_map(density), path, made, overwrite=True)
    assert isinstance(report, cryoinr.QualityReport)
    return cryoinr.open_archive(path), report


@pytest.mark.slow
def test_the_asymmetric_unit_is_stored_alone(tmp_path: Path) -> None:
    own = symmetry("C7", (19.3, 20.7, 20.0), turned(4))
    density = copies(own, (40, 42, 41), 5, 6)
    alone, _ = compressed(density, tmp_path, symmetry="none")
    size = alone.bytes
    archive, report = compressed(density, tmp_path)
    assert re.fullmatch(r"C7 about \(.*\), 7-fold fewer latents", archive[0].symmetry)
    assert report.nrmse is not None
    assert report.nrmse <= 0.08
    assert archive.bytes < 0.7 * size
    whole = archive[0].read()
    part = np.s_[5:20, 8:40, 11:30]
    np.testing.assert_array_equal(archive[0].read(part), whole[part])
    # At the voxels, the function is what is read there.
    places = np.argwhere(density > 0.5)[::50]
    found = archive[0].sample(places * 2.0)
    np.testing.assert_allclose(found, whole[tuple(places.T)], atol=1e-3)
    drain(archive[0].verify_steps())


def test_fourier_shells_of_a_symmetric_map_meet_their_goal(tmp_path: Path) -> None:
    own = symmetry("D3", (20.0, 20.5, 20.25))
    density = copies(own, (40, 42, 41), 6, 6)
    archive, report = compressed(
        density, tmp_path, keep="envelope", target_nrmse=None, target_fsc=0.98, resolution=10.0
    )
    assert archive[0].symmetry == "D3 about z, 6-fold fewer latents"
    assert report.lowest_fsc is not None
    assert report.lowest_fsc >= 0.98


def test_a_ring_with_one_other_subunit_has_no_symmetry(tmp_path: Path) -> None:
    own = symmetry("C6", (20.0, 20.0, 20.0))
    density = copies(own, (40, 40, 40), 7, 5)
    extra = np.square(np.indices(density.shape) - np.array([20, 31, 20])[:, None, None, None])
    density += 2 * np.exp(-extra.sum(axis=0) / 8).astype(np.float32)
    archive, report = compressed(density, tmp_path)
    assert archive[0].symmetry == ""
    assert report.nrmse is not None
    assert report.nrmse <= 0.08


@pytest.mark.slow
def test_a_group_can_be_asked_for(tmp_path: Path) -> None:
    own = symmetry("C6", (20.0, 20.0, 20.0))
    density = copies(own, (40, 40, 40), 8, 6)
    archive, _ = compressed(density, tmp_path, symmetry="C3")
    assert archive[0].symmetry.startswith("C3 about z")
    with pytest.raises(cryoinr.GoalMissed, match="symmetry = C5: the map differs"):
        compressed(density, tmp_path, symmetry="C5")
    with pytest.raises(cryoinr.SettingsError, match="symmetry = 'C0'"):
        cryoinr.InrSettings(symmetry="C0")
