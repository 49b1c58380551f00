"""What all tests share, those in docstrings too, which run in an empty folder of their own."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# As `import_torch` does it, for tests that import torch themselves: threads that spin while they
# wait make everything many times slower where other programs want the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
