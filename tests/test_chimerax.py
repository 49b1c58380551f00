"""The ChimeraX bundle, against a stand-in for the few parts of ChimeraX that it uses."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_cryoinr as cryoinr

BUNDLE = Path(__file__).parents[1] / "chimerax"
Key = tuple[tuple[int, ...], ...]


class UserError(Exception):
    """As in `chimerax.core.errors`."""


class GridData:
    """As in `chimerax.map_data`, as far as grids and this test use it; caches what it is told."""

    def __init__(
        self,
        size: Any,
        value_type: Any = np.float32,
        origin: Any = (0, 0, 0),
        step: Any = (1, 1, 1),
        name: str = "",
        path: str = "",
        file_type: str = "",
        grid_id: str = "",
    ) -> None:
        self.size, self.value_type = tuple(size), np.dtype(value_type)
        self.origin, self.step = tuple(origin), tuple(step)
        self.name, self.path, self.file_type, self.grid_id = name, path, file_type, grid_id
        self.cache: dict[Key, Any] = {}

    def cached_data(self, origin: Any, size: Any, step: Any) -> Any:
        return self.cache.get((tuple(origin), tuple(size), tuple(step)))

    def cache_data(self, m: Any, origin: Any, size: Any, step: Any) -> None:
        self.cache[tuple(origin), tuple(size), tuple(step)] = m


class MapFileFormat:
    """As in `chimerax.map_data`."""

    def __init__(self, description: str, name: str, prefixes: list[str], suffixes: list[str]):
        self.description, self.name = description, name
        self.prefixes, self.suffixes = prefixes, suffixes


class Progress:
    """As `ProgressReporter` of `chimerax.map_data`."""

    def __init__(self, cancel: bool = False) -> None:
        self.cancel, self.fractions = cancel, list[float]()

    def fraction(self, f: float) -> None:
        self.fractions.append(f)
        if self.cancel:
            raise KeyboardInterrupt


@pytest.fixture
def chimerax(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The bundle, imported with the stand-in modules."""
    formats: list[Any] = []

    def open_map(session: Any, path: str, name: str = "", **kw: Any) -> Any:
        (own,) = (known for known in formats if known.name == kw["format"])
        return own.open_func(path), f"{name} {kw}"

    parts: dict[str, dict[str, Any]] = {
        "chimerax": {},
        "chimerax.core": {},
        "chimerax.core.toolshed": {"BundleAPI": object},
        "chimerax.core.errors": {"UserError": UserError},
        "chimerax.core.commands": {"BoolArg": bool},
        "chimerax.open_command": {"OpenerInfo": object},
        "chimerax.map": {
            "add_map_format": lambda session, map_format: formats.append(map_format),
            "open_map": open_map,
        },
        "chimerax.map_data": {
            "GridData": GridData,
            "MapFileFormat": MapFileFormat,
            "file_formats": formats,
        },
    }
    for name, members in parts.items():
        module = types.ModuleType(name)
        module.__path__ = []
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    source = BUNDLE / "src"
    spec = importlib.util.spec_from_file_location(
        "chimerax.cryoinr", source / "__init__.py", submodule_search_locations=[str(source)]
    )
    assert spec is not None
    assert spec.loader is not None
    bundle = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, bundle)
    monkeypatch.delitem(sys.modules, "chimerax.cryoinr.grid", raising=False)
    spec.loader.exec_module(bundle)
    return bundle


@pytest.fixture
def read(chimerax: types.ModuleType) -> Callable[[Path], Any]:
    """What returns the grids of a file, found as ChimeraX finds it."""

    def grids(path: Path) -> Any:
        opener = chimerax.bundle_api.run_provider(None, "CryoINR density map", "open command")
        return opener.open(None, str(path), path.name)[0]

    return grids


@pytest.fixture(scope="module")
def two_maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two maps with a contour, off the origin, each axis of its own length."""
    path = tmp_path_factory.mktemp("chimerax") / "two.cinr"
    rng = np.random.default_rng(0)
    maps = []
    for number in range(2):
        data = rng.normal(size=(6, 9, 13)).astype(np.float32)
        data[2:4, 3:6, 4:9] += 9
        place = {"voxel_size": (1.0, 1.5, 2.0), "origin": (3.0, -4.0, 5.0)}
        maps.append(cryoinr.DensityMap(data, name=f"class {number}", **place))
    cryoinr.compress(maps, path, cryoinr.Settings(lossless=True, threshold=4.0))
    return path


def test_members_are_grids_with_place_name_and_contour(
    read: Callable[[Path], Any], two_maps: Path
) -> None:
    grids = read(two_maps)
    assert [grid.name for grid in grids] == ["class 0", "class 1"]
    assert [grid.grid_id for grid in grids] == ["0", "1"]
    with cryoinr.open_archive(two_maps) as archive:
        contour = archive[1].contour
    grid = grids[1]
    assert (grid.size, grid.value_type) == ((13, 9, 6), np.float32)
    assert grid.step == pytest.approx((2.0, 1.5, 1.0))
    assert grid.origin == pytest.approx((5.0, -4.0, 3.0))
    assert (grid.path, grid.file_type) == (str(two_maps), "cinr")
    assert getattr(grid, "initial_surface_level", None) == contour


def test_boxes_and_steps_are_the_voxels_at_these_places(
    read: Callable[[Path], Any], two_maps: Path
) -> None:
    with cryoinr.open_archive(two_maps) as archive:
        whole = archive[0].read()
    grid = read(two_maps)[0]
    np.testing.assert_array_equal(grid.read_matrix(), whole)
    box = grid.read_matrix((2, 1, 3), (7, 5, 2), (1, 1, 1), None)
    np.testing.assert_array_equal(box, whole[3:5, 1:6, 2:9])
    thin = grid.read_matrix((1, 0, 0), (12, 9, 6), (2, 4, 1), None)
    assert thin.flags.c_contiguous
    np.testing.assert_array_equal(thin, whole[:, ::4, 1::2])


def test_a_coarse_step_keeps_the_voxels_for_a_finer_one(
    read: Callable[[Path], Any], two_maps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = read(two_maps)[0]
    grid.read_matrix((0, 0, 0), grid.size, (4, 4, 4), None)
    expected = grid.cached_data((0, 0, 0), grid.size, (1, 1, 1))
    monkeypatch.setattr(grid, "_decode", None)  # not called again
    finer = grid.read_matrix((0, 0, 0), grid.size, (2, 2, 2), None)
    np.testing.assert_array_equal(finer, expected[::2, ::2, ::2])


def test_progress_is_reported_and_can_cancel(read: Callable[[Path], Any], two_maps: Path) -> None:
    grid, progress = read(two_maps)[0], Progress()
    grid.read_matrix((0, 0, 0), grid.size, (1, 1, 1), progress)
    assert progress.fractions
    assert all(0 <= fraction <= 1 for fraction in progress.fractions)
    with pytest.raises(KeyboardInterrupt):
        read(two_maps)[0].read_matrix((0, 0, 0), grid.size, (1, 1, 1), Progress(cancel=True))


def test_what_cannot_be_read_is_an_error_for_the_user(
    read: Callable[[Path], Any], two_maps: Path, tmp_path: Path
) -> None:
    (tmp_path / "none.cinr").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"none\.cinr"):
        read(tmp_path / "none.cinr")
    grid = read(two_maps)[0]
    grid._member._memory_limit = 1
    with pytest.raises(UserError, match="class 0"):
        grid.read_matrix()


def test_the_user_hears_what_is_missing(
    read: Callable[[Path], Any], two_maps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "napari_cryoinr", None)
    with pytest.raises(UserError, match="not installed in ChimeraX's Python"):
        read(two_maps)


def test_the_format_is_known_once_until_the_bundle_is_removed(chimerax: types.ModuleType) -> None:
    from chimerax.map_data import file_formats

    for _ in range(2):
        chimerax.bundle_api.initialize(None, None)
    assert [(known.name, known.suffixes) for known in file_formats] == [("cinr", ["cinr"])]
    chimerax.bundle_api.finish(None, None)
    assert not file_formats


def test_the_opener_takes_the_keyword_for_series(
    chimerax: types.ModuleType, two_maps: Path
) -> None:
    opener = chimerax.bundle_api.run_provider(None, "CryoINR density map", "open command")
    assert set(opener.open_args) == {"vseries"}
    assert "'vseries': True" in opener.open(None, str(two_maps), "two", vseries=True)[1]


def test_the_bundle_says_what_chimerax_needs_to_know() -> None:
    described = tomllib.loads((BUNDLE / "pyproject.toml").read_text("utf-8"))
    project, own = described["project"], described["chimerax"]
    assert project["version"] == cryoinr.__version__
    # ChimeraX derives the name of the module from that of the bundle, and makes these itself.
    assert project["name"].replace("-", ".").lower() == "chimerax.cryoinr"
    assert {"classifiers", "requires-python"} <= set(project["dynamic"])
    assert not any("napari" in need for need in project["dependencies"])
    assert own["custom-init"]
    (name,) = own["data-format"]
    described_format = own["data-format"][name]
    assert name == "CryoINR density map"
    assert described_format["suffixes"] == [".cinr"]
    assert described_format["open"] == {"want-path": True}
