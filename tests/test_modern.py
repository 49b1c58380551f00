"""The input and training data of the network `modern`, and the places of its scores."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, ndimage, signal
from scipy.spatial import cKDTree

import napari_cryoinr as cryoinr
from napari_cryoinr.picking.examples import Example
from napari_cryoinr.picking.micrographs import Micrograph
from napari_cryoinr.picking.networks.modern.filters import COUNT, RADIUS, particle_filters
from napari_cryoinr.picking.networks.modern.modern_network import ModernNetwork
from napari_cryoinr.picking.networks.network_base import ScoreMap
from napari_cryoinr.picking.picker import score_map_steps, scored_steps, train_picker_steps
from napari_cryoinr.picking.picker_model import PickerModel
from napari_cryoinr.picking.picking_settings import TrainingSettings
from napari_cryoinr.picking.preprocessing import (
    SIDE,
    Powers,
    Prepared,
    focused,
    graded,
    powers_of,
    prepare,
    with_noise,
)
from napari_cryoinr.picking.selection import maxima
from napari_cryoinr.picking.training_crops import (
    CROP,
    REJECTED,
    STRIDE,
    UNKNOWN,
    Field,
    batch_of,
    field_of,
)
from napari_cryoinr.progress import Clock
from spots import BOX, spots


def white(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def example(examples) -> Example:
    return examples[0]


@pytest.fixture(scope="module")
def model(picker_model) -> PickerModel:
    return picker_model


def score_map_of(network: ModernNetwork, micrograph: Micrograph) -> ScoreMap:
    prepared = prepare(micrograph, network.box)
    return cryoinr.drain(network.score_steps(micrograph, prepared, "cpu", Clock()))


# ------------------------------------------------------------------------------------ the contrast


def contrast_of(micrograph: Micrograph) -> float:
    return prepare(micrograph, BOX).powers.contrast


def test_clearer_particles_have_more_contrast() -> None:
    shape = (400, 430)
    found = [contrast_of(spots(shape, 1, height).micrograph) for height in (1.0, 2.0, 4.0)]
    assert (np.diff(found) > 0).all()
    for seed in range(3):
        noise = contrast_of(Micrograph(white(shape, seed)))
        assert noise < 0.04
        assert noise < found[0]
        assert contrast_of(Micrograph(70 + 9 * white(shape, seed))) == pytest.approx(
            noise, rel=1e-3
        )


def test_the_contrast_at_particles_does_not_depend_on_how_many_there_are() -> None:
    many, few = (spots((400, 430), 3, 2.0, count) for count in (40, 4))
    of_many, of_few = (
        focused(prepare(one.micrograph, BOX), one.particles.xy).powers.contrast
        for one in (many, few)
    )
    assert of_few == pytest.approx(of_many, rel=0.25)
    assert contrast_of(few.micrograph) < 0.5 * of_few
    whole = prepare(few.micrograph, BOX)
    assert focused(whole, np.empty((0, 2))) is whole


@pytest.mark.parametrize("share", [0.6, 0.3, 0.1])
def test_noise_leaves_the_contrast_that_was_asked_for(share: float) -> None:
    micrograph = spots((701, 640), 2, 2.0, 100).micrograph
    prepared = prepare(micrograph, BOX)
    wanted = share * prepared.powers.contrast
    copy = with_noise(micrograph, prepared, wanted, seed=0)
    # Power is known to a hundredth or so, of which contrast is what is above 1.
    assert contrast_of(copy) == pytest.approx(wanted, rel=0.05, abs=0.02)
    assert copy.name == micrograph.name
    again = with_noise(micrograph, prepared, wanted, seed=0)
    np.testing.assert_array_equal(copy.data, again.data)
    other = with_noise(micrograph, prepared, wanted, seed=1)
    assert (copy.data != other.data).any()


def test_no_noise_is_added_for_the_contrast_there_is(example) -> None:
    prepared = prepare(example.micrograph, BOX)
    copy = with_noise(example.micrograph, prepared, prepared.powers.contrast, seed=0)
    np.testing.assert_array_equal(copy.data, example.micrograph.data)
    assert prepared.powers.noise_for(2 * prepared.powers.contrast) == 0


@settings(deadline=None, max_examples=50, derandomize=True)
@given(coarse=st.floats(0, 1e4), fine=st.floats(1e-6, 1e4))
def test_the_faintest_contrast_is_below_the_own_one(coarse: float, fine: float) -> None:
    powers = Powers(coarse, fine)
    assert 0 < powers.faintest < powers.contrast
    assert math.isfinite(powers.noise_for(powers.faintest))


def test_powers_are_variances_per_pixel() -> None:
    powers = powers_of(3 * white((401, 350), 0))
    assert powers.coarse == pytest.approx(9, rel=0.05)
    assert powers.noise == pytest.approx(9, rel=0.05)
    assert math.isfinite(powers_of(np.zeros((64, 64), np.float32)).contrast)


def test_noise_that_falls_with_the_frequency_is_no_particle() -> None:
    """As a detector's does; here by a fifth from the middle of the spectrum to its end."""
    image = white((700, 720), 0)
    y, x = fft.fftfreq(700)[:, None], fft.fftfreq(720)[None]
    factor = np.sqrt(1 - 0.8 * (y**2 + x**2))
    fallen = fft.ifft2(fft.fft2(image) * factor).real
    assert powers_of(fallen).contrast < 0.04
    middle = ndimage.gaussian_filter(fallen, 3) + fallen
    assert powers_of(middle).contrast > 0.08


def test_grades_rise_with_the_contrast() -> None:
    grades = [graded(contrast) for contrast in np.geomspace(0.02, 7, 20)]
    assert (np.diff(grades) > 0).all()
    assert grades[0] > -2.1 and grades[-1] < 2.1


# ----------------------------------------------------------------------- what the network is shown


def field_with(image: np.ndarray, centres: np.ndarray, bad: np.ndarray | None = None) -> Field:
    """A field of a prepared image, its places in pixels of it, (y, x)."""
    prepared = Prepared(image, np.ones_like(image), 1.0, (1.0, 1.0))
    rejected = np.empty((0, 2)) if bad is None else bad
    made = field_of(prepared, centres[:, ::-1], rejected[:, ::-1])
    return dataclasses.replace(made, powers=Powers(1.0, 1.0))


def test_targets_fall_off_from_the_centres() -> None:
    field = field_with(white((121, 140), 0), np.array([[40.0, 60.0], [41.0, 61.0]]))
    assert field.target.shape == (61, 70)
    assert field.target[20, 30] == 1
    y, x = np.mgrid[:121:STRIDE, :140:STRIDE]
    distance = np.hypot(y - 40, x - 60)
    assert (field.target[distance > 0.4 * SIDE] == 0).all()
    assert (field.target[distance < 0.05 * SIDE] > 0.8).all()
    row = field.target[20, 30:40]
    assert (np.diff(row) <= 0).all() and row[-1] == 0


def test_targets_are_at_the_particles_of_the_micrograph() -> None:
    micrograph = Micrograph(white((500, 380), 0))
    prepared = prepare(micrograph, BOX)
    target = field_of(prepared, np.array([[111.0, 303.0]]), np.empty((0, 2))).target
    weights = target / target.sum()
    row, column = ((weights * axis).sum() for axis in np.indices(target.shape))
    assert row * STRIDE * prepared.step[0] == pytest.approx(303, abs=0.5)
    assert column * STRIDE * prepared.step[1] == pytest.approx(111, abs=0.5)


def test_rejected_places_and_those_outside_are_marked() -> None:
    centres, bad = np.array([[20.0, 30.0]]), np.array([[20.0, 60.0], [24.0, 30.0]])
    image = white((61, 80), 0)
    field = field_with(image, centres, bad)
    assert field.image.shape == (CROP, CROP)
    np.testing.assert_array_equal(field.image[:61, :80], image)
    for row, column in (bad / STRIDE).astype(int):
        assert field.target[row, column] == REJECTED  # also beside a particle
    assert (field.target[31:] == UNKNOWN).all()
    assert (field.target[:, 40:] == UNKNOWN).all()
    assert (field.target[:31, :40] != UNKNOWN).all()
    assert field.target[5, 15] == 0
    np.testing.assert_array_equal(field.centres, np.concatenate([centres, bad]))


def lit(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """A field with a bright blob at each centre, in noise that is nothing beside them."""
    rows, columns = (np.arange(12, n - 8, 29.0) for n in shape)
    centres = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    centres += rng.uniform(-4, 4, centres.shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * 3.2**2)) for a, b in centres)
    return field_with((1000 * image).astype(np.float32), centres)


@pytest.mark.parametrize("shape", [(150, 160), (151, 133), (97, 180), (96, 101), (60, 99)])
def test_targets_stay_on_turned_particles(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    batch = batch_of([lit(shape, rng)], 16, rng)
    assert batch.images.shape == (16, CROP, CROP)
    assert batch.targets.shape == (16, CROP // STRIDE, CROP // STRIDE)
    offsets = []
    for image, target in zip(batch.images.numpy(), batch.targets.numpy(), strict=True):
        image = ndimage.gaussian_filter(image.astype(float), 1)
        highest = ndimage.maximum_filter(image, 15) == image
        for row, column in np.argwhere(highest & (image > 0.5 * image.max())):
            if not (8 <= row < CROP - 8 and 8 <= column < CROP - 8):
                continue
            # Of the blob and of the target around it, as far as it is known.
            low = np.array([row - 6, column - 6]) // STRIDE
            part = target[low[0] : low[0] + 7, low[1] : low[1] + 7]
            if (part == UNKNOWN).any():
                continue
            top = np.array(np.unravel_index(part.argmax(), part.shape)) + low
            offsets.append(STRIDE * top - (row, column))
            assert part.max() > 0.75
    found = np.array(offsets)
    assert len(found) > 10
    assert np.abs(found).max() <= STRIDE
    assert np.abs(found.mean(0)).max() < 0.5


def test_pieces_are_of_different_angles_and_contrasts() -> None:
    rng = np.random.default_rng(0)
    field = lit((150, 160), rng)
    field = dataclasses.replace(field, powers=Powers(2.0, 1.0))
    grades = batch_of([field], 400, rng).grades.numpy()
    own = np.abs(grades - graded(1.0)) < 0.25
    assert 0.4 < own.mean() < 0.65  # half have no noise, and few of the others little
    assert graded(field.powers.faintest) - 0.4 < grades.min() < graded(0.1)
    assert grades.max() < graded(1.0) + 0.4


def test_grades_agree_with_measured_contrasts() -> None:
    """Contrast is what a piece has more at coarse frequencies than noise has."""
    image = prepare(spots((640, 640), 3, 2.0, 120).micrograph, BOX).image
    field = field_with(image, np.array([[200.0, 200.0]]))
    field = dataclasses.replace(field, powers=powers_of(image))
    batch = batch_of([field], 200, np.random.default_rng(0))
    measured = [powers_of(piece).contrast for piece in batch.images.numpy()]
    grades = [graded(contrast) for contrast in measured]
    assert np.corrcoef(grades, batch.grades.numpy())[0, 1] > 0.7


# ------------------------------------------------------------------------------- the mean particle


def ringed(shape: tuple[int, int], centres: np.ndarray) -> np.ndarray:
    """A dark ring around each centre."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for row, column in centres:
        image -= np.exp(-((np.hypot(y - row, x - column) - 9) ** 2) / 8)
    return image


def test_filters_keep_white_noise_and_are_round() -> None:
    centres = np.array([[60.0, 50.0], [61.0, 150.0], [150.0, 90.0]])
    image = ringed((220, 200), centres) + 0.1 * white((220, 200), 0)
    found = particle_filters([field_with(image.astype(np.float32), centres)])
    assert found.shape == (COUNT, 2 * RADIUS + 1, 2 * RADIUS + 1)
    for one in found:
        assert np.square(one).sum() == pytest.approx(1, rel=1e-4)
        assert one.sum() == pytest.approx(0, abs=1e-3)
        assert one[0, 0] == one[-1, 0] == 0
        np.testing.assert_allclose(one, one.T, atol=1e-5)
        np.testing.assert_allclose(one, one[::-1], atol=1e-5)
        likeness = signal.fftconvolve(image, one, "same")
        for _ in centres:
            highest = np.array(np.unravel_index(likeness.argmax(), likeness.shape))
            assert np.abs(centres - highest).max(1).min() <= 1
            y, x = highest
            likeness[y - 15 : y + 16, x - 15 : x + 16] = -np.inf


def test_the_plain_filter_is_the_best_one_in_white_noise() -> None:
    centres = np.array([[60.0, 50.0], [60.0, 150.0], [160.0, 100.0]])
    clear = ringed((220, 200), centres)
    plain, divided = particle_filters([field_with(clear.astype(np.float32), centres)])

    def clearness(values: np.ndarray) -> float:
        """Of a particle after a filter that keeps the variance of noise."""
        part = clear[60 - RADIUS : 61 + RADIUS, 50 - RADIUS : 51 + RADIUS]
        return float((part * values).sum())

    assert clearness(plain) > 1.02 * clearness(divided)
    assert clearness(divided) > 0
    part = clear[60 - RADIUS : 61 + RADIUS, 50 - RADIUS : 51 + RADIUS]
    assert clearness(plain) > 0.9 * np.linalg.norm(part - part.mean())


def test_filters_are_finite_without_anything_to_see() -> None:
    """A constant micrograph, and a particle outside."""
    blank = field_with(np.zeros((97, 101), np.float32), np.array([[-3.0, 200.0]]))
    assert np.isfinite(particle_filters([blank])).all()


# -------------------------------------------------------------------------------------- the scores


@pytest.mark.parametrize(
    ("shape", "turns"),
    [((230, 261), 1), ((231, 261), 2), ((231, 260), 3), ((801, 101), 2)],  # the last in two parts
)
def test_turning_the_micrograph_turns_the_places(model, shape, turns) -> None:
    network = ModernNetwork.from_arrays(SIDE, model.network.arrays())  # pixels as they are
    micrograph, truth = (one := spots(shape, 4, 3.0)).micrograph, one.particles.xy
    turned = Micrograph(np.rot90(micrograph.data, turns).copy())
    plain, other = score_map_of(network, micrograph), score_map_of(network, turned)
    x, y = maxima(other, SIDE, SIDE / 2)[0].T
    rows, columns = shape
    back = {
        1: np.column_stack([columns - 1 - y, x]),
        2: np.column_stack([columns - 1 - x, rows - 1 - y]),
        3: np.column_stack([y, rows - 1 - x]),
    }[turns]
    places, _ = maxima(plain, SIDE, SIDE / 2)
    best = places[: len(truth)]
    misses = best[cKDTree(best).query(truth)[1]] - truth
    assert np.abs(np.median(misses, 0)).max() < 0.6  # there is noise
    moves = back[cKDTree(back).query(best)[1]] - best
    assert np.median(np.abs(moves)) < 0.25
    assert np.abs(np.median(moves, 0)).max() < 0.2
    if turns == 2 and all(n % 2 for n in shape):
        expected = np.rot90(plain.values, turns)
        # Of half of all frequencies, the contrast is known a little differently.
        np.testing.assert_allclose(other.values, expected, rtol=0, atol=0.4)
        assert np.ptp(expected) > 3


def test_the_map_has_the_scores_that_particles_would_have(model, example) -> None:
    ready, plain = cryoinr.drain(scored_steps(example.micrograph, model, "cpu", Clock()))
    made = cryoinr.drain(score_map_steps(example.micrograph, model, "cpu"))
    _, among = maxima(plain, BOX, 0.5 * BOX)
    contrast = ready.powers.contrast
    expected = model.calibration.score(plain.values.astype(float), contrast, among)
    np.testing.assert_allclose(made.values, expected, rtol=0, atol=1e-6)
    assert made.values.dtype == np.float32
    assert (made.start, made.step) == (plain.start, plain.step)


def test_training_continues_from_a_model_and_leaves_it(model) -> None:
    example = spots((130, 140), 7, count=5)
    before = {name: array.copy() for name, array in model.network.arrays().items()}
    settings = TrainingSettings(box=BOX, weights="random", iterations=1, device="cpu")
    losses: dict[bool, list[float | None]] = {True: [], False: []}
    made = {}
    for continued, seen in losses.items():
        steps = train_picker_steps([example], settings, model if continued else None)
        made[continued] = cryoinr.drain(steps, lambda record, seen=seen: seen.append(record.loss))
    for name, array in model.network.arrays().items():
        np.testing.assert_array_equal(array, before[name])
    after = made[True].network.arrays()
    assert any((after[name] != before[name]).any() for name in before)
    assert len(made[True].rounds) == 2
    # The first step is on the same pieces, which it knows better than random weights do.
    first, afresh = (next(loss for loss in losses[on] if loss is not None) for on in (True, False))
    assert first < 0.8 * afresh


def test_scores_are_those_of_the_trained_layers(model) -> None:
    layers = model.network._layers
    image = torch.from_numpy(white((130, 151), 3))
    grade = torch.tensor(0.3)
    with torch.inference_mode():
        expected = layers(image[None], grade[None])[0]
        found = layers.score(image, grade)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
