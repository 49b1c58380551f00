"""The size of a file before it is made."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.codec import estimation


@pytest.mark.parametrize(
    "goal", [{}, {"target_psnr": 45.0}, {"target_ratio": 40.0}, {"max_error": 0.3}], ids=str
)
def test_estimates_are_near_the_truth(tmp_path: Path, goal: dict) -> None:
    density_map = cryoinr.synthetic_map(32, seed=3)
    settings = cryoinr.Settings(device="cpu", effort="fast", **goal)
    estimate = cryoinr.drain(estimation.estimate_steps(density_map, settings))
    cryoinr.compress(density_map, tmp_path / "a.cinr", settings, overwrite=True)
    assert estimate.bytes == pytest.approx((tmp_path / "a.cinr").stat().st_size, rel=0.25)
    assert not estimate.at_least


def test_estimates_of_what_is_exact(small_map, quick_paper, tmp_path: Path) -> None:
    for settings in (cryoinr.Settings(lossless=True, device="cpu"), quick_paper):
        estimate = cryoinr.drain(estimation.estimate_steps(small_map, settings))
        cryoinr.compress(small_map, tmp_path / "a.cinr", settings, overwrite=True)
        assert estimate.bytes == pytest.approx((tmp_path / "a.cinr").stat().st_size, rel=0.1)
    bounded = dataclasses.replace(quick_paper, max_error=0.1)
    assert cryoinr.drain(estimation.estimate_steps(small_map, bounded)).at_least


def test_a_curve_of_sizes(small_map, quick) -> None:
    by = dataclasses.replace(quick, max_error=0.2)
    steps = estimation.curve_steps(small_map, by, "target_fsc", (0.5, 0.99, 0.999))
    low, middle, high = (found.bytes for found in cryoinr.drain(steps) if found is not None)
    assert low < middle < high
    single = cryoinr.drain(estimation.estimate_steps(small_map, quick))
    assert middle == pytest.approx(single.bytes, rel=0.2)  # which promises the surface too
