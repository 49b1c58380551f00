"""Small maps, quick settings, and what every test may rely on."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import napari_cryoinr as cryoinr
from leftovers import children, working
from spots import BOX, spots


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
def quick() -> cryoinr.Settings:
    """The default model, a fraction of a second for a small map."""
    return cryoinr.Settings(effort="fast", device="cpu")


@pytest.fixture
def quick_paper(tiny_paper: cryoinr.PaperSettings) -> cryoinr.Settings:
    return cryoinr.Settings(model="paper", paper=tiny_paper, device="cpu")


@pytest.fixture(params=["field", "paper"])
def either(
    request: pytest.FixtureRequest, quick: cryoinr.Settings, quick_paper: cryoinr.Settings
) -> cryoinr.Settings:
    """Both models, one after the other."""
    return quick if request.param == "field" else quick_paper


@pytest.fixture(scope="session")
def archive_path(small_map: cryoinr.DensityMap, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the small map above its contour, with its mask; not to be changed."""
    path = tmp_path_factory.mktemp("archive") / "small.cinr"
    exact = cryoinr.FieldSettings(occupancy="exact")
    settings = cryoinr.Settings(keep="contour", effort="fast", device="cpu", field=exact)
    cryoinr.compress(small_map, path, settings)
    return path


@pytest.fixture(scope="session")
def paper_archive_path(
    small_map: cryoinr.DensityMap,
    tiny_paper: cryoinr.PaperSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same by the model `paper`."""
    path = tmp_path_factory.mktemp("archive") / "small.cinr"
    settings = cryoinr.Settings(model="paper", paper=tiny_paper, device="cpu")
    cryoinr.compress(small_map, path, settings)
    return path


@pytest.fixture(params=["field", "paper"])
def either_path(
    request: pytest.FixtureRequest, archive_path: Path, paper_archive_path: Path
) -> Path:
    """An archive of each model."""
    return archive_path if request.param == "field" else paper_archive_path


@pytest.fixture(scope="session")
def examples() -> list[cryoinr.Example]:
    """Three micrographs with their particles; not to be changed."""
    return [spots((400, 420), seed) for seed in range(3)]


@pytest.fixture(scope="session")
def picker_model(examples: list[cryoinr.Example]) -> cryoinr.PickerModel:
    """A model that was trained on the first micrograph for a few seconds."""
    settings = cryoinr.TrainingSettings(box=BOX, iterations=15, device="cpu")
    return cryoinr.train_picker(examples[:1], settings)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--maps", type=Path, help="folder of maps for test_real_maps.py")


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


@pytest.fixture
def temporary(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where temporary files go; none of ours, no thread and no process is left after a test."""
    from qtpy.QtWidgets import QApplication

    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    end = time.monotonic() + 60
    while time.monotonic() < end and (children() or working()):
        QApplication.processEvents()
        time.sleep(0.02)
    assert not working()
    assert not children()
    assert not list(folder.glob("*cryoinr*"))


@pytest.fixture
def notifications() -> Iterator[list[tuple[str, str]]]:
    """Severity and message of what napari shows in its notifications."""
    from napari.utils.notifications import notification_manager

    messages: list[tuple[str, str]] = []

    def note(notification: Any) -> None:
        messages.append((str(notification.severity), notification.message))

    notification_manager.notification_ready.connect(note)
    with notification_manager:  # errors in the event loop are shown, as napari does
        yield messages
    notification_manager.notification_ready.disconnect(note)
    notification_manager.records.clear()  # whose tracebacks keep the window
    sys.last_exc = sys.last_value = sys.last_traceback = None  # as do those of Qt's slots
