"""One specimen at several binnings: coordinates, models and micrographs are compared in Å."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cryoinr import (
    Example,
    Micrograph,
    MicrographError,
    Particles,
    PickerModel,
    TrainingSettings,
    drain,
)
from napari_cryoinr.picking import picker
from napari_cryoinr.picking.pixel_sizes import converted, is_same, placed, resampled
from napari_cryoinr.picking.scaled_picking import pick_steps, score_map_steps, train_picker_steps
from spots import BOX, spots

HERE = Path("picks.star")


def noise(shape: tuple[int, int], pixel_size: float | None) -> Micrograph:
    return Micrograph(np.random.default_rng(0).standard_normal(shape), pixel_size, "m")


def many(extent: tuple[int, int], pixel_size: float | None) -> Particles:
    """Twenty places all over an area, x then y."""
    xy = np.random.default_rng(1).uniform(1, np.array(extent) - 2, (20, 2))
    return Particles(xy, box=64, pixel_size=pixel_size)


def test_sizes_within_one_per_cent_are_one() -> None:
    assert is_same(1.0, 1.009) and is_same(None, 3.0) and not is_same(1.0, 1.02)
    particles = many((300, 200), 3.0)
    assert converted(particles, 3.01) is particles and converted(particles, None) is particles
    half = converted(particles, 6.0)
    assert np.allclose(half.xy, particles.xy / 2) and (half.box, half.pixel_size) == (32, 6.0)


def test_coordinates_come_to_lie_where_their_particles_are() -> None:
    image = noise((200, 300), 6.0)
    whole = many((600, 400), 3.0)
    assert np.allclose(placed(whole, image, HERE).xy, whole.xy / 2)
    assert placed(replace(whole, xy=whole.xy[:0]), image, HERE).box == 32
    # RELION's extracted particles: the pixel size of the movie, coordinates of the binned image
    stated = placed(many((300, 200), 3.0), image, HERE)
    assert np.array_equal(stated.xy, many((300, 200), 3.0).xy) and stated.box == 32
    coarse = placed(many((300, 200), 12.0), image, HERE)  # of the particles' own images
    assert np.array_equal(coarse.xy, many((300, 200), 12.0).xy) and coarse.box == 128
    for particles in (many((1200, 800), None), many((1200, 800), 6.0), many((2400, 1600), 3.0)):
        with pytest.raises(MicrographError, match=r"of 20 positions lie outside m, 300 × 200 pix"):
            placed(particles, image, HERE)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_resampling_keeps_places_and_noise(scale: float) -> None:
    example = spots((400, 420), 0)
    micrograph = example.micrograph
    image = micrograph.data.copy()
    image[:60] = 7.0  # a band that shows nothing
    made = resampled(Micrograph(image, 4.0), 4.0 / scale)
    assert made.data.shape == (400 * scale, 420 * scale)
    assert made.dead is not None and abs(int(made.dead.sum()) - 60 * 420 * scale**2) < 900 * scale
    below = example.particles.xy[example.particles.xy[:, 1] > 80]
    x, y = np.round(below * scale).astype(int).T
    assert made.data[y, x].mean() < made.data[int(80 * scale) :].mean() - 1.5
    spectrum = np.abs(np.fft.rfft2(made.data[int(80 * scale) :])) ** 2
    rows, columns = spectrum.shape
    high, middle = spectrum[rows // 2, -9:].mean(), spectrum[rows // 4, columns // 2 :].mean()
    assert 0.3 < high / middle < 3


def binned(example: Example) -> Example:
    data, xy = example.micrograph.data, example.particles.xy
    image = data.reshape(len(data) // 2, 2, -1, 2).mean((1, 3))
    return Example(Micrograph(image, 8.0, "binned"), Particles((xy - 0.5) / 2))


def test_models_work_on_other_binnings(tmp_path: Path) -> None:
    """The box is as long in Å."""
    settings = TrainingSettings(BOX, weights="random", iterations=20, device="cpu")
    example, other = spots((400, 420), 0), binned(spots((400, 420), 1))
    drain(train_picker_steps([example], settings)).save(tmp_path / "model.h5")
    model = PickerModel.load(tmp_path / "model.h5")
    assert (model.pixel_size, model.box, model.at(2.0).box) == (4.0, BOX, 2 * BOX)
    candidates = drain(pick_steps(other.micrograph, model, device="cpu"))
    assert (candidates.box, candidates.pixel_size) == (BOX / 2, 8.0)
    found = candidates.xy[: len(other.particles)]  # the best ones
    distances = np.hypot(*(other.particles.xy[:, None] - found).T).min(0)
    assert (distances < BOX / 8).mean() > 0.7
    unknown = Micrograph(example.micrograph.data)
    assert drain(pick_steps(unknown, model, device="cpu")).box == BOX
    with pytest.raises(MicrographError, match=r"160 Å is 3\.2 pixels of 50 Å: must be 8 to 4096"):
        drain(pick_steps(noise((200, 200), 50.0), model, device="cpu"))


def test_for_layers_of_one_box_the_micrograph_is_resampled() -> None:
    settings = TrainingSettings(BOX, "deepem", iterations=1, device="cpu")
    model = drain(train_picker_steps([spots((200, 220), 0, count=5)], settings))
    image = binned(spots((200, 220), 1, count=5)).micrograph
    finer = resampled(image, 4.0)
    expected = drain(picker.pick_steps(finer, model, device="cpu"))
    made = drain(pick_steps(image, model, device="cpu"))
    assert np.allclose(made.xy, expected.xy / 2) and (made.box, made.pixel_size) == (BOX / 2, 8.0)
    scores = drain(score_map_steps(image, model, device="cpu"))
    whole = drain(picker.score_map_steps(finer, model, device="cpu"))
    assert np.array_equal(scores.values, whole.values)
    assert np.allclose([scores.start, scores.step], np.array([whole.start, whole.step]) / 2)
    with pytest.raises(MicrographError, match=r"deepem depend on the pixel size, .* 4 Å and is 8"):
        drain(train_picker_steps([Example(image, Particles([[50, 50]]))], settings, model))


def test_training_on_two_binnings() -> None:
    settings = TrainingSettings(BOX, weights="random", iterations=1, device="cpu")
    examples = [spots((400, 420), 0), binned(spots((400, 420), 1))]
    model = drain(train_picker_steps(examples, settings))
    assert (model.pixel_size, model.rounds[0].micrographs) == (4.0, 2)
    half = replace(settings, box=BOX / 2)
    again = drain(train_picker_steps(examples[1:], half, model))
    assert (again.pixel_size, again.box, len(again.rounds)) == (8.0, BOX / 2, 2)
