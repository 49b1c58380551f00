"""The encoder of the model `field` in parts: what it asks of a map, the solver, the rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import napari_cryoinr as cryoinr
from napari_cryoinr.models.base import Target
from napari_cryoinr.models.field import latent_contexts, transform
from napari_cryoinr.models.field.blocks import Blocks, no_blocks, rows_of, sum_of, to_blocks
from napari_cryoinr.models.field.encoder import PRICE, Encoder, Encoding, Work
from napari_cryoinr.models.field.field_settings import FieldConfig, FieldSettings
from napari_cryoinr.models.field.lapped import Basis, axis_matrix
from napari_cryoinr.models.field.pretrained import EDITIONS, pretrained
from napari_cryoinr.models.field.rounding import round_latents
from napari_cryoinr.models.field.search import Goal, best_basis_steps, effort_for
from napari_cryoinr.models.field.solver import Solver
from napari_cryoinr.models.field.transform import Transform
from napari_cryoinr.models.problem import Problem, problem_steps
from napari_cryoinr.models.separable_sums import MATRIX_BITS
from napari_cryoinr.progress import Clock, Steps, drain
from napari_cryoinr.support.regions import region_shape
from napari_cryoinr.symmetry.folding import fold_steps

EDITION = EDITIONS[-1]
BASES = [Basis(block, shape, EDITION) for block in (4, 6, 10, 16) for shape in ("smooth", "sharp")]


def problem_of(
    data: np.ndarray, threshold: float | None, exact: bool = False, **goal: Any
) -> Problem:
    density_map = cryoinr.DensityMap(data.astype(np.float32))
    target = Target.above(density_map, threshold, exact_mask=exact)
    settings = cryoinr.Settings(threshold="none" if threshold is None else threshold, **goal)
    return cryoinr.drain(problem_steps(target, settings.request(), Clock(), symmetric=True))


@pytest.fixture(scope="module")
def molecule() -> np.ndarray:
    return cryoinr.synthetic_map((37, 30, 41), seed=3).data


@pytest.fixture(scope="module")
def symmetric() -> np.ndarray:
    data = cryoinr.synthetic_map(28, seed=4).data.astype(float)
    return sum(np.rot90(data, k, axes=(1, 2)) for k in range(4)) / 4


# ------------------------------------------------------------------------------------ the problem

REGIONS = [np.s_[:, :, :], np.s_[3:9, :, 20:28], np.s_[0:4, 24:28, 0:3]]


def as_region(region: Any, shape: tuple[int, ...]) -> Any:
    return tuple(slice(*s.indices(n)[:2]) for s, n in zip(region, shape, strict=True))


@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("exact", [False, True])
def test_a_problem_tells_of_any_region(region: Any, exact: bool) -> None:
    data = cryoinr.synthetic_map(28, seed=1).data
    problem = problem_of(data, 1.0, exact, target_nrmse=0.1)
    region = as_region(region, data.shape)
    above = data[region] > 1
    np.testing.assert_array_equal(problem.weights(region), above)
    expected = (data[region] - np.float32(problem.base))[above]
    np.testing.assert_array_equal(problem.values(region)[above], expected)
    limits = problem.limits(region)
    assert (limits == (np.inf if exact else np.float32(problem.ceiling))).all()
    assert problem.total == (data > 1).sum()
    box = data[problem.box] - problem.base
    assert problem.largest == pytest.approx(np.abs(box).max())
    assert problem.squared_error(problem.values(region) + 1, region) == pytest.approx(above.sum())


@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("threshold", [1.0, None])
def test_a_symmetric_problem_is_that_of_the_folded_map(
    symmetric: np.ndarray, region: Any, threshold: float | None
) -> None:
    data = symmetric.astype(np.float32)
    goal = {"target_psnr": 40.0} if threshold is None else {"target_nrmse": 0.1}
    problem = problem_of(data, threshold, **goal)
    assert problem.symmetry is not None
    weights = None if threshold is None else data > threshold
    folded = drain(fold_steps(problem.symmetry, data, weights, Clock()))
    region = as_region(region, data.shape)
    weights = folded.weight[region] / folded.weight.max()
    np.testing.assert_allclose(problem.weights(region), weights, rtol=1e-6)
    some = weights > 0
    expected = (folded.mean[region] - np.float32(problem.base))[some]
    np.testing.assert_array_equal(problem.values(region)[some], expected)
    bounded = problem.limits(region) < np.inf
    own = problem.symmetry.is_representative(region, data.shape)
    np.testing.assert_array_equal(bounded, own & (threshold is not None))


def test_a_symmetric_problem_holds_its_unit_only(symmetric: np.ndarray) -> None:
    problem = problem_of(symmetric, 1.0, target_nrmse=0.1)
    assert problem.data.shape == region_shape(problem.box)
    assert problem.data.size < symmetric.size / 3


# ---------------------------------------------------------------------------------- the transform


@pytest.mark.parametrize("sizes", [(1, 1), (16, 32), (128, 64)], ids=str)
@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.block}-{b.shape}")
def test_slabs_join_to_the_products_with_the_basis(
    basis: Basis, sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For windows at the ends of an axis and within, whatever the sizes of slabs and bands."""
    monkeypatch.setattr(transform, "_ON_CPU", sizes)
    monkeypatch.setattr(transform, "_LEAST", 1)
    block, half = basis.block, basis.block // 2
    blocks, window = (7, 3, 5), np.s_[2:6, 0:3, 1:5]
    voxels = (7 * block, 3 * block - 1, 5 * block - half - 1)  # the last blocks are cut off
    region = tuple(
        slice(max(0, w.start * block - half), min(n, w.stop * block + half))
        for w, n in zip(window, voxels, strict=True)
    )
    made = Transform(basis, blocks, window, region, "cpu")
    matrices = []
    for count, w, part in zip(blocks, window, region, strict=True):
        matrix = axis_matrix(basis, count, 0, count * block)[2] * 2.0**-MATRIX_BITS
        matrices.append(matrix[part, w.start * block : w.stop * block])
    random = np.random.default_rng(0)
    latents = random.normal(size=made.shape).astype(np.float32)
    expected = np.einsum("abc,za,yb,xc->zyx", latents, *matrices, optimize=True)
    assert [s.start for s, _, _ in made.slabs[1:]] == [s.stop for s, _, _ in made.slabs[:-1]]
    tensor = torch.from_numpy(latents)
    parts = [made.synthesise(n, tensor) for n in range(len(made.slabs))]
    np.testing.assert_allclose(torch.cat(parts), expected, atol=1e-4)

    field = random.normal(size=expected.shape).astype(np.float32)
    back = np.zeros(made.shape)
    start = region[0].start
    for number, (z, _, _) in enumerate(made.slabs):
        slab = torch.from_numpy(field[z.start - start : z.stop - start])
        back[made.planes[number]] += made.analyse(number, slab).numpy()
    expected = np.einsum("zyx,za,yb,xc->abc", field, *matrices, optimize=True)
    np.testing.assert_allclose(back, expected, atol=1e-4)
    for first, third in zip(made.planes, made.planes[2:], strict=False):
        assert third.start >= first.stop  # what `Solver` relies on


# ------------------------------------------------------------------------------------- the solver


def dense_iterations(
    solver: Solver, problem: Problem, bound: float, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The iterations of the solver with one matrix for each axis, in float64."""
    regions = [region for region, _ in solver.voxels(solver.zero())]
    region = (slice(regions[0][0].start, regions[-1][0].stop), *regions[0][1:])
    matrices = []
    basis, block = Basis(solver.block, "sharp", EDITION), solver.block
    for n, w, part in zip(solver.blocks, solver.window, region, strict=True):
        matrix = axis_matrix(basis, n, 0, n * block)[2] * 2.0**-MATRIX_BITS
        matrices.append(matrix[part, w.start * block : w.stop * block])
    values, weights = problem.values(region).astype(float), problem.weights(region)
    limits = problem.limits(region)

    def moved(latents: np.ndarray) -> np.ndarray:
        voxels = np.einsum("abc,za,yb,xc->zyx", latents, *matrices, optimize=True)
        above = np.minimum(limits - voxels, 0)
        wrong = np.where(weights > 0, (values - voxels) * weights, above)
        return latents + np.einsum("zyx,za,yb,xc->abc", wrong, *matrices, optimize=True)

    now = np.zeros(solver.zero().shape)
    ahead, pace = now, 1.0
    ratio = max(solver._first_bound(solver.zero()) / bound, 24)
    for number in range(count):
        limit = bound * ratio ** max(0.0, 1 - number / (0.7 * count))
        new = moved(ahead)
        new[np.abs(new) <= limit] = 0
        faster = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        ahead = now + (1 + (pace - 1) / faster) * (new - now)
        now, pace = new, faster
    return now, moved(now)


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("block", [4, 6, 8])
def test_the_solver_does_what_its_source_says(
    molecule: np.ndarray, symmetric: np.ndarray, block: int, fold: bool
) -> None:
    problem = problem_of(symmetric if fold else molecule, 1.0, target_nrmse=0.1)
    assert (problem.symmetry is not None) == fold
    solver = Solver(problem, Basis(block, "sharp", EDITION), "cpu")
    expected, after = dense_iterations(solver, problem, 0.05, 6)
    *_, found = solver.solve(0.05, 6)
    scale = np.abs(expected).max()
    # A latent at the bound may be cut off in one of the two.
    assert (np.abs(found.numpy() - expected) > 1e-4 * scale).mean() < 1e-3
    assert (np.abs(solver.moved(found).numpy() - after) > 1e-4 * scale).mean() < 1e-3


@pytest.mark.parametrize("scale", [1.0, 1e-4, 3e5])
def test_the_first_bound_leaves_fewer_latents_than_voxels(
    molecule: np.ndarray, scale: float
) -> None:
    problem = problem_of(np.float32(scale) * molecule, scale, target_nrmse=0.1)
    solver = Solver(problem, Basis(8, "sharp", EDITION), "cpu")
    found = np.sort(np.abs(solver.moved(solver.zero()).numpy()), axis=None)[::-1]
    count = int(0.2 * problem.total)
    assert solver._first_bound(solver.zero()) == pytest.approx(1.01 * found[count])


def test_whole_blocks_are_analysed_at_once() -> None:
    """The basis is orthonormal: every voxel is right after one step without any bound."""
    data = cryoinr.synthetic_map((24, 16, 32), seed=2).data
    problem = problem_of(data, None, target_psnr=50)
    solver = Solver(problem, Basis(8, "sharp", EDITION), "cpu")
    (latents,) = solver.solve(1e-6, 100)
    for region, voxels in solver.voxels(latents):
        np.testing.assert_allclose(voxels + problem.base, data[region], rtol=5e-3, atol=5e-3)


def test_latents_stay_those_that_are_known(molecule: np.ndarray) -> None:
    """Where other latents explain the map already, hardly any differs from them."""
    problem = problem_of(molecule, 1.0, target_nrmse=0.1)
    solver = Solver(problem, Basis(6, "sharp", EDITION), "cpu")
    *_, known = solver.solve(0.2, 40)
    known = known.clone()
    *_, found = solver.solve(0.4, 10, known=known)
    assert (found != known).float().mean() < 0.05 * (known != 0).float().mean()


def test_emphasis_puts_weights_on_large_densities_and_large_errors(molecule: np.ndarray) -> None:
    problem = problem_of(molecule, 1.0, target_nrmse=0.1)
    own = cryoinr.FieldSettings(weight_exponent=1.0, weight_factor=5.0)
    solver = Solver(problem, Basis(6, "sharp", EDITION), "cpu", own)
    plain = torch.cat([weights.flatten() for _, weights in solver._kept])
    assert plain.max() == pytest.approx(1.0)
    *_, latents = solver.solve(0.05, 6)
    solver.emphasise(latents, 90.0, 5.0)
    weights = torch.cat([weights.flatten() for _, weights in solver._kept])
    counted = plain > 0
    share = (weights[counted] / plain[counted]).numpy()
    np.testing.assert_allclose(np.unique(share.round(5)), [0.2, 1.0])
    assert (share > 0.5).mean() == pytest.approx(0.1, abs=0.01)


def test_frequencies_that_are_left_out_are_zero(molecule: np.ndarray) -> None:
    """And the others are as they were: the basis is a product of those of the axes."""
    problem = problem_of(molecule, 1.0, target_nrmse=0.1)
    full = Solver(problem, Basis(8, "sharp", EDITION), "cpu")
    fewer = Solver(problem, Basis(8, "sharp", EDITION), "cpu")
    fewer.keep(5)
    some = fewer.to_blocks(fewer.moved(fewer.zero()), 0.5, 0.2)
    dense = full.to_blocks(full.moved(full.zero()), 0.5, 0.2).dense().reshape(*full.grid, 8, 8, 8)
    listed = np.abs(dense[..., :5, :5, :5]).max(axis=(3, 4, 5)) > 0.2
    expected = np.zeros_like(dense)
    expected[listed, :5, :5, :5] = dense[listed, :5, :5, :5]
    np.testing.assert_allclose(some.dense().reshape(expected.shape), expected, atol=1e-3)
    one, other = (
        np.concatenate([voxels for _, voxels in solver.voxels(solver.to_volume(some, 0.5))])
        for solver in (full, fewer)
    )
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_frequencies_without_latents_above_a_bound_are_left_out(molecule: np.ndarray) -> None:
    solver = Solver(problem_of(molecule, 1.0, target_nrmse=0.1), Basis(8, "sharp", EDITION), "cpu")
    sizes = np.abs(to_blocks(solver.moved(solver.zero()).numpy(), 8)).max(axis=(0, 1, 2))
    bound = float(np.sort(sizes)[-40])
    reach = 1 + max(int(axis.max()) for axis in np.nonzero(sizes.reshape(8, 8, 8) > bound))
    assert reach < 8
    solver.narrow(bound)
    assert solver.kept == reach


# -------------------------------------------------------------------------------------- rounding


def test_blocks_of_the_solver_and_back(molecule: np.ndarray) -> None:
    solver = Solver(problem_of(molecule, 1.0, target_nrmse=0.1), Basis(6, "sharp", EDITION), "cpu")
    random = np.random.default_rng(1)
    shape = tuple(solver.zero().shape)
    volume = random.integers(-9, 10, shape) * (random.random(shape) < 0.002)
    blocks = solver.to_blocks(torch.from_numpy(volume.astype(np.float32)), 1.0, 3.0)
    dense = to_blocks(volume, 6)
    listed = (np.abs(dense) > 3).any(axis=3)
    np.testing.assert_array_equal(blocks.dense(), dense * listed[..., None])
    back = solver.to_volume(Blocks(blocks.grid, blocks.numbers, blocks.latents), 0.5)
    np.testing.assert_array_equal(to_blocks(2 * back.numpy(), 6), dense * listed[..., None])


def some_scaled(grid: tuple[int, int, int], block: int, largest: float) -> Blocks:
    random = np.random.default_rng(0)
    shape = (*grid, block**3)
    scaled = random.laplace(scale=0.4, size=shape) * (largest ** random.random(shape))
    scaled[random.random(grid) < 0.4] *= 0.1 / scaled.max()
    count = int(np.prod(grid))
    return Blocks(grid, np.arange(count), scaled.reshape(count, -1).astype(np.float32))


@pytest.mark.parametrize("largest", [3.0, 1e5])
def test_empty_blocks_need_not_be_listed(largest: float) -> None:
    trained = pretrained(EDITION)
    scaled = some_scaled((3, 4, 5), 4, largest)
    some = np.flatnonzero((np.abs(scaled.latents) > 0.6).any(axis=1))
    assert 0 < len(some) < len(scaled.numbers)
    fewer = Blocks(scaled.grid, scaled.numbers[some], scaled.latents[some])
    one, other = (round_latents(blocks, 4, 0.12, trained, 2) for blocks in (scaled, fewer))
    np.testing.assert_array_equal(one.dense(), other.dense())
    assert one.latents.any(axis=1).all()
    assert one.latents.dtype == (np.int16 if largest == 3.0 else np.int32)
    assert np.abs(one.latents).max() > 0.5 * np.abs(scaled.latents).max()


def test_rounding_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = pretrained(EDITION)
    scaled = some_scaled((4, 3, 3), 6, 20.0)
    whole = round_latents(scaled, 6, 0.12, trained, 2)
    monkeypatch.setattr(latent_contexts, "PART", 37)
    monkeypatch.setattr("napari_cryoinr.models.field.blocks._PART", 1000)
    assert len(list(rows_of(scaled.latents))) == 9
    parts = round_latents(scaled, 6, 0.12, trained, 2)
    np.testing.assert_array_equal(parts.dense(), whole.dense())


def test_a_higher_price_leaves_fewer_latents() -> None:
    scaled = some_scaled((3, 3, 3), 6, 5.0)
    counts = [
        np.count_nonzero(round_latents(scaled, 6, price, pretrained(EDITION), 2).latents)
        for price in (0.0, 0.12, 1.0, 1e9)
    ]
    assert counts[0] > counts[1] > counts[2] > counts[3] == 0


# ------------------------------------------------------------------------------------ the search


@pytest.mark.parametrize("passes", [1, 2])
def test_the_rounding_estimates_the_size_of_the_stream(passes: int) -> None:
    problem = problem_of(cryoinr.synthetic_map(48, noise=0.3).data, None, target_psnr=40)
    basis = Basis(8, "sharp", EDITION)
    encoder = Encoder(problem, basis, "cpu", FieldSettings(), passes, Work(Clock(), 1))
    found = drain(encoder.encode_steps(0.2, 1))
    assert len(found.stream) > 1 << 13
    assert found.estimate == pytest.approx(len(found.stream), rel=0.02)


class Formula:
    """Stands for an encoder: errors and sizes of a formula, and streams that nobody may ask for."""

    finest, exact = 0.0, True

    def __init__(self, basis: Basis) -> None:
        self.basis = basis

    def encode_steps(self, step: float, iterations: int) -> Steps[Encoding]:
        return (yield from self.round_steps(step))

    def round_steps(self, step: float, price: float = PRICE) -> Steps[Encoding]:
        yield from ()
        block, shape, edition = self.basis.block, self.basis.shape, self.basis.edition
        config = FieldConfig(edition, block, shape, 4, step, 0.0)
        size = 1e5 * (1.1 if block == 8 else 1.0) * step**-0.5
        return Encoding(config, step**1.2, False, size, lambda: pytest.fail("coded"))


def test_trials_that_are_large_are_compared_without_coding_them() -> None:
    request = cryoinr.Settings(effort="fast", target_psnr=40).request()
    effort = effort_for(request, "cpu", every_voxel=True)
    goal = Goal(2.0, by_size=False, strict=True)
    bases = [Basis(8, "sharp", EDITION), Basis(12, "sharp", EDITION)]
    found = drain(best_basis_steps(Formula, bases, goal, 1.0, effort))
    assert found.config.block == 12
    assert goal.reached(found)


# ---------------------------------------------------------------------------------------- blocks


def test_blocks_move_to_other_grids_and_add_up() -> None:
    random = np.random.default_rng(0)
    dense = random.integers(-9, 10, (4, 3, 5, 64)) * (random.random((4, 3, 5, 1)) < 0.5)
    flat = dense.reshape(-1, 64)
    numbers = np.flatnonzero(flat.any(axis=1))
    blocks = Blocks((4, 3, 5), numbers, flat[numbers])
    own, other = np.s_[10:14, 0:3, 7:12], np.s_[8:13, 1:3, 9:15]
    expected = np.zeros((5, 2, 6, 64), int)
    expected[2:5, :, 0:3] = dense[0:3, 1:3, 2:5]
    np.testing.assert_array_equal(blocks.regrid(own, other).dense(), expected)
    assert not blocks.regrid(own, np.s_[0:4, 0:3, 0:5]).numbers.size
    total = sum_of([no_blocks((4, 3, 5), 4), blocks, blocks])
    np.testing.assert_array_equal(total.numbers, numbers)
    np.testing.assert_array_equal(total.dense(), 2 * dense)
