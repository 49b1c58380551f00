"""The training of the model `paper`: loss, pairs of points and densities, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cryoinr import (
    CinrError,
    DensityMap,
    GoalMissed,
    PaperSettings,
    Settings,
    compress_steps,
    drain,
    open_archive,
    synthetic_map,
)
from napari_cryoinr.maps import density_map as density_map_module
from napari_cryoinr.models import shown_planes
from napari_cryoinr.models.base import Target
from napari_cryoinr.models.paper import training
from napari_cryoinr.models.paper.point_pairs import PairFile
from napari_cryoinr.models.paper.training import weighted_mse
from napari_cryoinr.progress import Clock

# --------------------------------------------------------------------------------------- loss


def test_weighted_mse_of_a_few_points() -> None:
    predicted = torch.tensor([1.0, 0.5, -1.0, 0.0])
    density = torch.tensor([1.0, 1.0, -0.5, 0.5])
    # errors 0, 0.5, 0.5, 0.5; squared densities 1, 1, 0.25, 0.25 with mean 0.625
    plain = (0.25 * 1 + 0.25 * 0.25 + 0.25 * 0.25) / 0.625 / 4
    assert weighted_mse(predicted, density, 2, 90, 1).item() == pytest.approx(plain)
    # The 90th percentile of the errors is 0.5: three points get the factor.
    assert weighted_mse(predicted, density, 2, 90, 3).item() == pytest.approx(3 * plain)
    # Exponent 0: all weights are 1; percentile 0: all errors are at or above it.
    assert weighted_mse(predicted, density, 0, 0, 5).item() == pytest.approx(5 * 0.75 / 4)


def test_loss_is_finite_where_all_densities_are_zero_and_has_a_gradient() -> None:
    predicted = torch.ones(4, requires_grad=True)
    assert weighted_mse(predicted, torch.zeros(4), 2, 90, 3).item() == 0
    weighted_mse(predicted, 0.5 * torch.ones(4), 2, 90, 1).backward()
    assert predicted.grad is not None
    # d/dp of (p - d)^2 / 4 with weights 1
    torch.testing.assert_close(predicted.grad, torch.full((4,), 2 * 0.5 / 4))


# -------------------------------------------------------------------------------------- pairs


def example_maps() -> list[Target]:
    """Two maps of different shape above a threshold."""
    random = np.random.default_rng(0)
    shapes = ((20, 21, 22), 0.3), ((9, 30, 11), -0.8)
    return [
        Target.above(DensityMap(random.normal(size=shape).astype(np.float32)), threshold)
        for shape, threshold in shapes
    ]


def filled(pairs: PairFile, targets: list[Target]) -> int:
    """Write the maps; the number of points."""
    drain(pairs.write_steps(targets, Clock()))
    return sum(target.occupied for target in targets)


def expected_points(targets: list[Target]) -> np.ndarray:
    rows = []
    for number, target in enumerate(targets):
        mask, data = target.mask, target.map.data
        grids = np.meshgrid(*[np.linspace(-1, 1, n) for n in mask.shape], indexing="ij")
        columns = [g[mask] for g in grids]
        columns += [data[mask] / np.abs(data[mask]).max(), np.full(mask.sum(), number)]
        rows.append(np.stack(columns, 1).astype(np.float32))
    return sorted_rows(np.concatenate(rows))


def sorted_rows(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


def one_epoch(chunks: Iterator[np.ndarray], count: int) -> list[np.ndarray]:
    """Chunks until so many points are seen."""
    seen: list[np.ndarray] = []
    while sum(map(len, seen)) < count:
        seen.append(next(chunks))
    return seen


@pytest.mark.parametrize(
    ("chunk_size", "share", "slab"), [(1024, 0.05, 500), (1 << 20, 0.5, 1 << 22), (1024, 0.0, 500)]
)
def test_every_point_appears_exactly_once(
    chunk_size: int, share: float, slab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(density_map_module, "SLAB_VOXELS", slab)
    sources = example_maps()
    with closing(PairFile(chunk_size, share, seed=0)) as pairs:
        total = filled(pairs, sources)
        held_out = pairs.validation(1 << 30)
        assert abs(len(held_out) - share * total) < 5 * np.sqrt(total) * (share > 0) + 0.5
        epoch = one_epoch(pairs.chunks(), total - len(held_out))
        training = np.concatenate(epoch)
        found = sorted_rows(np.concatenate([training, held_out]))
        np.testing.assert_allclose(found, expected_points(sources), atol=1e-7)
        assert set(training[:, 4]) == {0.0, 1.0}
        assert np.abs(found[:, :4]).max() <= 1


def test_chunks_are_bounded_and_mixed() -> None:
    sources = example_maps()
    with closing(PairFile(1024, 0.05, seed=0)) as pairs:
        total = filled(pairs, sources)
        held_out = len(pairs.validation(1 << 30))
        epoch = one_epoch(pairs.chunks(), total - held_out)
    assert len(epoch) == -(-round(total * 0.95) // 1024)
    assert max(map(len, epoch)) < 1.2 * 1024  # points are dealt at random, so not exactly
    shares = [np.mean(chunk[:, 4]) for chunk in epoch]
    assert max(shares) - min(shares) < 0.15  # both maps in all of them
    for chunk in epoch:
        # No order left inside a chunk: neighbours in it are no neighbours in the map.
        assert abs(np.corrcoef(chunk[:-1, 0], chunk[1:, 0])[0, 1]) < 0.2


@pytest.mark.parametrize("chunk_size", [1024, 1 << 20])
def test_order_differs_between_epochs_but_not_between_runs(chunk_size: int) -> None:
    runs = []
    for seed in (1, 1, 2):
        with closing(PairFile(chunk_size, 0.1, seed)) as pairs:
            total = filled(pairs, example_maps())
            count = total - len(pairs.validation(1 << 30))
            chunks = pairs.chunks()
            runs.append([np.concatenate(one_epoch(chunks, count)) for _ in range(2)])
    first, again, other = runs
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(sorted_rows(first[0]), sorted_rows(first[1]))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_pair_file_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with closing(PairFile(1024, 0.1, seed=0)) as pairs:
        filled(pairs, example_maps())
    assert list(tmp_path.iterdir()) == []


def test_a_network_larger_than_the_ratio_allows_is_not_trained(tmp_path: Path) -> None:
    wanted = Settings(model="paper", target_ratio=50.0, paper=PaperSettings(width="small"))
    steps = compress_steps(synthetic_map(24), tmp_path / "a.cinr", wanted)
    phases = set()
    with pytest.raises(GoalMissed, match="--width"):
        for progress in steps:
            phases.add(progress.phase)
    assert "pairs" not in phases
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------- trainings


@pytest.mark.parametrize(("batch", "every"), [(256, 1), (32, 2)])
def test_a_training_shows_the_middle_plane(
    batch: int, every: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shown_planes, "_SECONDS", 0.0)
    monkeypatch.setattr(shown_planes, "_SHARE", 1.0)
    own = PaperSettings(widths=(32, 16), frequencies=3, max_steps=300, batch_size=batch)
    settings = Settings(threshold="none", model="paper", device="cpu", paper=own)
    planes = []
    steps = compress_steps(synthetic_map(16), tmp_path / "a.cinr", settings, shows=True)
    drain(steps, lambda record: planes.append(record.plane))
    shown = [plane for plane in planes if plane is not None]
    assert len(shown) > 1
    with open_archive(tmp_path / "a.cinr") as archive:
        expected = archive[0].read()[8, ::every, ::every]
    assert shown[-1].z == 8
    assert shown[-1].densities.shape == expected.shape
    assert np.corrcoef(shown[-1].densities.ravel(), expected.ravel())[0, 1] > 0.9
    np.testing.assert_allclose(shown[-1].densities.max(), expected.max(), rtol=0.5)


def test_diverged_training_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(training, "weighted_mse", lambda found, *_: found.sum() * float("nan"))
    own = PaperSettings(width="small", max_steps=5, learning_rate=0.5)
    steps = compress_steps(
        synthetic_map(16), tmp_path / "a.cinr", Settings(model="paper", device="cpu", paper=own)
    )
    with pytest.raises(CinrError, match=r"diverged.*lower learning rate than 0\.5"):
        drain(steps)
