"""The picker before the first click: it finds what is as large as it was told, and learns."""

from __future__ import annotations

import math

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import Example, Micrograph, Particles, PickerModel, TrainingSettings
from napari_cryoinr.picking.evaluation import agreement, match
from napari_cryoinr.picking.networks.modern.modern_network import ModernNetwork
from napari_cryoinr.picking.networks.modern.pretrained_weights import (
    pretrained_arrays,
    pretrained_calibration,
)
from napari_cryoinr.picking.pretrained_picker import pretrained_picker

DIAMETER = 40.0  # pixels


def discs(
    seed: int, shape: tuple[int, int] = (500, 520), noise: float = 1.5, count: int = 30
) -> Example:
    """Dark discs at least 1.3 diameters apart, in white noise and a gradient."""
    rng = np.random.default_rng(seed)
    places: list[np.ndarray] = []
    for place in rng.uniform(DIAMETER, np.array(shape) - DIAMETER, (3000, 2)):
        if len(places) < count and all(math.dist(place, p) > 1.3 * DIAMETER for p in places):
            places.append(place)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = noise * rng.standard_normal(shape) + 0.004 * y
    for row, column in places:
        away = np.hypot(y - row, x - column)
        image -= 1 / (1 + np.exp((away - DIAMETER / 2) / 1.5))
    xy = np.array(places).reshape(-1, 2)[:, ::-1]
    return Example(Micrograph(image, 3.0, f"discs{seed}"), Particles(xy))


def found_in(example: Example, model: PickerModel) -> float:
    """F1 with the model's own threshold."""
    picks = cryoinr.pick(example.micrograph, model, device="cpu")
    return agreement([match(picks, example.particles, DIAMETER / 2)], model.threshold).f1


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.2])
def test_particles_are_found_by_their_size_alone(factor: float) -> None:
    assert found_in(discs(1), pretrained_picker(factor * DIAMETER)) > 0.85


def test_few_particles_are_found_too() -> None:
    assert found_in(discs(5, count=3), pretrained_picker(DIAMETER)) > 0.7


def test_a_frame_changes_nothing_inside() -> None:
    example, model = discs(2), pretrained_picker(DIAMETER)
    data = example.micrograph.data.copy()
    data[:3], data[-30:], data[:, :1] = 0, 0, 0
    framed = Micrograph(data, 3.0)
    whole, rest = (
        cryoinr.pick(one, model, device="cpu").above(0.5).xy for one in (example.micrograph, framed)
    )
    inside = whole[whole[:, 1] < len(data) - 40]
    assert len(inside) > 10
    assert all(np.hypot(*(rest - place).T).min() < 3 for place in inside)


@pytest.mark.parametrize("kind", ["white", "gradient", "coloured", "hole"])
def test_hardly_anything_is_found_where_nothing_is(kind: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((600, 620))
    y, x = np.mgrid[:600, :620]
    if kind == "gradient":
        image += 0.02 * y - 0.01 * x
    elif kind == "coloured":
        frequency = np.hypot(np.fft.fftfreq(600)[:, None], np.fft.fftfreq(620)[None])
        image = np.fft.ifft2(np.fft.fft2(image) / (frequency + 0.1)).real
    elif kind == "hole":
        image += 8 * (np.hypot(y - 300, x - 250) < 200)
    model = pretrained_picker(DIAMETER)
    assert len(cryoinr.pick(Micrograph(image), model, device="cpu").above(0.5)) <= 3


def test_weights_are_few_and_finite() -> None:
    arrays = pretrained_arrays()
    trained = sum(a.size for name, a in arrays.items() if name != "filters")
    assert trained <= 100_000
    assert {name: a.shape for name, a in arrays.items()} == ModernNetwork.shapes(84)
    assert all(np.isfinite(a).all() for a in arrays.values())
    assert 0 < pretrained_calibration().share < 1


def test_a_model_without_a_training_is_saved_and_read(tmp_path) -> None:
    model, example = pretrained_picker(40), discs(3, (200, 210), count=6)
    model.save(tmp_path / "a.h5")
    again = PickerModel.load(tmp_path / "a.h5")
    one, other = (cryoinr.pick(example.micrograph, m, device="cpu") for m in (model, again))
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_allclose(one.score, other.score)


def test_a_training_starts_from_the_weights() -> None:
    example = discs(4, (200, 210), count=6)
    made = {
        weights: cryoinr.train_picker(
            [example], TrainingSettings(56, weights=weights, iterations=1, device="cpu")
        ).network.arrays()
        for weights in ("pretrained", "random")
    }
    before, name = pretrained_arrays(), "coarse.convolution.weight"
    change = np.abs(made["pretrained"][name] - before[name]).max()
    assert change < 0.1 * np.abs(made["random"][name] - before[name]).max()
