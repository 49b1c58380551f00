"""Micrographs with borders, bands, dead and hot pixels: what is left is picked as without them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import napari_cryoinr as cryoinr
from napari_cryoinr import Micrograph, SelectionSettings, TrainingSettings
from napari_cryoinr.picking.bad_pixels import cleaned, dead_pixels
from napari_cryoinr.picking.preprocessing import prepare
from spots import spots

BOX = 40
SHAPE = (420, 400)


def noise(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    top=st.integers(0, 60),
    right=st.integers(0, 60),
    band=st.integers(0, 100),
    value=st.sampled_from([0.0, 100.0, -3e4, 65535.0]),
)
def test_dead_pixels_are_found_exactly(top: int, right: int, band: int, value: float) -> None:
    data, expected = noise(), np.zeros(SHAPE, bool)
    expected[:top], expected[200 : 200 + band] = True, True
    expected[:, SHAPE[1] - right :] = True
    data[expected] = value
    found = dead_pixels(data)
    np.testing.assert_array_equal(np.zeros(SHAPE, bool) if found is None else found, expected)


@pytest.mark.parametrize("mean", [0.005, 0.02, 0.3, 5, 200])
def test_images_of_counted_electrons_have_no_dead_pixels(mean: float) -> None:
    data = np.random.default_rng(1).poisson(mean, (700, 800)).astype(np.float32)
    assert dead_pixels(data) is None
    changed = cleaned(data, None) != data
    assert changed.mean() <= 1e-4


def test_images_without_noise_stay_as_they_are() -> None:
    y, x = np.mgrid[:300, :320]
    data = 100 + 25 * np.tanh(np.hypot(y - 150, x - 160) - 40).astype(np.float32)
    np.testing.assert_array_equal(cleaned(data, None), data)


def test_dead_and_hot_pixels_become_background() -> None:
    data = noise()
    original = data.copy()
    data[:30], data[200:230, 100:180] = 0, 6e4
    data[300, 77], data[350, 10:12] = 1e6, -1e6
    dead = dead_pixels(data)
    assert dead is not None and dead.sum() == 30 * SHAPE[1] + 30 * 80
    found = cleaned(data, dead)
    assert np.abs(found - 100).max() < 60
    changed = dead.copy()
    changed[300, 77], changed[350, 10:12] = True, True
    np.testing.assert_array_equal(found[~changed], original[~changed])


def test_a_whole_band_of_blocks_takes_the_nearest_background() -> None:
    data = noise()
    data[100:300] = 0
    data[300:] += 1000
    found = cleaned(data, dead_pixels(data))
    assert np.abs(found[110:180] - 100).max() < 60
    assert np.abs(found[220:290] - 1100).max() < 60


def test_a_constant_image_is_left_as_it_is() -> None:
    assert dead_pixels(np.full((64, 64), 3, np.float32)) is None


def test_statistics_are_those_of_what_shows_something() -> None:
    micrograph = spots((800, 820), 3, 2.0, 150).micrograph
    whole = prepare(micrograph, BOX)
    data = micrograph.data.copy()
    data[:200], data[:, -37:] = 0, 250
    data[300:420, 300:420] = 1e4
    part = prepare(dataclasses.replace(micrograph, data=data), BOX)
    assert part.unit == pytest.approx(whole.unit, rel=0.03)
    assert part.powers.contrast == pytest.approx(whole.powers.contrast, rel=0.1)
    assert part.seen is not None
    assert (part.image[~part.seen] == 0).all()
    inside = np.s_[320:-20, 20:160]  # away from what was changed, and from the edges
    difference = part.image[inside] - whole.image[inside]
    assert np.abs(difference).max() < 0.2


@pytest.fixture(scope="module")
def model() -> cryoinr.PickerModel:
    examples = [spots(SHAPE, seed) for seed in range(2)]
    return cryoinr.train_picker(examples, TrainingSettings(BOX, iterations=40, device="cpu"))


@pytest.mark.parametrize("kind", ["frame 1", "frame 24", "band", "column"])
def test_picks_in_the_rest_stay(model: cryoinr.PickerModel, kind: str) -> None:
    micrograph = spots(SHAPE, 7).micrograph
    data, dead = micrograph.data.copy(), np.zeros(SHAPE, bool)
    if kind.startswith("frame"):
        width = int(kind.split()[1])
        dead[:] = True
        dead[width:-width, width:-width] = False
        data[dead] = 0
    else:
        part = np.s_[150:255] if kind == "band" else np.s_[:, 201]
        data[part], dead[part] = 77, True
    selection = SelectionSettings(border=0)
    before, after = (
        cryoinr.pick(one, model, selection, device="cpu").above(model.threshold).xy
        for one in (micrograph, Micrograph(data, micrograph.pixel_size))
    )
    columns, rows = np.round(before).astype(int).T
    expected = before[~ndimage.maximum_filter(dead, 11)[rows, columns]]
    assert len(expected) > 8
    missing = [place for place in expected if np.hypot(*(after - place).T).min() > 4]
    added = [place for place in after if np.hypot(*(before - place).T).min() > 4]
    assert len(missing) + len(added) <= 1
