"""Point groups of the voxel grid: representatives, folding, and finding the group of a map."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_files import DATA
from napari_cryoinr import read_map, synthetic_map
from napari_cryoinr.maps import density_map as density_map_module
from napari_cryoinr.progress import Clock, drain
from napari_cryoinr.symmetry.detection import detect_symmetry_steps
from napari_cryoinr.symmetry.folding import Folded, all_weights, fold_any, fold_steps, total_weight
from napari_cryoinr.symmetry.point_groups import (
    MAX_TRANSLATION,
    ROTATIONS,
    GridSymmetry,
    Operation,
    box_of,
    compose,
    image_view,
)

QUICK = settings(deadline=None, max_examples=20, derandomize=True)
TWO_Z, TWO_Y = ((0, 1, 2), (1, -1, -1)), ((0, 1, 2), (-1, 1, -1))
FOUR_Z, THREE = ((0, 2, 1), (1, 1, -1)), ((1, 2, 0), (1, 1, 1))
GROUPS = {
    "C1": ([], 1),
    "C2": ([TWO_Z], 2),
    "C3": ([THREE], 3),
    "C4": ([FOUR_Z], 4),
    "D2": ([TWO_Z, TWO_Y], 4),
    "D4": ([FOUR_Z, TWO_Y], 8),
    "T": ([TWO_Z, THREE], 12),
    "O": ([FOUR_Z, THREE], 24),
}
CUBE = 20
CENTRES = {"half-way": (19, 19, 19), "voxel": (20, 20, 20), "off": (18, 18, 18)}
"""Twice the coordinates of a centre in a cube of 20³."""
PLACED = list(zip(GROUPS, itertools.cycle(CENTRES.values()), strict=False))


def about(centre: tuple[int, int, int], rotation: tuple[tuple[int, ...], ...]) -> Operation:
    """The rotation about a centre that is given by twice its coordinates."""
    axes, signs = rotation
    shift = [c - s * centre[a] for c, a, s in zip(centre, axes, signs, strict=True)]
    assert all(t % 2 == 0 for t in shift)
    return ROTATIONS.index((axes, signs)), shift[0] // 2, shift[1] // 2, shift[2] // 2


def group(name: str, centre: tuple[int, int, int]) -> GridSymmetry:
    return GridSymmetry.generated_by([about(centre, r) for r in GROUPS[name][0]])


def whole(shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


def unfolded(symmetry: GridSymmetry, folded: np.ndarray) -> np.ndarray:
    return folded.reshape(-1)[symmetry.representatives(whole(folded.shape), folded.shape)]


def blobs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Twenty Gaussian blobs at random places, without any symmetry."""
    rng = np.random.default_rng(seed)
    axes = np.ogrid[: shape[0], : shape[1], : shape[2]]
    out = np.zeros(shape)
    for centre, height in zip(rng.uniform(0, shape, (20, 3)), rng.uniform(0.5, 2, 20), strict=True):
        out += height * np.exp(-sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) / 6)
    return out.astype(np.float32)


def fold(symmetry: GridSymmetry, values: np.ndarray, weights: np.ndarray | None = None) -> Folded:
    return drain(fold_steps(symmetry, values, weights, Clock()))


def detect(
    data: np.ndarray,
    tolerance: float = 0.0,
    weights: np.ndarray | None = None,
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> GridSymmetry | None:
    return drain(detect_symmetry_steps(data, weights, voxel_size, tolerance, Clock()))


@pytest.mark.parametrize("shape", [(1, 1, 40_000), (1, 200, 20_000)])
def test_the_search_in_long_thin_maps_ends(shape: tuple[int, int, int]) -> None:
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert detect(data, 0.01) is None


def orbit(symmetry: GridSymmetry, voxel: tuple[int, ...], shape: tuple[int, ...]) -> set[int]:
    """Indices of the images inside the volume, one by one."""
    found = set()
    for number, *shift in symmetry.operations:
        axes, signs = ROTATIONS[number]
        image = [s * voxel[a] + t for a, s, t in zip(axes, signs, shift, strict=True)]
        if all(0 <= q < n for q, n in zip(image, shape, strict=True)):
            found.add(int(np.ravel_multi_index(image, shape)))
    return found


@st.composite
def symmetries(draw: st.DrawFn) -> GridSymmetry:
    name = draw(st.sampled_from(sorted(GROUPS)))
    middle = draw(st.integers(-3, 20))
    # All three coordinates are whole or all are half: every rotation fits such a centre.
    steps = draw(st.tuples(*[st.integers(-2, 2)] * 3))
    return group(name, tuple(middle + 2 * s for s in steps))


SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


@pytest.fixture(params=["one slab", "many slabs"])
def any_slabs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many slabs":
        monkeypatch.setattr(density_map_module, "SLAB_VOXELS", 700)


def test_the_rotations_are_the_24_of_the_cube() -> None:
    assert len(set(ROTATIONS)) == 24 and ROTATIONS[0] == ((0, 1, 2), (1, 1, 1))
    for axes, signs in ROTATIONS:
        matrix = np.zeros((3, 3))
        matrix[range(3), axes] = signs
        assert np.linalg.det(matrix) == pytest.approx(1)


def test_files_keep_their_rotations() -> None:
    numbers = {TWO_Z: 1, TWO_Y: 2, FOUR_Z: 4, THREE: 12, ((2, 1, 0), (-1, -1, -1)): 23}
    assert {rotation: ROTATIONS.index(rotation) for rotation in numbers} == numbers


@QUICK
@given(*[st.tuples(st.integers(0, 23), *[st.integers(-9, 9)] * 3)] * 2)
def test_composition_is_one_operation_after_the_other(a: Operation, b: Operation) -> None:
    def image(operation: Operation, voxel: list[int]) -> list[int]:
        axes, signs = ROTATIONS[operation[0]]
        return [s * voxel[x] + t for x, s, t in zip(axes, signs, operation[1:], strict=True)]

    voxel = [3, -5, 8]
    assert image(compose(b, a), voxel) == image(b, image(a, voxel))


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("centre", CENTRES.values(), ids=CENTRES)
def test_groups_have_their_order_and_survive_json(name: str, centre: tuple[int, int, int]) -> None:
    symmetry = group(name, centre)
    assert len(symmetry) == GROUPS[name][1]
    values = symmetry.to_ints()
    assert len(values) <= 8
    assert GridSymmetry.from_ints(json.loads(json.dumps(values))) == symmetry


SCREW = (*about((0, 0, 0), TWO_Z)[:1], 5, 0, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 0, 0], "four integers"),
        ([1, 0, 0, 0] * 3, "four integers"),
        ([1, 0, MAX_TRANSLATION + 1, 0], "at most"),
        ([24, 0, 0, 0], "rotations"),
        ([-1, 0, 0, 0], "rotations"),
        ([0, 0, 0, 1], "translations"),
        (SCREW, "translations"),
        ([*about((9, 9, 9), TWO_Z), *about((11, 11, 11), TWO_Z)], "translations"),
        ([*about((9, 9, 9), FOUR_Z), *about((9, 11, 13), THREE)], "translations"),
    ],
)
def test_other_ints_are_refused(values: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GridSymmetry.from_ints(values)


@QUICK
@given(st.lists(st.integers(-300_000, 300_000) | st.integers(-2, 25), max_size=9))
@example([2, MAX_TRANSLATION, 0, 0, 12, 0, 0, 0])
def test_any_ints_are_a_group_or_an_error(values: list[int]) -> None:
    try:
        symmetry = GridSymmetry.from_ints(values)
    except ValueError:
        return
    assert 1 <= len(symmetry) <= 24
    assert GridSymmetry.from_ints(symmetry.to_ints()) == symmetry


@QUICK
@given(symmetries(), SHAPES, st.data())
def test_the_representative_is_the_first_of_the_orbit(
    symmetry: GridSymmetry, shape: tuple[int, int, int], data: st.DataObject
) -> None:
    indices = symmetry.representatives(whole(shape), shape)
    assert indices.shape == shape and indices.dtype == np.int64
    flat = indices.reshape(-1)
    assert np.array_equal(flat[flat], flat)
    voxel = data.draw(st.tuples(*[st.integers(0, n - 1) for n in shape]))
    others = orbit(symmetry, voxel, shape)
    assert indices[voxel] == min(others)
    assert set(flat[list(others)]) == {min(others)}
    own = indices == np.arange(indices.size).reshape(shape)
    assert np.array_equal(symmetry.is_representative(whole(shape), shape), own)


@QUICK
@given(symmetries(), SHAPES, st.data())
def test_regions_have_the_representatives_of_the_whole(
    symmetry: GridSymmetry, shape: tuple[int, int, int], data: st.DataObject
) -> None:
    ends = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape]
    z, y, x = (slice(*e) for e in ends)
    part = symmetry.representatives((z, y, x), shape)
    assert np.array_equal(part, symmetry.representatives(whole(shape), shape)[z, y, x])
    assert np.array_equal(
        symmetry.is_representative((z, y, x), shape), symmetry.asymmetric_unit(shape)[z, y, x]
    )
    box = box_of(part, shape)
    places = np.array(np.unravel_index(part.reshape(-1), shape))
    if part.size == 0:
        assert all(s.start == s.stop for s in box)
    else:
        assert [s.start for s in box] == list(places.min(axis=1))
        assert [s.stop - 1 for s in box] == list(places.max(axis=1))


def test_large_volumes_do_not_overflow() -> None:
    side = 65536
    region = (slice(side - 2, side), slice(side - 3, side), slice(side - 2, side))
    symmetry = group("O", (side - 1,) * 3)
    last = np.ravel_multi_index((side - 1,) * 3, (side,) * 3)
    indices = symmetry.representatives(region, (side,) * 3)
    assert indices[-1, -1, -1] == 0 and indices.min() >= 0 and indices.max() < last
    alone = group("C2", (2 * MAX_TRANSLATION - 2 * side,) * 3)  # all images are outside
    assert alone.representatives(region, (side,) * 3)[-1, -1, -1] == last


@pytest.mark.parametrize("name", GROUPS)
def test_the_asymmetric_unit_is_one_voxel_of_each_orbit(name: str) -> None:
    shape = (CUBE,) * 3
    mask = group(name, CENTRES["half-way"]).asymmetric_unit(shape)
    indices = group(name, CENTRES["half-way"]).representatives(whole(shape), shape)
    assert np.array_equal(np.flatnonzero(mask), np.unique(indices))
    assert mask.sum() >= mask.size / GROUPS[name][1]
    if name in ("C2", "C4", "D2"):  # no voxel lies on an axis half-way between voxels
        assert mask.sum() == mask.size / GROUPS[name][1]


@QUICK
@given(symmetries(), SHAPES, st.data())
def test_views_are_the_images(
    symmetry: GridSymmetry, shape: tuple[int, int, int], data: st.DataObject
) -> None:
    ends = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape]
    z, y, x = (slice(*e) for e in ends)
    volume = np.arange(int(np.prod(shape))).reshape(shape)
    operation = data.draw(st.sampled_from(symmetry.operations))
    box, view = image_view(volume, operation, (z, y, x))
    expected = np.full([s.stop - s.start for s in (z, y, x)], -1)
    axes, signs = ROTATIONS[operation[0]]
    for place in np.ndindex(*expected.shape):
        voxel = [p + e[0] for p, e in zip(place, ends, strict=True)]
        image = [s * voxel[a] + t for a, s, t in zip(axes, signs, operation[1:], strict=True)]
        if all(0 <= q < n for q, n in zip(image, shape, strict=True)):
            expected[place] = volume[tuple(image)]
    found = np.full_like(expected, -1)
    found[box] = view
    assert np.array_equal(found, expected)


@QUICK
@given(symmetries(), SHAPES, st.sampled_from([None, "bool", "float"]), st.integers(0, 99))
def test_folding_is_the_weighted_mean_over_the_orbit(
    symmetry: GridSymmetry, shape: tuple[int, int, int], kind: str | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape).astype(np.float32)
    weights = None
    if kind is not None:
        weights = rng.uniform(size=shape).astype(np.float32)
        weights[rng.uniform(size=shape) < 0.4] = 0
        weights = weights > 0 if kind == "bool" else weights
    folded = fold(symmetry, values, weights)
    counts = np.ones(shape) if weights is None else weights.astype(np.float64)
    indices = symmetry.representatives(whole(shape), shape).reshape(-1)
    total = np.bincount(indices, (counts * values).reshape(-1), values.size)
    weight = np.bincount(indices, counts.reshape(-1), values.size)
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    assert folded.mean.dtype == folded.weight.dtype == np.float32
    assert folded.weight.reshape(-1) == pytest.approx(weight, rel=1e-6)
    assert folded.mean.reshape(-1) == pytest.approx(mean, rel=1e-5, abs=1e-6)
    squares = float((counts.reshape(-1) * (values.reshape(-1) - mean[indices]) ** 2).sum())
    rms = np.sqrt(squares / counts.sum()) if counts.sum() else 0.0
    assert folded.rms == pytest.approx(rms, rel=1e-5, abs=1e-6)
    assert total_weight(all_weights(weights, shape)) == pytest.approx(counts.sum())


@QUICK
@given(symmetries(), SHAPES, st.integers(0, 99))
def test_any_voxel_of_the_orbit_is_enough(
    symmetry: GridSymmetry, shape: tuple[int, int, int], seed: int
) -> None:
    mask = np.random.default_rng(seed).uniform(size=shape) < 0.2
    found = fold_any(symmetry, mask)
    indices = symmetry.representatives(whole(shape), shape)
    assert np.array_equal(np.flatnonzero(found), np.unique(indices[mask]))


@pytest.mark.usefixtures("any_slabs")
@pytest.mark.parametrize(("name", "centre"), PLACED)
def test_folding_a_symmetric_map_is_exact(name: str, centre: tuple[int, int, int]) -> None:
    symmetry = group(name, centre)
    values = unfolded(symmetry, fold(symmetry, blobs((CUBE,) * 3)).mean)
    weights = np.random.default_rng(1).uniform(0.1, 1, values.shape).astype(np.float32)
    for given_weights in (None, weights):
        folded = fold(symmetry, values, given_weights)
        assert folded.rms == 0
        assert np.array_equal(unfolded(symmetry, folded.mean), values)
    assert np.array_equal(folded.mean != 0, symmetry.asymmetric_unit(values.shape) & (values != 0))


@pytest.mark.usefixtures("any_slabs")
@pytest.mark.parametrize(("name", "centre"), PLACED)
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_known_groups_are_found(name: str, centre: tuple[int, int, int], noise: float) -> None:
    symmetry = group(name, centre)
    values = unfolded(symmetry, fold(symmetry, blobs((CUBE,) * 3)).mean)
    if noise:
        values = values + np.float32(noise) * blobs(values.shape, seed=9)
    tolerance = noise * float(blobs(values.shape, seed=9).std())
    assert detect(values, tolerance) == (None if name == "C1" else symmetry)
    assert detect(values, tolerance / 50) == (None if noise or name == "C1" else symmetry)


@pytest.mark.parametrize(("name", "centre"), [("C4", (69, 69, 69)), ("O", (77, 77, 77))])
def test_groups_are_found_through_the_coarse_copy(name: str, centre: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(2).normal(size=(70, 70, 70)).astype(np.float32)
    symmetry = group(name, centre)
    values = unfolded(symmetry, fold(symmetry, noise).mean)
    assert detect(values) == symmetry
    assert detect(values, weights=values > 0) == symmetry


def test_one_worse_operation_leaves_the_subgroup() -> None:
    exact, rough = group("D2", CENTRES["half-way"]), group("D4", CENTRES["half-way"])
    values = unfolded(rough, fold(rough, blobs((CUBE,) * 3)).mean)
    values = values + np.float32(0.05) * unfolded(
        exact, fold(exact, blobs(values.shape, seed=4)).mean
    )
    error = fold(rough, values).rms
    assert error > 0
    assert detect(values, 1.001 * error) == rough
    found = detect(values, 0.999 * error)
    assert found is not None and len(found) == 4
    assert fold(found, values).rms <= 0.999 * error
    assert detect(values) == exact


def test_maps_need_not_be_cubes() -> None:
    shape, centre = (12, 20, 17), (11, 19, 16)
    symmetry = group("D2", centre)
    values = unfolded(symmetry, fold(symmetry, blobs(shape)).mean)
    assert detect(values) == symmetry


def test_axes_of_other_sampling_are_not_exchanged() -> None:
    symmetry = group("C4", CENTRES["half-way"])
    values = unfolded(symmetry, fold(symmetry, blobs((CUBE,) * 3)).mean)
    assert detect(values, voxel_size=(2.0, 1.5, 1.5)) == symmetry
    found = detect(values, voxel_size=(1.5, 1.5, 1.4))
    assert found == group("C2", CENTRES["half-way"])


def test_only_voxels_with_weight_count() -> None:
    symmetry = group("D2", CENTRES["half-way"])
    values = unfolded(symmetry, fold(symmetry, blobs((CUBE,) * 3)).mean)
    weights = np.ones(values.shape, np.float32)
    values[:4, :4, :4] = 9.0
    weights[:4, :4, :4] = 0
    assert detect(values) is None
    assert detect(values, weights=weights) == symmetry
    assert detect(values, weights=weights > 0) == symmetry


def test_a_screw_axis_is_no_symmetry() -> None:
    half = blobs((10, CUBE, CUBE))
    values = np.concatenate([half, half[:, ::-1, ::-1]])  # half a turn and half a cell along z
    assert detect(values) is None


def test_a_better_screw_axis_does_not_hide_a_rotation() -> None:
    shape, symmetry = (10, CUBE, CUBE), group("C2", CENTRES["half-way"])
    half = unfolded(symmetry, fold(symmetry, blobs(shape)).mean) + 0.01 * blobs(shape, seed=5)
    values = np.concatenate([half, half[:, ::-1, ::-1]])
    assert detect(values, 0.01) == symmetry


def test_images_without_weight_prove_nothing() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(CUBE,) * 3).astype(np.float32)
    weights = rng.uniform(size=values.shape) < 0.01  # hardly any image of these is one of these
    assert detect(values, 0.1, weights) is None


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_constant_maps_have_no_symmetry(value: float) -> None:
    values = np.full((8, 8, 8), value, np.float32)
    assert detect(values, 1.0) is None
    values[0, 0, 0] = 3.0
    assert detect(values, 1.0, weights=values == value) is None
    assert detect(values, 1.0, weights=np.zeros(values.shape, bool)) is None


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (2, 2, 2), (1, 9, 9), (3, 1, 4)])
def test_the_smallest_maps_are_harmless(shape: tuple[int, int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for tolerance in (0.0, 0.5, 10.0):
        found = detect(values, tolerance)
        assert found is None or fold(found, values).rms <= tolerance
    assert all(detect(np.ones(shape, np.float32), t) is None for t in (0.0, 1.0))


def test_asymmetric_maps_have_none() -> None:
    made = synthetic_map(33, seed=3)
    assert detect(made.data, 0.002 * float(made.data.std())) is None


@QUICK
@given(st.integers(0, 999), st.sampled_from([0.3, 0.7, 1.1]))
def test_what_is_found_is_within_the_tolerance(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(6, 6, 6)).astype(np.float32)
    weights = rng.uniform(size=values.shape).astype(np.float32)
    found = detect(values, tolerance, weights)
    assert found is None or (len(found) > 1 and fold(found, values, weights).rms <= tolerance)


REAL = {
    # name: share of the standard deviation that is tolerated, operations
    "emd_3197_tiny.map": (0.002, 2),
    "emd_3001_microed_P21.map": (0.002, 1),
}


@pytest.mark.filterwarnings("ignore::napari_cryoinr.MapWarning")
@pytest.mark.parametrize("name", REAL)
def test_real_maps(name: str) -> None:
    real = read_map(DATA / name)
    share, order = REAL[name]
    tolerance = share * float(real.data.std(dtype=np.float64))
    found = detect(real.data, tolerance, voxel_size=real.voxel_size)
    assert len(found or GridSymmetry()) == order
    if found is not None:
        assert fold(found, real.data).rms <= tolerance
        for smaller in itertools.islice(found.operations, 1, None):
            assert fold(GridSymmetry.generated_by([smaller]), real.data).rms <= tolerance
