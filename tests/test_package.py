"""Importing is light, the public names are there, the core knows neither Qt nor napari."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import models

HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PySide6", "magicgui", "matplotlib", "h5py", "numpy")
VIEWER = ("napari", "qtpy", "PyQt6", "PySide6", "magicgui", "vispy", "dask")
SOURCE = Path(cryoinr.__file__).parent
DOCS = Path(__file__).parents[1] / "docs"


def loaded_by(code: str) -> set[str]:
    """Top-level modules that are loaded after some code has run in a fresh interpreter."""
    code += "\nimport sys; print('MODULES', *sorted({name.split('.')[0] for name in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(out.stdout.rsplit("MODULES", 1)[1].split())


@pytest.mark.parametrize(
    "code",
    ["import napari_cryoinr", "from napari_cryoinr.cli.main import run; run(['--help'])"],
    ids=["import", "help"],
)
def test_import_and_help_load_nothing_heavy(code: str) -> None:
    assert not loaded_by(code) & set(HEAVY)


def test_every_core_module_imports_without_the_viewer() -> None:
    names = [
        "napari_cryoinr." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in SOURCE.rglob("*.py")
        if "gui" not in path.parts and path.stem not in ("__init__", "__main__")
    ]
    assert len(names) > 40
    loaded = loaded_by("\n".join(f"import {name}" for name in names))
    assert not loaded & set(VIEWER)


def test_opening_an_archive_loads_no_torch(archive_path: Path) -> None:
    loaded = loaded_by(
        f"import napari_cryoinr as c; c.open_archive({str(archive_path)!r})[0].read()"
    )
    assert "torch" not in loaded
    assert "h5py" in loaded


def test_gui_modules_import_without_torch() -> None:
    names = [
        "napari_cryoinr." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in (SOURCE / "gui").rglob("*.py")
        if path.stem != "__init__"
    ]
    assert "torch" not in loaded_by("\n".join(f"import {name}" for name in names))


def test_public_names_resolve() -> None:
    for name in cryoinr.__all__:
        assert getattr(cryoinr, name) is not None
    assert set(cryoinr.__all__) <= set(dir(cryoinr))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = cryoinr.no_such_name


@pytest.mark.parametrize("model", models.NAMES)
def test_the_settings_of_every_model_are_public(model: str) -> None:
    own = models.get(model).settings_type
    if own is None:
        return
    assert own.__name__ in cryoinr.__all__
    assert f"autoclass:: napari_cryoinr.{own.__name__}(" in (DOCS / "api.md").read_text("utf-8")
    assert getattr(cryoinr, own.__name__) is own
    assert getattr(cryoinr.Settings(), model) == own()
