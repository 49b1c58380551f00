"""Small maps, quick settings, and what every test may rely on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import napari_cryoinr as cryoinr

MAPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "maps"


@pytest.fixture(scope="session")
def small_map() -> cryoinr.DensityMap:
    """A synthetic map of 24³ voxels."""
    return cryoinr.synthetic_map(24, seed=1, name="small")


@pytest.fixture(scope="session")
def tiny_paper() -> cryoinr.PaperSettings:
    """A network that trains in a tenth of a second."""
    return cryoinr.PaperSettings(
        frequencies=3, latent_size=2, widths=(16, 8), batch_size=256, max_steps=40
    )


@pytest.fixture
def quick(tiny_paper: cryoinr.PaperSettings) -> cryoinr.Settings:
    return cryoinr.Settings(paper=tiny_paper, device="cpu")


@pytest.fixture(scope="session")
def archive_path(
    small_map: cryoinr.DensityMap,
    tiny_paper: cryoinr.PaperSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An archive of the small map; not to be changed."""
    path = tmp_path_factory.mktemp("archive") / "small.cinr"
    cryoinr.compress(small_map, path, cryoinr.Settings(paper=tiny_paper, device="cpu"))
    return path


def display_available() -> bool:
    """Whether a window can be shown: X, Wayland, macOS and Windows, or pytest-xvfb's own server."""
    return bool(
        os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or os.name == "nt"
        or os.uname().sysname == "Darwin"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Where the viewer's tests must run, a missing napari is an error and no reason to skip."""
    if os.environ.get("CRYOINR_REQUIRE_DISPLAY"):
        import napari  # noqa: F401


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("viewer") and not display_available():
        reason = "needs a display; install Xvfb"
        if os.environ.get("CRYOINR_REQUIRE_DISPLAY"):
            pytest.fail(reason)
        pytest.skip(reason)
