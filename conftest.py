"""Examples in docstrings run in an empty folder of their own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _folder_of_examples(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path_factory.mktemp("example"))
