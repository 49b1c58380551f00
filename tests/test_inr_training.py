"""What training sees is what is coded: contexts, code lengths, losses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import napari_cryoinr as cryoinr
from napari_cryoinr.maps.envelope import soft_mask
from napari_cryoinr.models.base import Target
from napari_cryoinr.models.inr.context_sums import SumMatrix, _Entries
from napari_cryoinr.models.inr.contexts import (
    FEATURES,
    FIRST_FIXED,
    MEAN_UNIT,
    LevelContexts,
    PhaseNodes,
    fixed_features,
    level_magnitudes,
    logarithm,
    phase_grid,
)
from napari_cryoinr.models.inr.inr_settings import InrSettings
from napari_cryoinr.models.inr.lattice import lattices_of
from napari_cryoinr.models.inr.losses import PlainLoss
from napari_cryoinr.models.inr.parameters import changed
from napari_cryoinr.models.inr.pretrained import pretrained
from napari_cryoinr.models.inr.rate import CHANGE_BITS, ContextNetwork, Rate, bits_of
from napari_cryoinr.models.inr.tiles import tiles_of
from napari_cryoinr.models.problem import Problem, problem_steps
from napari_cryoinr.progress import Clock
from napari_cryoinr.support.array_types import Float32Array, Int64Array
from napari_cryoinr.support.regions import whole_region

LEVELS, DEGREE = 3, 3


@pytest.mark.parametrize("number", [0, 1, -1])
def test_training_and_coding_see_the_same_neighbours(number: int) -> None:
    """Tiles at the beginning, in the middle and at the end have parents in other places."""
    lattices = lattices_of((60, 18, 20), 72, DEGREE, LEVELS)
    tile = tiles_of(lattices, 20)[number]
    dice = np.random.default_rng(number + 5)
    levels = [
        np.where(dice.random(shape) < 0.5, dice.integers(-3, 4, shape), 0) for shape in tile.shapes
    ]
    counts = [level.size for level in levels]
    starts = np.cumsum([0, *counts[:-1]])
    numbers = [
        start + np.arange(level.size).reshape(level.shape)
        for start, level in zip(starts, levels, strict=True)
    ]
    sums = np.array([float(np.abs(level).sum()) for level in levels])
    magnitudes = level_magnitudes(sums, np.array(counts))
    rate = Rate([tile], [numbers], counts, DEGREE, "cpu")
    model, network = pretrained(), ContextNetwork.from_integers(pretrained().network)
    latents = torch.from_numpy(np.concatenate([level.ravel() for level in levels])).float()
    found = list(rate.contexts(latents))
    order = torch.argsort(torch.cat([owners for owners, _, _ in found]))
    features = torch.cat([own for _, own, _ in found])[order]
    signed = torch.cat([own for _, _, own in found], dim=1)[:, order]
    assert features.shape[1] == len(FEATURES)
    for level in range(LEVELS):
        parents = levels[level + 1] if level + 1 < LEVELS else None
        shift = tile.shift(level) if level + 1 < LEVELS else (0, 0, 0)
        contexts = LevelContexts(tile.shapes[level], parents, shift)
        for phase in range(8):
            part = phase_grid(tile.shapes[level], phase)
            nodes = torch.from_numpy(numbers[level][part].ravel())
            here = np.ones(numbers[level][part].shape, bool)
            sizes, means = contexts.means(PhaseNodes(phase, here))
            seen = features[nodes]
            # Integers are rounded down: by a unit of the mean, eight of which begin the logarithm.
            assert np.abs(seen[:, :FIRST_FIXED].numpy() - logarithm(sizes).T).max() <= 2
            fixed = fixed_features(phase, level, LEVELS, magnitudes, DEGREE)
            alike = np.broadcast_to(fixed, (len(seen), len(fixed)))
            np.testing.assert_allclose(seen[:, FIRST_FIXED:].numpy(), alike)
            assert np.abs(MEAN_UNIT * signed[:, nodes].numpy() - means).max() < 1.01
            contexts.add(PhaseNodes(phase, here), levels[level][part][here])
            if phase:
                tables, shifts = model.choose(sizes, means, fixed)
                with torch.no_grad():
                    bits = bits_of(network(seen), signed[:, nodes], latents[nodes]).numpy()
                check_code_lengths(model.tables.counts, bits, latents[nodes], tables, shifts)


def test_slopes_of_sums_are_the_same_on_every_device() -> None:
    rows = [(np.array([[0, 2, -1], [1, 2, 3]]), 0.5), (np.array([[3], [-1]]), 2.0)]
    found = []
    for device in ("cpu", "other"):
        values = torch.tensor([1.0, 2.0, 4.0, 8.0], requires_grad=True)
        matrix = SumMatrix(rows, 4, "cpu")
        if device == "other":
            matrix.matrix = _Entries(matrix.matrix, "cpu")
        sums = matrix(values)
        (sums * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
        assert values.grad is not None
        found.append((sums.tolist(), values.grad.tolist()))
    assert found[0] == found[1] == ([2.5, 7.0, 16.0, 0.0], [0.5, 5.0, 5.5, 205.0])


def check_code_lengths(
    counts: Int64Array,
    trained: Float32Array,
    values: Tensor,
    tables: Int64Array,
    shifts: Int64Array,
) -> None:
    """The bits that training counts are those of the tables, a few per cent apart."""
    folded = values.numpy().astype(np.int64) - shifts
    folded = np.where(folded < 0, -2 * folded - 1, 2 * folded)
    small = folded < 16  # of their own token
    chances = counts[tables[small], folded[small]] / counts[tables[small]].sum(axis=1)
    coded = -np.log2(chances)
    assert abs(coded.mean() - trained[small].mean()) < 0.06 * coded.mean() + 0.02


# --------------------------------------------------------------------------------------- losses


@pytest.fixture(scope="module")
def problem() -> Problem:
    density_map = cryoinr.synthetic_map(16, seed=3)
    target = Target.above(density_map, None)
    request = cryoinr.Settings(model="inr", threshold="none", target_psnr=40.0).request()
    return cryoinr.drain(problem_steps(target, request, Clock(), symmetric=False))


def loss_of(problem: Problem, **weights: float) -> PlainLoss:
    assert problem.allowed is not None
    return PlainLoss(problem, problem.allowed, problem.box, 1.0, "cpu", InrSettings(**weights))  # type: ignore[arg-type]


def test_a_loss_of_one_is_what_is_allowed(problem: Problem) -> None:
    values = torch.from_numpy(problem.values(problem.box))
    assert problem.allowed is not None
    wrong = torch.full_like(values, (problem.allowed / values.numel()) ** 0.5)
    losses, outside = loss_of(problem)(values + wrong)
    assert float(losses[0]) == pytest.approx(1, rel=1e-4)
    assert float(outside) == 0


def test_errors_of_high_densities_and_the_largest_errors_weigh_more(problem: Problem) -> None:
    values = torch.from_numpy(problem.values(problem.box))
    high = (values.abs() >= values.abs().flatten().quantile(0.9)).float()
    low = (values.abs() <= values.abs().flatten().quantile(0.1)).float()

    def ratio(**weights: float) -> float:
        loss = loss_of(problem, **weights)
        return float(loss(values + 0.1 * high)[0][0]) / float(loss(values + 0.1 * low)[0][0])

    assert ratio(weight_exponent=2.0) > 5 * ratio()
    spread = 0.01 * torch.arange(values.numel()).view(values.shape) / values.numel()

    def share(**weights: float) -> float:
        """Return how much of the slope is that of the largest tenth of the errors."""
        found = (values + spread).requires_grad_()
        loss_of(problem, **weights)(found)[0].sum().backward()
        assert found.grad is not None
        slopes = found.grad.abs().flatten()
        return float(slopes[spread.flatten() >= 0.009].sum() / slopes.sum())

    assert share(weight_factor=5.0, weight_percentile=90.0) > 1.5 * share()


@pytest.fixture(scope="module")
def above_contour() -> Problem:
    density_map = cryoinr.synthetic_map(24, seed=3)
    target = Target.above(density_map, float(np.quantile(density_map.data, 0.9)))
    settings = cryoinr.Settings(model="inr", keep="contour", target_nrmse=0.06)
    return cryoinr.drain(problem_steps(target, settings.request(), Clock(), symmetric=False))


def test_voxels_on_the_wrong_side_of_a_contour_cost_something(above_contour: Problem) -> None:
    problem = above_contour
    loss = loss_of(problem)
    inside = torch.from_numpy(np.asarray(problem.weights(problem.box)) > 0)
    assert problem.allowed is not None
    spread = (problem.allowed / float(inside.sum())) ** 0.5
    right = torch.where(inside, problem.ceiling + 4 * spread, problem.ceiling - 4 * spread)
    assert float(loss(right)[0][1]) == 0
    assert float(loss.judged(right)[1]) == 0
    lost = right.clone()
    chosen = inside.nonzero()[: int(inside.sum()) // 10]
    lost[tuple(chosen.T)] = problem.ceiling - spread
    assert float(loss(lost)[0][1]) > 0
    share = len(chosen) / float(inside.sum())
    aimed = float(loss.judged(lost)[1]) / share  # the share off the surface is measured in this
    more = right.clone()
    more[tuple((~inside).nonzero()[:7].T)] = problem.ceiling + spread
    off = 7 / (float(inside.sum()) + 7)
    assert float(loss.judged(more)[1]) / off == pytest.approx(aimed, rel=1e-4)


def test_outside_an_envelope_nothing_may_look_like_density() -> None:
    """Where an error is the goal too, and neither brighter nor darker than the background."""
    density_map = cryoinr.synthetic_map(24, seed=3)
    level = float(np.quantile(density_map.data, 0.9))
    target = Target.inside(density_map, soft_mask(density_map.data, level, 1, 1), level)
    settings = cryoinr.Settings(model="inr", threshold=level, target_nrmse=0.06)
    problem = cryoinr.drain(problem_steps(target, settings.request(), Clock(), symmetric=False))
    box = whole_region(problem.shape)
    loss = loss_of(replace(problem, box=box))
    kept = torch.from_numpy(np.asarray(problem.weights(box)) > 0)
    values = torch.from_numpy(problem.values(box))
    assert not bool(kept.all())
    for wrong in (1.5, -3.0):
        assert float(loss(torch.where(kept, values, 0.0))[1]) == 0
        assert float(loss(torch.where(kept, values, wrong * problem.ceiling))[1]) > 0


def test_a_network_is_trained_as_it_is_stored() -> None:
    network = ContextNetwork.from_integers(pretrained().network)
    dice = torch.Generator().manual_seed(3)
    with torch.no_grad():
        assert float(network.change_bits()) == 0
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=dice)
    assert float(network.change_bits().detach()) > 100
    features = np.random.default_rng(0).integers(0, 100, (50, len(FEATURES))).astype(np.float64)
    stored = changed(pretrained(), network.changes(), CHANGE_BITS).network.outputs(features)
    trained = network(torch.from_numpy(features).float()).detach().numpy() * 2.0**10
    np.testing.assert_allclose(trained, stored, rtol=1e-3, atol=40)


@pytest.mark.parametrize("exponent", [pytest.param(0, marks=pytest.mark.slow), -80])
def test_a_training_shows_the_middle_plane(small_map, tmp_path, exponent: int) -> None:
    density_map = replace(small_map, data=np.ldexp(small_map.data, exponent))
    settings = cryoinr.Settings(model="inr", device="cpu", inr=InrSettings(steps=60))
    planes = []

    def look(record) -> None:
        if record.plane is not None:
            planes.append(record.plane)

    steps = cryoinr.compress_steps(density_map, tmp_path / "a.cinr", settings, shows=True)
    cryoinr.drain(steps, look)
    assert {plane.z for plane in planes} == {12}
    original = density_map.data[12]
    assert np.corrcoef(planes[-1].densities.ravel(), original.ravel())[0, 1] > 0.5
    np.testing.assert_allclose(planes[-1].densities.max(), original.max(), rtol=0.7)
