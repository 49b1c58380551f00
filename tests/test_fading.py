"""What decoded maps have outside what is kept: the background, reached smoothly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cryoinr.archive.fading import faded, reach_of
from napari_cryoinr.archive.header import MemberHeader
from napari_cryoinr.maps.envelope import squared_distances


def header(threshold: float, background: float, shape: tuple[int, int, int]) -> MemberHeader:
    """Of a member that keeps an envelope, whose mask follows from the densities."""
    return MemberHeader(
        name="made",
        shape=shape,
        mode=2,
        byte_order="<",
        background=background,
        density_scale=1.0,
        contrast_limits=(0.0, 1.0),
        original_checksum="",
        decoded_checksum="",
        keep="envelope",
        threshold=threshold,
        neighbours=20,
        rim=(0.5 * threshold, threshold),
    )


@given(
    seed=st.integers(0, 99), scale=st.sampled_from([1e-30, 1.0, 1e30]), offset=st.floats(-2, 0.5)
)
def test_outside_the_envelope_nothing_looks_like_density(
    seed: int, scale: float, offset: float
) -> None:
    shape = (30, 32, 34)
    axes = (np.arange(n) - n // 2 for n in shape)
    z, y, x = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt(z**2 + y**2 + x**2)
    made = header(scale, float(np.float32(scale * offset)), shape)
    # The model overshoots both ways wherever nothing was fitted.
    wild = np.random.default_rng(seed).choice([-9.0, 9.0], shape, p=[0.97, 0.03])
    values = np.where(radius <= 3, 2.0, np.where(radius <= 8, 0.3, wild)).astype(np.float32)
    values *= np.float32(scale)
    out = faded(values, None, made)
    contrast = made.threshold - made.background
    assert (out[radius <= 7] == values[radius <= 7]).all()
    outside = out[radius > 9] - np.float32(made.background)
    assert outside.max() <= contrast * (1 + 1e-5)
    assert outside.min() >= -0.5 * scale * (1 + 1e-5)
    assert (out[radius > 3 + reach_of(made)] == np.float32(made.background)).all()


@pytest.mark.parametrize("reach", [0, 2, 3, 200])
@pytest.mark.parametrize("share", [0.0, 0.02, 1.0])
def test_distances_from_a_mask_are_those_to_its_nearest_voxel(reach: int, share: float) -> None:
    mask = np.random.default_rng(1).random((6, 9, 7)) < share
    found = squared_distances(mask, reach)
    places = np.argwhere(mask)
    for at in np.ndindex(*mask.shape):
        nearest = ((places - at) ** 2).sum(axis=1).min(initial=(reach + 1) ** 2)
        assert found[at] == nearest
