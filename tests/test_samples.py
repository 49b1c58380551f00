"""The maps to try things on: the real one in the package, synthetic ones, and one of the EMDB."""

from __future__ import annotations

import gzip
import io
import urllib.error
import urllib.request

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run
from napari_cryoinr.samples import REAL_MAP, real_map_steps


def test_the_map_in_the_package_is_whole_and_small() -> None:
    assert REAL_MAP.stat().st_size < 180_000
    with cryoinr.open_archive(REAL_MAP) as archive:
        cryoinr.drain(archive[0].check_steps())
    density_map = cryoinr.drain(real_map_steps())
    assert density_map.name == "emd_6824"
    assert density_map.data.shape == (70, 70, 70)
    assert density_map.voxel_size == pytest.approx((2.64,) * 3)
    assert density_map.data.std() == pytest.approx(1.0, rel=1e-3)  # as in its header


def test_it_is_written_by_the_command(tmp_path, capsys) -> None:
    path = tmp_path / "emd_6824.mrc"
    assert run(["sample", str(path), "--real"]) == 0
    assert capsys.readouterr().out == f"{path}: 70³ voxels of 2.64 Å\n"
    expected = cryoinr.drain(real_map_steps())
    np.testing.assert_array_equal(cryoinr.read_map(path).data, expected.data)
    assert run(["sample", str(tmp_path / "other.mrc"), "--real", "--size", "32"]) == 1
    assert "--size and --seed are of a synthetic map" in capsys.readouterr().err


@pytest.fixture
def said(monkeypatch, tmp_path) -> list[str]:
    """What a user is told by the samples of napari, which have a cache of their own."""
    pytest.importorskip("napari")
    import platformdirs
    from napari.utils import notifications

    said: list[str] = []
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setattr(notifications, "show_warning", said.append)
    return said


def test_the_first_sample_is_the_real_map_as_an_original(said) -> None:
    from npe2 import PluginManifest

    from napari_cryoinr.gui.io import sample_data

    manifest = PluginManifest.from_distribution("napari-cryoinr")
    first = manifest.contributions.sample_data[0]
    assert (first.key, first.display_name) == ("emd-6824", "EMD-6824")
    ((data, meta, kind),) = sample_data.real()
    assert (data.shape, kind, meta["name"]) == ((70, 70, 70), "image", "emd_6824")
    assert "member" not in meta["metadata"]["cryoinr"]  # else it would pass for a decoded map
    assert 0 < meta["iso_threshold"] < data.max()


@pytest.mark.parametrize("failure", [urllib.error.URLError("Name or service not known"), OSError()])
def test_without_a_network_one_line_names_the_map_in_the_package(
    said, monkeypatch, tmp_path, failure
) -> None:
    from napari_cryoinr.gui.io import sample_data

    def fails(url: str, timeout: float) -> None:
        raise failure

    monkeypatch.setattr(urllib.request, "urlopen", fails)
    ((_, meta, _),) = sample_data.emdb()
    assert meta["name"] == "emd_6824"
    (line,) = said
    assert "without a network" in line
    assert line.endswith("this is the one in the package")
    assert "\n" not in line
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_map_that_is_fetched_is_kept(said, monkeypatch, tmp_path) -> None:
    from napari_cryoinr.gui.io import sample_data

    path = tmp_path / "map.mrc"
    cryoinr.write_map(cryoinr.synthetic_map(24), path)
    content = gzip.compress(path.read_bytes())

    class Answer(io.BytesIO):
        headers = {"Content-Length": str(len(content))}  # noqa: RUF012

    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> Answer:
        asked.append(url)
        return Answer(content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    for _ in range(2):
        ((data, _, _),) = sample_data.emdb()
        assert data.shape == (24, 24, 24)
    assert len(asked) == 1
    (kept,) = (tmp_path / "napari-cryoinr").iterdir()
    assert kept.read_bytes() == content
    assert said == []
