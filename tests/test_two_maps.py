"""How alike two maps are: half-maps and others, with and without a mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.maps.envelope import soft_mask
from napari_cryoinr.maps.half_maps import HalfMapNoise
from napari_cryoinr.quality.two_maps import likeness


@pytest.fixture(scope="module")
def halves():
    whole = cryoinr.synthetic_map(48)
    random = np.random.default_rng(0)
    noise = [np.float32(2 * random.normal(size=whole.data.shape)) for _ in range(2)]
    return [replace(whole, data=whole.data + part) for part in noise]


def test_half_maps_are_told_with_their_resolution_at_0143(halves) -> None:
    mask = soft_mask(cryoinr.synthetic_map(48).data, 4.0)
    found = likeness(*halves, mask, "soft mask round 4")
    assert found.half_maps
    assert found.mask_voxels == np.count_nonzero(mask >= 0.5)
    inside = found.masked.resolution_below(0.143)
    assert inside < found.whole.resolution_below(0.143)  # the solvent's noise is left out
    known = HalfMapNoise.measure(tuple(halves), mask, halves[0])
    assert inside == pytest.approx(known.resolution, rel=0.02)
    assert found.verdict() == (
        f"Half-maps, which agree (FSC above 0.143) to {inside:.2f} Å in the soft mask round 4"
    )
    for name, _ in found.rows():
        assert name.endswith(("soft mask round 4", "whole volume"))  # what it is measured over
    assert found.text().splitlines()[0] == found.verdict()


def test_two_other_maps(halves) -> None:
    one = cryoinr.synthetic_map(48)
    other = replace(one, data=2 * one.data)  # exact: no rounding in shells without density
    found = likeness(one, other)
    assert not found.half_maps
    assert found.masked is None
    assert found.correlation == pytest.approx(1)
    assert found.difference == pytest.approx(float(one.data.std()), rel=1e-4)
    assert "finest of the grid" in found.verdict()
    with pytest.raises(cryoinr.MapError, match="shapes differ"):
        likeness(one, cryoinr.synthetic_map(24))


def test_a_mask_alone_does_not_correlate() -> None:
    random = np.random.default_rng(0)
    noise = [np.float32(random.normal(size=(32,) * 3)) + 50 for _ in range(2)]
    mask = soft_mask(cryoinr.synthetic_map(32).data, 4.0)
    found = likeness(*map(cryoinr.DensityMap, noise), mask)
    assert abs(found.masked.values[5:]).mean() < 0.2
