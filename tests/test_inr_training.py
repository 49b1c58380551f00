"""What training sees is what is coded: contexts, code lengths, losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import napari_cryoinr as cryoinr
from napari_cryoinr.models.base import Target
from napari_cryoinr.models.inr.contexts import (
    FEATURES,
    FIRST_FIXED,
    MEAN_UNIT,
    LevelContexts,
    fixed_features,
    level_magnitudes,
    logarithm,
    phase_grid,
)
from napari_cryoinr.models.inr.inr_settings import InrSettings
from napari_cryoinr.models.inr.lattice import lattices_of
from napari_cryoinr.models.inr.losses import PlainLoss
from napari_cryoinr.models.inr.pretrained import pretrained
from napari_cryoinr.models.inr.rate import ContextNetwork, TileRate, bits_of
from napari_cryoinr.models.inr.tiles import tiles_of
from napari_cryoinr.models.problem import Problem, problem_steps
from napari_cryoinr.progress import Clock
from napari_cryoinr.support.array_types import Float32Array, Int64Array

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
    numbers = [np.arange(level.size).reshape(level.shape) for level in levels]
    sums = np.array([float(np.abs(level).sum()) for level in levels])
    magnitudes = level_magnitudes(sums, np.array([level.size for level in levels]))
    rate = TileRate(tile, numbers, DEGREE, "cpu")
    model, network = pretrained(), ContextNetwork.from_integers(pretrained().network)
    tensors = [torch.from_numpy(level).float() for level in levels]
    for level, features, signed, values in rate.features(tensors, magnitudes):
        parents = levels[level + 1] if level + 1 < LEVELS else None
        shift = tile.shift(level) if level + 1 < LEVELS else (0, 0, 0)
        contexts = LevelContexts(tile.shapes[level], parents, shift)
        for phase in range(8):
            part = phase_grid(tile.shapes[level], phase)
            nodes = torch.from_numpy(numbers[level][part].ravel())
            here = np.ones(numbers[level][part].shape, bool)
            sizes, means = contexts.means(phase, here)
            seen = features[nodes]
            # Integers are rounded down: by a unit of the mean, eight of which begin the logarithm.
            assert np.abs(seen[:, :FIRST_FIXED].numpy() - logarithm(sizes).T).max() <= 2
            fixed = fixed_features(phase, level, LEVELS, magnitudes, DEGREE)
            alike = np.broadcast_to(fixed, (len(seen), len(fixed)))
            np.testing.assert_allclose(seen[:, FIRST_FIXED:].numpy(), alike)
            assert np.abs(MEAN_UNIT * signed[:, nodes].numpy() - means).max() < 1.01
            contexts.add(phase, here, levels[level][part][here])
            if phase:
                tables, shifts = model.choose(sizes, means, fixed)
                with torch.no_grad():
                    bits = bits_of(network(seen), signed[:, nodes], values[nodes]).numpy()
                check_code_lengths(model.tables.counts, bits, values[nodes], tables, shifts)
    assert features.shape[1] == len(FEATURES)


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
