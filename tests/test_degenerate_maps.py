"""Maps with next to nothing in them, under the default settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr

FAST = {"effort": "fast", "device": "cpu"}


@pytest.mark.parametrize("value", [0.0, -0.0, 2.5, -1e-30])
def test_a_constant_map_comes_back_exactly(tmp_path: Path, value: float) -> None:
    data = np.full((9, 10, 11), value, np.float32)
    report = cryoinr.compress(cryoinr.DensityMap(data), tmp_path / "a.cinr")
    assert isinstance(report, cryoinr.QualityReport) and report.max_error == 0
    assert report.bytes is not None and report.bytes < 1500
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert archive[0].header.keep == "volume"
        assert archive[0].read().tobytes() == data.tobytes()


def test_one_voxel_above_the_threshold_is_kept(tmp_path: Path) -> None:
    made = cryoinr.synthetic_map(20, noise=0.3)
    made.data[10, 9, 8] = 40
    chosen = cryoinr.Settings(threshold=30.0, **FAST)  # type: ignore[arg-type]
    report = cryoinr.compress(made, tmp_path / "a.cinr", chosen)
    assert isinstance(report, cryoinr.QualityReport)
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        decoded = archive[0].read()
    assert np.argwhere(decoded > 30).tolist() == [[10, 9, 8]]
    # All that the soft mask does not reach is the background.
    far = np.linalg.norm(np.indices(made.data.shape).T - [10, 9, 8], axis=-1).T > 8
    assert np.ptp(decoded[far]) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_number_are_refused_in_one_line(tmp_path: Path, value: float) -> None:
    made = cryoinr.synthetic_map(16)
    made.data[3, 4, 5] = value
    with pytest.raises(cryoinr.MapError, match=r"\(3, 4, 5\) is infinite or NaN; replace") as found:
        cryoinr.compress(made, tmp_path / "a.cinr")
    assert "\n" not in str(found.value) and not list(tmp_path.iterdir())


def test_a_map_without_voxels_is_refused() -> None:
    with pytest.raises(cryoinr.MapError, match="holds no voxel"):
        cryoinr.DensityMap(np.empty((0, 4, 4), np.float32))
