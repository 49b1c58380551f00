"""The model `paper`: encoding, network in integers, stored weights."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_cryoinr import PaperSettings, drain
from napari_cryoinr.models.base import Fitted, Stored
from napari_cryoinr.models.paper import stored_streams
from napari_cryoinr.models.paper.integer_network import (
    ACTIVATION_BITS,
    IntegerNetwork,
    Layer,
    activation_exponents,
    exponent_for,
    fold,
)
from napari_cryoinr.models.paper.paper_model import PaperModel, network_inputs, stored_steps
from napari_cryoinr.models.paper.paper_settings import PaperConfig
from napari_cryoinr.models.paper.positional_encoding import encode, normalised
from napari_cryoinr.models.paper.training import PaperNetwork
from napari_cryoinr.progress import Clock

QUICK = settings(deadline=None, max_examples=40, derandomize=True)
PATTERNS = list(itertools.product(("none", "alternate", "full"), ("fold", "learned")))


# ---------------------------------------------------------------------------------- encoding


@pytest.mark.parametrize("frequencies", [0, 1, 10, 13])
def test_encoding_is_sine_and_cosine(frequencies: int) -> None:
    random = np.random.default_rng(0)
    points = np.concatenate(
        [random.uniform(-1, 1, (5000, 3)), [[-1, 0, 1], [1, -1, 0.5], [-0.5, 1, 2**-20]]]
    )
    expected = [points]
    for octave in range(frequencies):
        expected += [np.sin(2**octave * np.pi * points), np.cos(2**octave * np.pi * points)]
    encoded = encode(points, frequencies, np)
    assert encoded.shape == (5003, 3 + 6 * frequencies)
    np.testing.assert_allclose(encoded, np.concatenate(expected, 1), rtol=0, atol=1e-9)


def test_encoding_is_the_same_in_numpy_and_torch() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (4001, 3))
    ours = encode(points, 13, np)
    theirs = encode(torch.from_numpy(points), 13, torch).numpy()
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("shape", [(5, 9, 2), (64, 64, 64), (1, 3, 1)])
def test_normalised_coordinates_run_from_minus_one_to_one(shape: tuple[int, ...]) -> None:
    first = normalised(np.zeros((1, 3)), shape)[0]
    last = normalised(np.array([[n - 1 for n in shape]], np.float64), shape)[0]
    for axis, n in enumerate(shape):
        assert (first[axis], last[axis]) == ((-1, 1) if n > 1 else (0, 0))
    middle = normalised(np.array([[(n - 1) / 2 for n in shape]]), shape)
    assert np.abs(middle).max() < 1e-15


# ------------------------------------------------------------------------ shortcuts and shapes


@pytest.mark.parametrize(
    ("pattern", "expected"), [("none", "....."), ("alternate", ".x.x."), ("full", "xxxx.")]
)
def test_shortcut_patterns(pattern: str, expected: str) -> None:
    layers = PaperSettings(residual=pattern).config().layers
    assert [layer.shortcut for layer in layers] == [c == "x" for c in expected]


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([[1, 2, 3]], 3, [[1, 2, 3]]),
        ([[1, 2]], 5, [[1, 2, 0, 0, 0]]),
        ([[1, 2, 3, 4]], 2, [[2, 3]]),  # means of 1, 3 and of 2, 4
        ([[1, 2, 3, 4, 5, 6]], 2, [[3, 4]]),
        ([[2, 4, 6, 8, 10]], 3, [[5, 7, 3]]),  # the missing sixth number counts as zero
        ([[1, 2, 3], [5, 6, 7]], 1, [[2], [6]]),
        ([[1], [2]], 2, [[1, 0], [2, 0]]),
    ],
)
def test_fold(values: list[list[int]], width: int, expected: list[list[int]]) -> None:
    array = np.array(values, np.float64)
    ours = fold(array, width, np)
    np.testing.assert_allclose(ours, expected, rtol=1e-15)
    theirs = fold(torch.from_numpy(array), width, torch)
    assert theirs.numpy().tobytes() == ours.tobytes()


# Widths 127 -> 2048 -> 1024 -> 512 -> 256 -> 1, weights and biases.
FULL = (
    (127 * 2048 + 2048) + (2048 * 1024 + 1024) + (1024 * 512 + 512) + (512 * 256 + 256) + (256 + 1)
)
PROJECTIONS = [127 * 2048, 2048 * 1024, 1024 * 512, 512 * 256]


@pytest.mark.parametrize(
    ("residual", "projection", "count"),
    [
        ("full", "fold", FULL),
        ("none", "learned", FULL),
        ("alternate", "learned", FULL + PROJECTIONS[1] + PROJECTIONS[3]),
        ("full", "learned", FULL + sum(PROJECTIONS)),
    ],
)
def test_parameter_counts_of_the_full_network(residual: str, projection: str, count: int) -> None:
    assert FULL == 3_016_705
    config = PaperSettings(residual=residual, projection=projection).config()
    assert config.parameters == count
    with torch.device("meta"):
        network = PaperNetwork(config, 3)
    assert sum(p.numel() for p in network.parameters()) == count + 3 * config.latent_size


# ------------------------------------------------------------------------------------ weights


@QUICK
@given(
    hnp.arrays(np.float32, st.integers(0, 200), elements=st.floats(width=32, allow_nan=False)),
    st.sampled_from(["float16", "float32"]),
)
def test_weights_survive_to_their_precision(numbers: np.ndarray, kind: str) -> None:
    limit = float(np.finfo(kind).max)
    expected = np.clip(numbers, -limit, limit).astype(kind).astype(np.float64)
    found = stored_streams.unpack(stored_streams.pack(numbers, kind), kind, numbers.size)
    assert found.dtype == np.float64
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_damaged_weights_are_refused(kind: str) -> None:
    numbers = np.arange(10, dtype=np.float32)
    data = stored_streams.pack(numbers, kind)
    for count in (9, 11, 0):
        with pytest.raises(ValueError, match="bytes of weights"):
            stored_streams.unpack(data, kind, count)
    with pytest.raises(ValueError, match="bytes of weights"):
        stored_streams.unpack(data[:-12], kind, 10)
    numbers[3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        stored_streams.unpack(stored_streams.pack(numbers, kind), kind, 10)
    with pytest.raises(zlib.error):
        stored_streams.unpack(b"no deflated bytes", kind, 10)


def config_of(widths: tuple[int, ...], residual: str, projection: str) -> PaperConfig:
    return PaperConfig(0, 0, widths, residual, projection, "float32", ())


def test_layers_take_every_number_in_order() -> None:
    config = config_of((4, 4, 2), "full", "learned")
    numbers = np.arange(config.parameters, dtype=np.float64)
    layers = stored_streams.layers_of(numbers, config)
    parts = []
    for layer in layers:
        parts += [layer.weight.ravel(), layer.bias]
        if layer.projection is not None:
            parts.append(layer.projection.ravel())
    assert np.array_equal(np.concatenate(parts), numbers)
    assert [layer.projection is not None for layer in layers] == [True, False, True, False]
    assert [layer.shortcut for layer in layers] == [True, True, True, False]
    assert [layer.weight.shape for layer in layers] == [(3, 4), (4, 4), (4, 2), (2, 1)]


# --------------------------------------------------------------------------- integer network


def small_network(
    residual: str, projection: str, widths: tuple[int, ...] = (40, 17, 17, 8)
) -> tuple[PaperSettings, PaperNetwork, np.ndarray]:
    """(settings, network with float32 storage, points (n, 5))."""
    chosen = PaperSettings(
        frequencies=4,
        latent_size=5,
        widths=widths,
        residual=residual,
        projection=projection,
        weights="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = PaperNetwork(chosen.config(), 2)
    with torch.no_grad():
        for layer in network.layers:
            layer.weight *= 2  # a fresh network is nearly constant
    random = np.random.default_rng(0)
    points = random.uniform(-1, 1, (1500, 5)).astype(np.float32)
    points[:, 4] = random.integers(0, 2, len(points))
    return chosen, network, points


def stored_network(
    chosen: PaperSettings, network: PaperNetwork, points: np.ndarray
) -> tuple[list[Layer], tuple[int, ...], np.ndarray]:
    """(layers, exponents, inputs) as a decoder gets them."""
    fitted = drain(stored_steps(network, chosen, points, Clock()))
    config = fitted.config
    numbers = stored_streams.unpack(fitted.shared["network"], config.weights, config.parameters)
    latents = np.stack(
        [stored_streams.unpack(s["latent"], config.weights, chosen.latent_size) for s in fitted.own]
    )
    inputs = network_inputs(
        points[:, :3].astype(np.float64), chosen.frequencies, latents[points[:, 4].astype(int)]
    )
    return stored_streams.layers_of(numbers, config), config.exponents, inputs


@pytest.mark.parametrize(("residual", "projection"), PATTERNS)
def test_integer_network_equals_the_trained_one(residual: str, projection: str) -> None:
    chosen, network, points = small_network(residual, projection)
    layers, exponents, inputs = stored_network(chosen, network, points)
    found = IntegerNetwork(layers, exponents)(inputs)
    with torch.no_grad():
        expected = network.double()(
            torch.from_numpy(points[:, :3]).double(), torch.from_numpy(points[:, 4]).long()
        ).numpy()
    assert expected.std() > 0.01  # the comparison means something
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize(("residual", "projection"), PATTERNS)
@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_and_torch_give_the_same_bits(residual: str, projection: str, threads: int) -> None:
    layers, exponents, inputs = stored_network(*small_network(residual, projection))
    expected = IntegerNetwork(layers, exponents)(inputs)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = IntegerNetwork(layers, exponents, "cpu")(inputs)
    finally:
        torch.set_num_threads(before)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_bits() -> None:
    layers, exponents, inputs = stored_network(*small_network("full", "learned"))
    expected = IntegerNetwork(layers, exponents)(inputs)
    found = IntegerNetwork(layers, exponents, "cuda")(inputs)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("device", [None, "cpu"], ids=["numpy", "torch"])
def test_batches_do_not_matter(device: str | None) -> None:
    """Matrix products are summed in another order when rows move or a batch is cut."""
    layers, exponents, inputs = stored_network(*small_network("full", "fold", (300, 150)))
    network = IntegerNetwork(layers, exponents, device)
    expected = network(inputs)
    order = np.random.default_rng(5).permutation(len(inputs))
    assert np.array_equal(network(inputs[order]), expected[order])
    cut = [network(part) for part in np.split(inputs, [1, 8, 77, 1000])]
    assert np.array_equal(np.concatenate(cut), expected)


def test_the_largest_sums_are_exact() -> None:
    """All terms at their limit and of one sign: the largest sum that any network can have."""
    random = np.random.default_rng(5)
    layer = Layer(random.uniform(0.9, 1, (500, 1)), np.array([1e9]), None, False)
    inputs = random.uniform(0.9, 1, (50, 500))
    outputs = []
    for order in (np.arange(500), np.arange(500)[::-1], random.permutation(500)):
        moved = Layer(layer.weight[order], layer.bias, None, False)
        for device in (None, "cpu"):
            outputs.append(IntegerNetwork([moved], [ACTIVATION_BITS], device)(inputs[:, order]))
    assert all(np.array_equal(found, outputs[0]) for found in outputs)
    integers = [int(v) for v in np.rint(layer.weight[:, 0] * 2**22)]
    # 51 bits less 20 of the activations and 9 of the 500 terms leave 22 for a weight below 1.
    biggest = 2**51
    for row, found in zip(np.rint(inputs * 2**20), outputs[0], strict=True):
        total = sum(int(a) * w for a, w in zip(row, integers, strict=True)) + biggest
        assert found * 2.0**42 == total  # the bias is cut off at 2^51


def test_extreme_weights_neither_overflow_nor_lose_exactness() -> None:
    """Whatever a file holds: both kinds of arithmetic agree and stay finite."""
    random = np.random.default_rng(0)
    config = config_of((64, 33), "full", "learned")
    count = config.parameters
    numbers = random.choice([-1, 1], count) * 10.0 ** random.uniform(-30, 30, count)
    layers = stored_streams.layers_of(numbers, config)
    inputs = random.uniform(-1, 1, (500, 3))
    for exponents in ([20, 0, 0], [100, -100, 100], [-100, 20, 5]):
        ours = IntegerNetwork(layers, exponents)(inputs)
        theirs = IntegerNetwork(layers, exponents, "cpu")(inputs)
        assert np.isfinite(ours).all()
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(1.0, 19), (0.99, 20), (1024.0, 9), (2.0**-10, 29), (0.0, exponent_for(1e-20))],
)
def test_exponents_use_the_room_there_is(largest: float, expected: int) -> None:
    assert exponent_for(largest) == expected
    assert largest * 2.0**expected <= 2**ACTIVATION_BITS


def test_calibrated_activations_have_twice_the_room() -> None:
    layers, exponents, inputs = stored_network(*small_network("full", "learned"))
    assert activation_exponents(layers, inputs) == list(exponents)
    hidden = inputs
    for layer, exponent in zip(layers[:-1], exponents[1:], strict=True):
        out = np.maximum(hidden @ layer.weight + layer.bias, 0)
        # Without a projection: the equal widths of the middle layers.
        carried = hidden if layer.projection is None else hidden @ layer.projection
        hidden = out + carried
        room = 2.0**ACTIVATION_BITS / (np.abs(hidden).max() * 2.0**exponent)
        assert 2 <= room <= 4


def test_a_network_whose_units_are_all_off_is_stored_and_decoded() -> None:
    """As after a training that went wrong; it stands for one density."""
    inputs = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    hidden = Layer(np.ones((3, 4)), np.full(4, -9.0), None, False)
    layers = [hidden, Layer(np.ones((4, 2)), np.zeros(2), None, False)]
    layers.append(Layer(np.ones((2, 1)), np.array([0.75]), None, False))
    exponents = activation_exponents(layers, inputs)
    PaperSettings(widths=(4, 2)).config(tuple(exponents))  # refuses what no file can hold
    np.testing.assert_allclose(IntegerNetwork(layers, exponents)(inputs), 0.75, atol=1e-6)


def stored_of(fitted: Fitted, member: int) -> Stored:
    own = fitted.own[member]
    return Stored(fitted.config, fitted.shared, None, own, (12, 13, 14), 2, pytest.fail)


def test_loaded_model_is_the_stored_one() -> None:
    chosen, network, points = small_network("full", "fold")
    fitted = drain(stored_steps(network, chosen, points, Clock()))
    layers, exponents, _ = stored_network(chosen, network, points)
    positions = np.random.default_rng(2).integers(0, 12, (200, 3)).astype(np.float64)
    outputs = []
    for number, own in enumerate(fitted.own):
        loaded = PaperModel().load(stored_of(fitted, number), "cpu")
        latent = stored_streams.unpack(own["latent"], "float32", 5)
        inputs = network_inputs(normalised(positions, (12, 13, 14)), 4, latent[None])
        outputs.append(loaded.evaluate(positions))
        assert np.array_equal(outputs[-1], IntegerNetwork(layers, exponents)(inputs))
    assert not np.array_equal(*outputs)  # the latent vectors differ, and matter


def test_only_the_wanted_voxels_of_a_region_are_decoded() -> None:
    chosen, network, points = small_network("full", "fold")
    fitted = drain(stored_steps(network, chosen, points, Clock()))
    loaded = PaperModel().load(stored_of(fitted, 0), "cpu")
    region = np.s_[2:9, 0:13, 3:7]
    everything = drain(loaded.region_steps(region, None, Clock()))
    wanted = np.random.default_rng(0).random(everything.shape) < 0.3
    some = drain(loaded.region_steps(region, wanted, Clock()))
    assert np.array_equal(some[wanted], everything[wanted])
    place = np.array([[4.0, 5, 6]])
    assert loaded.evaluate(place)[0] == everything[2, 5, 3]
