"""The scripts that make the pretrained parts: one tiny edition, and what its parts promise."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr

SCRIPTS = Path(__file__).resolve().parents[1] / "pretraining"
if not SCRIPTS.is_dir():
    pytest.skip("the scripts are not part of the package", allow_module_level=True)
sys.path.insert(0, str(SCRIPTS))

from editions import use_edition  # noqa: E402
from lapped_basis import LappedBasis, Volume, learn_basis  # noqa: E402
from make import Effort, make_edition  # noqa: E402
from sources import contours  # noqa: E402

from napari_cryoinr.models import edition_files  # noqa: E402
from napari_cryoinr.models.field import lapped, pretrained  # noqa: E402
from napari_cryoinr.models.inr import pretrained as inr_pretrained  # noqa: E402

_TINY = Effort(
    basis_steps=1, problems=1, bases=2, iterations=3, samples=500, first_steps=5, steps=30, tries=2
)


@pytest.fixture
def own_edition(monkeypatch: pytest.MonkeyPatch) -> object:
    """Whatever edition a test uses, the package's own comes back behind it."""
    monkeypatch.setattr(edition_files, "resources", edition_files.resources)
    yield
    monkeypatch.undo()
    for cached in (pretrained.pretrained, inr_pretrained.pretrained):
        cached.cache_clear()
    lapped._piece.cache_clear()
    lapped.axis_matrix.cache_clear()


@pytest.mark.usefixtures("own_edition")
def test_an_edition_is_made_and_the_same_again(tmp_path: Path) -> None:
    density_map = cryoinr.synthetic_map(28, seed=2)
    paths = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for path in paths:
        make_edition([density_map], path, _TINY, 0)
    assert paths[0].read_bytes() == paths[1].read_bytes()

    use_edition(paths[0])
    trained = pretrained.pretrained(1)
    assert trained.tables.counts.min() >= 1
    assert len(trained.network.network.weights) == 3
    archive = tmp_path / "map.cinr"
    settings = cryoinr.Settings(threshold="none", target_psnr=35, effort="fast", device="cpu")
    cryoinr.compress(density_map, archive, settings)
    opened = cryoinr.open_archive(archive)
    assert opened[0].read().shape == density_map.data.shape


@pytest.mark.parametrize("block", [4, 6, 16])
def test_bases_stay_orthogonal_and_repeat_constants(block: int) -> None:
    density_map = cryoinr.synthetic_map(32, seed=3)
    basis = learn_basis(block, [Volume(density_map.data, 0.1)], 5)
    axis = basis.axis(3).detach().numpy()
    np.testing.assert_allclose(axis.T @ axis, np.eye(3 * block), atol=1e-12)
    assert np.abs(axis).sum(axis=1).max() < 5  # what `lapped` relies on
    latents = axis.T @ np.ones(3 * block)
    np.testing.assert_allclose(latents.reshape(3, block)[:, 1:], 0, atol=1e-12)


def test_without_angles_the_basis_is_the_packages_smooth_one() -> None:
    for block in pretrained.BLOCKS:
        for made, shipped in zip(
            LappedBasis(block).integers(),
            pretrained.pretrained().transforms[block, "smooth"],
            strict=True,
        ):
            assert np.abs(made - shipped).max() <= 1


def test_contours_come_from_the_map_alone(small_map: cryoinr.DensityMap) -> None:
    levels = contours(small_map)
    assert levels == sorted(levels, reverse=True)
    for level in levels:
        assert 200 <= np.count_nonzero(small_map.data > level) <= 0.3 * small_map.data.size
