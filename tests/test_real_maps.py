"""Real maps there and back; with `--maps FOLDER`, all maps of that folder too."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from data_files import REAL_MAPS

# Written anew by every MRC writer, or completed by ours.
REWRITTEN = {"dmin", "dmax", "dmean", "rms", "machst", "nlabl", "label"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "path" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--maps")
        paths = REAL_MAPS + (sorted(folder.iterdir()) if folder else [])
        metafunc.parametrize("path", paths, ids=lambda path: path.name)


def read(path: Path) -> cryoinr.DensityMap:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cryoinr.MapWarning)
        return cryoinr.read_map(path)


def assert_same_header(back: cryoinr.DensityMap, original: cryoinr.DensityMap) -> None:
    assert back.voxel_size == original.voxel_size
    assert back.origin == original.origin
    before, after = original.mrc.record, back.mrc.record
    for name in set(before.dtype.names) - REWRITTEN:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    labels = original.mrc.labels
    assert back.mrc.labels[: len(labels)] == labels
    if len(labels) < 10:
        assert b"napari-cryoinr" in back.mrc.labels[-1]
    assert back.mrc.extended == original.mrc.extended
    assert float(after["dmax"]) == pytest.approx(float(back.data.max()))


@pytest.mark.parametrize("model", ["field", "paper"])
def test_no_voxel_above_the_threshold_is_off_by_more_than_the_bound(
    path: Path, model: str, tmp_path: Path
) -> None:
    original = read(path)
    bound = 0.1 * float(original.data.std())
    paper = cryoinr.PaperSettings(width="small", max_steps=150)
    settings = cryoinr.Settings(
        model=model, keep="contour", max_error=bound, effort="fast", device="cpu", paper=paper
    )
    report = cryoinr.compress(original, tmp_path / "a.cinr", settings)
    decoded = cryoinr.decompress(tmp_path / "a.cinr", tmp_path / "back.mrc")
    back = read(tmp_path / "back.mrc")
    np.testing.assert_array_equal(back.data, decoded.data)
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        threshold = np.float32(archive[0].threshold)
    above = original.data > threshold
    assert np.abs(original.data - back.data)[above].max() <= bound
    assert report.max_error <= bound
    np.testing.assert_array_equal(above, back.data > threshold)
    assert_same_header(back, original)


def test_lossless_is_bit_for_bit(path: Path, tmp_path: Path) -> None:
    original = read(path)
    settings = cryoinr.Settings(lossless=True, device="cpu")
    report = cryoinr.compress(original, tmp_path / "a.cinr", settings)
    back = cryoinr.decompress(tmp_path / "a.cinr", tmp_path / "back.mrc")
    assert back.data.tobytes() == original.data.tobytes()
    again = read(tmp_path / "back.mrc")
    assert again.data.tobytes() == original.data.tobytes()
    assert_same_header(again, original)
    assert (report.psnr, report.max_error) == (None, 0)
    assert min(report.fsc) == pytest.approx(1)
