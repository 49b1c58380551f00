"""What all tests share, those in docstrings too, which run in an empty folder of their own."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from napari_cryoinr.models.inr.inr_model import InrModel

# As `import_torch` does it, for tests that import torch themselves: threads that spin while they
# wait make everything many times slower where other programs want the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _folder_of_examples(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path_factory.mktemp("example"))


@pytest.fixture
def auto_tries_inr() -> None:
    """Ask for what the package does: with the model auto, inr is trained too where it is quick."""


@pytest.fixture(autouse=True)
def _auto_is_field(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # A training of some seconds in each of the many tests that compress a map.
    if "auto_tries_inr" not in request.fixturenames:
        monkeypatch.setattr(InrModel, "quick", lambda self, voxels, device: False)
