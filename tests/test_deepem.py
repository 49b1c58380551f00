"""The network `deepem`: its sizes, its scores beside the plain way to them, and what it learns."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch.nn.functional import avg_pool2d, conv2d

import napari_cryoinr as cryoinr
from napari_cryoinr.errors import MicrographError, SettingsError
from napari_cryoinr.picking.examples import Example
from napari_cryoinr.picking.micrographs import Micrograph
from napari_cryoinr.picking.networks.deepem import window_scores
from napari_cryoinr.picking.networks.deepem.deepem_layers import Layers, layers_for
from napari_cryoinr.picking.networks.deepem.deepem_network import (
    ITERATIONS,
    DeepEMNetwork,
    Weights,
    descend,
    glorot_weights,
)
from napari_cryoinr.picking.networks.deepem.patches import patches_steps
from napari_cryoinr.picking.networks.network_base import ScoreMap
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.picker import train_picker_steps
from napari_cryoinr.picking.picker_model import PickerModel
from napari_cryoinr.picking.picking_settings import TrainingSettings
from napari_cryoinr.picking.preprocessing import prepare
from napari_cryoinr.progress import Clock
from spots import spots

BOX = 24

# ---------------------------------------------------------------------------------------- the sizes


@pytest.mark.parametrize(
    ("box", "kernels", "sides", "parameters"),
    [
        (272, (51, 21, 10), ((222, 74), (54, 27), (18, 9)), 62_761),
        (160, (20, 10, 4), ((141, 47), (38, 19), (16, 8)), 12_703),
    ],
)
def test_published_networks(box, kernels, sides, parameters) -> None:
    layers = layers_for(box)
    assert (layers.side, layers.kernels, layers.binning) == (box, kernels, 1)
    assert layers.sides == sides
    assert sum(map(math.prod, layers.shapes.values())) == parameters
    assert layers.shapes["c1.weight"][:2] == (6, 1)
    assert layers.shapes["c3.weight"][:2] == (12, 6)
    assert layers.shapes["c5.weight"][:2] == (12, 12)
    assert math.prod(layers.shapes["output.weight"]) == {272: 972, 160: 768}[box]


def test_the_sizes_of_every_box_divide() -> None:
    for box in range(16, 401):
        layers = layers_for(box)
        side = layers.side
        for kernel, pool, (convolved, pooled) in zip(
            layers.kernels, (3, 2, 2), layers.sides, strict=True
        ):
            assert 1 <= kernel <= side, box
            assert convolved == side - kernel + 1, box
            assert pooled * pool == convolved, box
            side = pooled
        assert side >= 1, box
        if box not in (160, 272):
            assert abs(layers.binning - box / 28) <= 0.5, box
            assert abs(layers.side - box / layers.binning) <= 0.5, box


def test_boxes_between_whole_pixels_have_layers_too() -> None:
    assert layers_for(30.4) == layers_for(30)
    assert layers_for(64.5).binning == 2
    assert layers_for(159.9).binning == 6  # not published


@pytest.mark.parametrize("box", [15.9, 8])
def test_small_boxes_are_refused(box, examples) -> None:
    with pytest.raises(SettingsError, match=r"at least 16 pixels; use the network modern") as error:
        cryoinr.drain(train_picker_steps(examples, TrainingSettings(box=box, network="deepem")))
    assert "\n" not in str(error.value)


# --------------------------------------------------------------------------------------- the scores


def uneven(rows: int, columns: int, seed: int = 0) -> Micrograph:
    """Noise whose strength and brightness change across the image."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    image = rng.standard_normal((rows, columns)) * (0.3 + x / columns) + 4 * y / rows
    image += 3 * np.exp(-((y - rows / 2) ** 2 + (x - columns / 2) ** 2) / 50)
    return Micrograph(image.astype(np.float32))


def lively(layers: Layers, seed: int = 0) -> Weights:
    """Random weights with which all layers, and so the scores, differ much between windows."""
    rng = np.random.default_rng(seed)
    weights = glorot_weights(layers, rng)
    side = layers.side
    data = uneven(3 * side, 3 * side, seed).data.astype(np.float64)
    corners = rng.integers(0, 2 * side, (8, 2))
    windows = np.stack([data[y : y + side, x : x + side] for y, x in corners])
    windows -= windows.mean((1, 2), keepdims=True)
    maps = torch.from_numpy(windows / windows.std((1, 2), keepdims=True)).float()[:, None]
    for name, pool in (("c1", 3), ("c3", 2), ("c5", 2), ("output", 1)):
        weight = weights[f"{name}.weight"]
        sums = conv2d(maps, torch.tensor(weight.reshape(-1, *weight.shape[-3:])))
        spread, middle = sums.std((0, 2, 3)), sums.mean((0, 2, 3))
        weight *= (2 / spread.numpy()).reshape(-1, *[1] * (weight.ndim - 1))
        weights[f"{name}.bias"][:] = -2 * middle / spread
        sums = 2 * (sums - middle[:, None, None]) / spread[:, None, None]
        maps = avg_pool2d(sums.sigmoid(), pool)
    return weights


def seen_plainly(micrograph: Micrograph, layers: Layers) -> np.ndarray:
    """The micrograph as the network sees it, continued by mirror images of one box; float64."""
    n = layers.binning
    data = micrograph.data.astype(np.float64)
    data = np.pad(data, [(0, -size % n) for size in data.shape], mode="reflect")
    binned = np.zeros([size // n for size in data.shape])
    for y in range(n):
        for x in range(n):
            binned += data[y::n, x::n] / n**2
    return np.pad((binned - binned.mean()) / binned.std(), layers.side, mode="symmetric")


def output_plainly(weights: Weights, patches: torch.Tensor) -> torch.Tensor:
    """Of standardised patches (n, y, x), by the layers as they are described."""
    given = {name: torch.as_tensor(value) for name, value in weights.items()}
    maps = patches[:, None]
    for name, pool in (("c1", 3), ("c3", 2), ("c5", 2)):
        maps = torch.sigmoid(conv2d(maps, given[f"{name}.weight"], given[f"{name}.bias"]))
        maps = avg_pool2d(maps, pool)
    summed = (maps * given["output.weight"]).flatten(1).sum(1)
    return torch.sigmoid(summed + given["output.bias"])


def scores_plainly(
    micrograph: Micrograph, layers: Layers, weights: Weights, places: np.ndarray
) -> np.ndarray:
    """Window by window, around places of the micrograph, shape (n, 2), y then x."""
    image = seen_plainly(micrograph, layers)
    n, side = layers.binning, layers.side
    found = []
    for y, x in places:
        # Pixel p of the binned image has its centre at n p + (n - 1) / 2 of the micrograph.
        corner = [(place - (n - 1) / 2) / n - (side - 1) / 2 + side for place in (y, x)]
        row, column = (round(value) for value in corner)
        assert (row, column) == pytest.approx(corner, abs=1e-9)  # a window of whole pixels
        window = image[row : row + side, column : column + side]
        window = (window - window.mean()) / max(window.std(), 1e-3)
        turned = np.stack([np.rot90(window, turn) for turn in range(4)])
        found.append(float(output_plainly(weights, torch.from_numpy(turned).float()).mean()))
    return np.array(found)


def places_of(score_map: ScoreMap) -> np.ndarray:
    """Places of all scores, shape (n, 2), y then x."""
    indices = np.indices(score_map.values.shape).reshape(2, -1).T
    return score_map.start + indices * np.array(score_map.step)


def score_map_of(network: DeepEMNetwork, micrograph: Micrograph) -> ScoreMap:
    prepared = prepare(micrograph, network.box)
    return cryoinr.drain(network.score_steps(micrograph, prepared, "cpu", Clock()))


def shares(score_map: ScoreMap) -> np.ndarray:
    """Scores as the network puts them out, 0 to 1."""
    return 1 / (1 + np.exp(-score_map.values.astype(np.float64)))


@pytest.mark.parametrize(
    ("box", "shape", "count"),
    [
        (16, (40, 45), 300),
        (24, (61, 70), 300),
        (60, (130, 151), 100),
        (101.5, (231, 260), 60),  # binned, and neither side is a multiple of the binning
        (130, (260, 301), 60),  # binned by 5
        (160, (70, 100), 10),  # published; mostly mirror images
        (272, (60, 90), 3),
    ],
)
def test_all_at_once_scores_are_those_of_single_windows(box, shape, count) -> None:
    micrograph, layers = uneven(*shape), layers_for(box)
    weights = lively(layers)
    score_map = score_map_of(DeepEMNetwork(box, weights), micrograph)
    places = places_of(score_map)
    chosen = np.random.default_rng(1).permutation(len(places))[:count]
    chosen[:2] = 0, len(places) - 1  # at the corners half of a window is a mirror image
    found = shares(score_map).ravel()[chosen]
    np.testing.assert_allclose(
        found, scores_plainly(micrograph, layers, weights, places[chosen]), rtol=0, atol=1e-5
    )
    # They differ: a fault would show.
    assert np.ptp(shares(score_map)) > 0.1


@pytest.mark.parametrize("box", [24, 30, 101.5])
def test_the_whole_micrograph_is_covered(box: float) -> None:
    micrograph = uneven(263, 300)
    score_map = score_map_of(DeepEMNetwork(box, lively(layers_for(box))), micrograph)
    places, step = places_of(score_map), np.array(score_map.step)
    assert score_map.values.dtype == np.float32
    assert (step <= box / 7).all()  # a particle is not missed between windows
    size = np.array(micrograph.data.shape)
    assert (places[0] >= -0.5).all() and (places[-1] <= size + layers_for(box).binning).all()
    assert (places[0] < step).all() and (places[-1] > size - 1 - step).all()


def test_parts_and_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = DeepEMNetwork(BOX, lively(layers_for(BOX)))
    whole = score_map_of(network, uneven(90, 100))
    monkeypatch.setattr(window_scores, "_BAND", 1 << 16)
    monkeypatch.setattr(window_scores, "_CACHED", 1 << 14)
    parts = score_map_of(network, uneven(90, 100))
    np.testing.assert_allclose(parts.values, whole.values, rtol=0, atol=1e-4)
    assert (parts.start, parts.step) == (whole.start, whole.step)


def in_the_middle(layers: Layers) -> Weights:
    """A network that answers to what is bright in the middle of a window."""
    weights = {name: np.zeros(shape, np.float32) for name, shape in layers.shapes.items()}
    for name in ("c1", "c3", "c5", "output"):
        weight = weights[f"{name}.weight"]
        y, x = (place - (weight.shape[-1] - 1) / 2 for place in np.indices(weight.shape[-2:]))
        weight[:] = np.exp(-(y**2 + x**2) / (0.1 * weight.shape[-1] ** 2))
        weight /= weight.sum((-3, -2, -1) if name != "output" else None, keepdims=True)
        if name != "c1":
            weight *= 4  # in the middle a sigmoid rises by a quarter
            weights[f"{name}.bias"] -= 2
    return weights


@pytest.mark.parametrize("box", [20, 24, 60, 102, 150])
def test_a_particle_scores_where_it_is(box: int) -> None:
    layers, size = layers_for(box), round(2.5 * box)
    network = DeepEMNetwork(box, in_the_middle(layers))
    blank = Micrograph(np.eye(size, size + 7, dtype=np.float32))
    score_map = score_map_of(network, blank)
    rows, columns = score_map.values.shape
    row, column = rows // 2 - 1, columns // 2
    places = places_of(score_map).reshape(rows, columns, 2)
    y, x = np.mgrid[:size, : size + 7]
    distance = np.hypot(*(np.stack([y, x]) - places[row, column][:, None, None]))
    blob = np.exp(-((distance / (0.15 * box)) ** 2)).astype(np.float32)
    values = score_map_of(network, Micrograph(blob)).values
    assert np.unravel_index(values.argmax(), values.shape) == (row, column)
    # The scores fall off alike on all sides. Half a pixel farther they would not.
    near = values[row - 2 : row + 3, column - 2 : column + 3]
    tolerance = 1e-3 * np.ptp(near)
    for other in (near[::-1], near[:, ::-1], near.T):
        np.testing.assert_allclose(near, other, rtol=0, atol=tolerance)


def test_constant_regions_have_scores_too() -> None:
    micrograph = uneven(110, 120)
    data = micrograph.data.copy()
    data[:50, :60] = 3.7
    data[70:, 80:] = -100  # a dead corner
    micrograph = Micrograph(data)
    layers = layers_for(BOX)
    weights = lively(layers)
    score_map = score_map_of(DeepEMNetwork(BOX, weights), micrograph)
    assert np.isfinite(score_map.values).all()
    expected = scores_plainly(micrograph, layers, weights, places_of(score_map))
    misses = abs(shares(score_map).ravel() - expected)
    # A thousand times the rounding where windows are constant, and nowhere else.
    assert misses.max() < 5e-3
    assert np.median(misses) < 1e-5
    constant = Micrograph(np.eye(90, dtype=np.float32))  # all but the middle is next to constant
    assert np.isfinite(score_map_of(DeepEMNetwork(BOX, weights), constant).values).all()


def test_brightness_and_contrast_do_not_count() -> None:
    network, micrograph = DeepEMNetwork(BOX, lively(layers_for(BOX))), uneven(80, 90)
    one = score_map_of(network, micrograph)
    two = score_map_of(network, Micrograph(30 * micrograph.data + 500))
    np.testing.assert_allclose(one.values, two.values, rtol=0, atol=2e-3)


def test_turning_the_micrograph_turns_the_scores() -> None:
    network, micrograph = DeepEMNetwork(BOX, lively(layers_for(BOX))), uneven(83, 92)
    one = score_map_of(network, micrograph)
    two = score_map_of(network, Micrograph(np.rot90(micrograph.data).copy()))
    np.testing.assert_allclose(np.rot90(one.values), two.values, rtol=0, atol=1e-3)


# ------------------------------------------------------------------------------------ the training


def test_the_recipe_is_that_long() -> None:
    assert ITERATIONS == 20 * (800 + 800) * 4 // 50


def symmetric_patches(layers: Layers) -> list[np.ndarray]:
    """A positive and a negative, shape (1, side, side), the same after a quarter turn."""
    found = []
    for seed in range(2):
        image = np.random.default_rng(seed).standard_normal((layers.side, layers.side))
        image = sum(np.rot90(image, turn) for turn in range(4))
        found.append(((image - image.mean()) / image.std())[None].astype(np.float32))
    return found


def trained(weights: Weights, layers: Layers, patches: list[np.ndarray], steps: int) -> Weights:
    return cryoinr.drain(
        descend(
            weights,
            layers,
            *patches,
            steps=steps,
            device="cpu",
            rng=np.random.default_rng(0),
            clock=Clock(),
        )
    )


@pytest.mark.parametrize("box", [24, 160])  # 160: the gradient of a batch is summed in parts
def test_one_step_is_that_of_the_recipe(box: int) -> None:
    layers = layers_for(box)
    weights, patches = lively(layers), symmetric_patches(layers)
    after = trained(weights, layers, patches, 1)
    given = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    outputs = output_plainly(given, torch.from_numpy(np.concatenate(patches)))
    # Half the mean squared error of 50 patches; how many of them are particles is not known here.
    changes = []
    for error in (outputs[0] - 1, outputs[1]):
        changes.append(torch.autograd.grad(error**2 / 2, given.values(), retain_graph=True))
    misses = []
    for particles in range(51):
        shares = particles / 50, 1 - particles / 50
        miss = 0.0
        for name, one, other in zip(given, *changes, strict=True):
            change = -1.0 * (shares[0] * one + shares[1] * other).numpy()
            miss = max(miss, abs(after[name] - weights[name] - change).max() / abs(change).max())
        misses.append(miss)
    assert min(misses) < 1e-3
    assert 12 < int(np.argmin(misses)) < 38  # both kinds weigh the same


# Easily seen, and learnt in a few seconds.
SMALL_BOX = 16
SETTINGS = TrainingSettings(box=SMALL_BOX, network="deepem", iterations=300, device="cpu")


@pytest.fixture(scope="module")
def pair() -> list[Example]:
    return [spots((160, 170), seed, 4.0, 25, SMALL_BOX) for seed in range(2)]


@pytest.fixture(scope="module")
def model(pair) -> PickerModel:
    return cryoinr.train_picker(pair[:1], SETTINGS)


def same(one: Weights, other: Weights) -> bool:
    return all((one[name] == other[name]).all() for name in one)


def test_it_finds_what_it_was_shown_in_another_micrograph(pair, model, tmp_path) -> None:
    micrograph, truth = pair[1].micrograph, pair[1].particles
    found = cryoinr.pick(micrograph, model, device="cpu")
    best = found.xy[: len(truth)]
    assert np.median(cKDTree(best).query(truth.xy)[0]) < 2  # pixels; windows are 3 apart
    model.save(tmp_path / "a.h5")
    again = cryoinr.pick(micrograph, PickerModel.load(tmp_path / "a.h5"), device="cpu")
    np.testing.assert_array_equal(found.xy, again.xy)
    np.testing.assert_array_equal(found.score, again.score)


def test_the_same_seed_gives_the_same_network(pair) -> None:
    def made(seed: int) -> Weights:
        chosen = dataclasses.replace(SETTINGS, iterations=3, seed=seed)
        return cryoinr.drain(DeepEMNetwork.train_steps(pair, chosen, None, Clock())).arrays()

    assert same(made(0), made(0))
    assert not same(made(0), made(1))


def test_training_continues_from_a_model(pair, model) -> None:
    before = {name: array.copy() for name, array in model.network.arrays().items()}
    few = dataclasses.replace(SETTINGS, iterations=3)
    more = cryoinr.train_picker(pair, few, model)
    assert same(before, model.network.arrays())
    after = more.network.arrays()
    assert not same(before, after)
    assert max(abs(after[name] - before[name]).max() for name in before) < 0.5
    assert [one.micrographs for one in more.rounds] == [1, 2]


def test_training_can_be_cancelled(pair, model) -> None:
    before = {name: array.copy() for name, array in model.network.arrays().items()}
    steps = train_picker_steps(pair, SETTINGS, model)
    seen = [next(steps) for _ in range(20)]
    steps.close()
    assert (seen[-1].phase, seen[-1].steps) == ("training", SETTINGS.iterations)
    assert same(before, model.network.arrays())


# ------------------------------------------------------------------------------------- the patches


def patches_of(examples: list[Example], box: float = BOX) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return cryoinr.drain(patches_steps(examples, layers_for(box), rng, Clock()))


@pytest.mark.parametrize("box", [BOX, 3 * BOX])
def test_a_particle_is_in_the_middle_of_its_patch(box: int) -> None:
    side, binning = layers_for(box).side, layers_for(box).binning
    y, x = np.mgrid[: 4 * box, : 5 * box]
    data = np.exp(-((x - 2 * box - 1.2) ** 2 + (y - 1.5 * box) ** 2) / (0.1 * box) ** 2)
    example = Example(
        Micrograph(data.astype(np.float32)), Particles(np.array([[2 * box + 1.2, 1.5 * box]]))
    )
    positives, negatives = patches_of([example], box)
    assert positives.shape == (1, side, side)
    weight = positives[0] - positives[0].min()
    for axis in (0, 1):
        centre = (weight.sum(1 - axis) * np.arange(side)).sum() / weight.sum()
        assert centre == pytest.approx((side - 1) / 2, abs=0.51), binning
    # None of the others has it in its middle.
    middle = slice(side // 2 - 1, side // 2 + 1)
    assert negatives[:, middle, middle].max() < positives[0, middle, middle].min()


def test_patches_are_standardised_and_as_many_as_published(examples) -> None:
    positives, negatives = patches_of(examples)
    assert len(positives) == sum(len(example.particles) for example in examples)
    assert len(negatives) == 800
    for patches in (positives, negatives):
        assert patches.dtype == np.float32
        np.testing.assert_allclose(patches.mean((1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(patches.std((1, 2)), 1, atol=1e-4)
    many = Particles(np.repeat(examples[0].particles.xy, 40, 0))
    positives, _ = patches_of([Example(examples[0].micrograph, many)])
    assert len(positives) == 800


def test_what_was_rejected_is_among_what_is_none(examples) -> None:
    rejected = Particles(examples[1].particles.xy[:5])
    _, negatives = patches_of(
        [
            Example(examples[0].micrograph, examples[0].particles),
            Example(examples[1].micrograph, examples[0].particles, rejected),
        ]
    )
    expected, _ = patches_of([Example(examples[1].micrograph, rejected)])
    assert len(negatives) == 800
    for patch in expected:
        assert (negatives == patch).all((1, 2)).sum() == 1


def test_no_room_between_particles_is_refused() -> None:
    y, x = np.mgrid[5:45:3, 5:45:3].reshape(2, -1)
    example = Example(uneven(50, 50), Particles(np.stack([x, y], 1).astype(float)))
    with pytest.raises(MicrographError, match="no room between the particles"):
        patches_of([example])


def test_flat_patches_are_not_blown_up() -> None:
    data = np.zeros((90, 100), np.float32)
    data[50:, 60:] = uneven(40, 40).data
    positives, negatives = patches_of(
        [Example(Micrograph(data), Particles(np.array([[20.0, 20.0]])))]
    )
    assert (positives == 0).all()
    assert np.isfinite(negatives).all()
