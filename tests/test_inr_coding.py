"""The model `inr` without torch: lattices, tiles, contexts, streams, densities."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from napari_cryoinr.models.inr.contexts import FEATURES, known_offsets
from napari_cryoinr.models.inr.inr_settings import InrConfig
from napari_cryoinr.models.inr.latent_stream import Latents, pack_latents
from napari_cryoinr.models.inr.lattice import UNIT, Lattice, lattices_of
from napari_cryoinr.models.inr.parameters import (
    changed,
    context_sizes,
    pack_numbers,
    synthesis_network,
    synthesis_sizes,
    unpack_numbers,
)
from napari_cryoinr.models.inr.pretrained import pretrained
from napari_cryoinr.models.inr.representation import InrRepresentation
from napari_cryoinr.models.inr.tiles import tiles_of
from napari_cryoinr.models.separable_sums import MATRIX_BITS
from napari_cryoinr.progress import Clock
from napari_cryoinr.support.array_types import AnyArray
from napari_cryoinr.support.regions import whole_region

QUICK = settings(deadline=None, max_examples=25, derandomize=True)
MODEL = pretrained()

shapes = st.tuples(*[st.integers(1, 40)] * 3)
spacings = st.sampled_from([32, 64, 100, 136, 250])
degrees = st.sampled_from([1, 3])


def random_levels(
    lattices: list[Lattice], seed: int, largest: int = 3, share: float = 0.1
) -> list[AnyArray]:
    dice = np.random.default_rng(seed)
    out = []
    for lattice in lattices:
        values = dice.integers(-largest, largest + 1, lattice.counts)
        out.append(np.where(dice.random(lattice.counts) < share, values, 0))
    return out


# ------------------------------------------------------------------------------------- lattices


@QUICK
@given(shapes, spacings, degrees)
def test_functions_of_a_lattice_sum_to_one_at_every_voxel(
    shape: tuple[int, int, int], spacing: int, degree: int
) -> None:
    lattice = Lattice(shape, spacing, degree)
    for axis, voxels in enumerate(shape):
        first, matrix = lattice.matrix(axis, 0, voxels)
        assert np.abs(matrix.sum(axis=1) - 2**MATRIX_BITS).max() <= 2
        assert first >= lattice.first
        assert first + matrix.shape[1] <= lattice.first + lattice.counts[axis]


def test_matrices_and_values_at_positions_agree_and_groups_are_means() -> None:
    lattice = Lattice((20, 1, 1), 100, 3)
    first, matrix = lattice.matrix(0, 3, 17)
    starts, values = lattice.values(np.arange(3.0, 17.0))
    for row, start, own in zip(matrix, starts, values, strict=True):
        np.testing.assert_array_equal(row[start - first : start - first + 4], own)
    _, means = lattice.matrix(0, 1, 4, side=4)
    _, fine = lattice.matrix(0, 4, 16)
    np.testing.assert_array_equal(means, fine.reshape(3, 4, -1).sum(axis=1) // 4)


def test_a_linear_spline_is_exact() -> None:
    lattice = Lattice((9, 1, 1), 2 * UNIT, 1)
    first, matrix = lattice.matrix(0, 0, 3)
    assert first == 0
    half, one = 2 ** (MATRIX_BITS - 1), 2**MATRIX_BITS
    np.testing.assert_array_equal(matrix[:, :2], [[one, 0], [half, half], [0, one]])


# ---------------------------------------------------------------------------------------- tiles


@QUICK
@given(shapes, spacings, degrees, st.integers(1, 4), st.sampled_from([16, 20, 128]))
def test_every_node_is_in_one_tile(
    shape: tuple[int, int, int], spacing: int, degree: int, levels: int, side: int
) -> None:
    lattices = lattices_of(shape, spacing, degree, levels)
    tiles = tiles_of(lattices, side)
    for level, lattice in enumerate(lattices):
        seen = np.zeros(lattice.counts, np.int64)
        for tile in tiles:
            region = tile.regions[level]
            seen[tuple(slice(s.start - lattice.first, s.stop - lattice.first) for s in region)] += 1
        assert (seen == 1).all()
        if level + 1 < levels:
            assert all(s.start % 2 == 0 for tile in tiles for s in tile.regions[level])


# ------------------------------------------------------------------------------------- contexts


def test_neighbours_are_known_before_they_are_looked_at() -> None:
    counts = [[len(offsets) for offsets in known_offsets(phase)] for phase in range(8)]
    assert counts[0] == [0, 0, 0, 0]
    assert counts[1] == [0, 0, 8, 0]  # odd along all axes: corners are known
    assert counts[2] == [2, 4, 0, 16]
    # The last phase knows all of its level but its own kind.
    assert counts[7] == [6, 12, 8, 48]


def test_sums_of_the_network_are_exact() -> None:
    network = MODEL.network
    largest = 16.0 * 48  # of a feature
    for weights, bias in zip(network.weights, network.biases, strict=True):
        for array in (weights, bias):
            np.testing.assert_array_equal(array, np.rint(array))
        assert (np.abs(weights).sum(axis=0) * largest + np.abs(bias)).max() < 2.0**53
        largest = 2.0**24
    assert network.weights[0].shape[0] == len(FEATURES)


# -------------------------------------------------------------------------------------- streams


@QUICK
@given(
    shapes,
    spacings,
    degrees,
    st.integers(1, 4),
    st.sampled_from([16, 128]),
    st.sampled_from([1, 3, 500, 70_000]),
    st.integers(0, 1000),
)
def test_latents_come_back(
    shape: tuple[int, int, int],
    spacing: int,
    degree: int,
    levels: int,
    side: int,
    largest: int,
    seed: int,
) -> None:
    lattices = lattices_of(shape, spacing, degree, levels)
    tiles = tiles_of(lattices, side)
    latents = random_levels(lattices, seed, largest, 0.1 if seed % 3 else 0.0)
    stream = pack_latents(latents, tiles, lattices[0].first, MODEL, degree)
    whole = [whole_region([n + 4 for n in lattice.counts]) for lattice in lattices]
    first = lattices[0].first
    windows = [tuple(slice(s.start + first, s.stop + first) for s in region) for region in whole]
    found = Latents(stream, tiles, MODEL, degree).read(windows)  # type: ignore[arg-type]
    for lattice, own, back in zip(lattices, latents, found, strict=True):
        z, y, x = lattice.counts
        np.testing.assert_array_equal(back[:z, :y, :x], own)
        assert not back[z:].any()


def test_a_map_without_latents_takes_next_to_nothing() -> None:
    lattices = lattices_of((40, 40, 40), 64, 3, 3)
    tiles = tiles_of(lattices, 128)
    zero = [np.zeros(lattice.counts, np.int64) for lattice in lattices]
    assert len(pack_latents(zero, tiles, lattices[0].first, MODEL, 3)) == 3


def test_damaged_streams_are_refused_or_give_something() -> None:
    config, stream, _ = example()
    dice = np.random.default_rng(0)
    region = whole_region((18, 20, 22))
    for number in range(60):
        data = bytearray(stream)
        if number % 2:
            del data[int(dice.integers(len(data))) :]
        else:
            data[int(dice.integers(len(data)))] ^= 1 << int(dice.integers(8))
        try:
            made = InrRepresentation.from_stream(config, bytes(data), (18, 20, 22))
            cryoinr.drain(made.region_steps(region, None, Clock()))
        except (ValueError, AssertionError):
            continue


def test_a_map_with_more_tiles_than_bytes_is_refused_at_once() -> None:
    config = InrConfig(1, 64, 3, (1.0, 1.0), 0.0, tile=16)
    with pytest.raises(ValueError, match="too early"):
        InrRepresentation.from_stream(config, bytes(1000), (40_000, 40_000, 40_000))


@QUICK
@given(st.lists(st.lists(st.integers(-3000, 3000), max_size=40), min_size=1, max_size=5))
def test_numbers_come_back(groups: list[list[int]]) -> None:
    arrays = [np.array(group, np.int64) for group in groups]
    data = pack_numbers(arrays, MODEL.tables)
    back = unpack_numbers(data, [len(group) for group in groups], MODEL.tables)
    for one, other in zip(arrays, back, strict=True):
        np.testing.assert_array_equal(one, other)


def no_change() -> list[AnyArray]:
    return [np.zeros(size, np.int64) for size in context_sizes(MODEL)]


def test_a_context_model_changes_as_it_is_told() -> None:
    same = changed(MODEL, no_change(), 6).network
    for one, other in zip(same.weights, MODEL.network.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    change = no_change()
    change[-1][0] = 64  # a width more
    features = np.random.default_rng(0).integers(0, 100, (50, len(FEATURES))).astype(float)
    more = changed(MODEL, change, 6).network.outputs(features) - MODEL.network.outputs(features)
    np.testing.assert_array_equal(more[:, 0], 1024)
    assert not more[:, 1:].any()


def test_a_context_model_whose_sums_would_not_be_exact_is_refused() -> None:
    change = no_change()
    change[2][0] = 1 << 19
    with pytest.raises(ValueError, match="too large"):
        changed(MODEL, change, 6)


# ------------------------------------------------------------------------------------ densities


def example(
    synthesis: float = 0.0, tile: int = 128
) -> tuple[InrConfig, bytes, tuple[int, int, int]]:
    shape = (18, 20, 22)
    config = InrConfig(1, 100, 3, (0.5, 0.7, 0.9), -0.25, tile, synthesis)
    lattices = lattices_of(shape, config.spacing, config.degree, len(config.steps))
    latents = random_levels(lattices, 1, 4, 0.4)
    stream = pack_latents(latents, tiles_of(lattices, tile), lattices[0].first, MODEL, 3)
    if synthesis:
        dice = np.random.default_rng(3)
        groups = [dice.integers(-40, 41, n) for n in synthesis_sizes(3)]
        packed = pack_numbers(groups, MODEL.tables)
        stream = bytes([len(packed)]) + packed + stream
    return config, stream, shape


def decoded(config: InrConfig, stream: bytes, shape: tuple[int, int, int]) -> AnyArray:
    made = InrRepresentation.from_stream(config, stream, shape)
    return cryoinr.drain(made.region_steps(whole_region(shape), None, Clock()))


@pytest.mark.parametrize("tile", [16, 128])
@pytest.mark.parametrize("synthesis", [0.0, 1.3])
def test_regions_points_and_the_whole_agree(synthesis: float, tile: int) -> None:
    config, stream, shape = example(synthesis, tile)
    whole = decoded(config, stream, shape)
    made = InrRepresentation.from_stream(config, stream, shape)
    for region in (np.s_[3:9, 0:20, 21:22], np.s_[0:1, 5:6, 0:22], np.s_[17:18, 0:20, 2:3]):
        part = cryoinr.drain(made.region_steps(region, None, Clock()))
        np.testing.assert_array_equal(part, whole[region])
    places = np.array(list(itertools.product(range(0, 18, 5), range(0, 20, 7), range(22))), float)
    values = made.evaluate(places)
    expected = whole[tuple(places.astype(int).T)]
    # Voxels are summed in steps of 2^-8 of a latent.
    tolerance = 0.02 if not synthesis else 0.08
    np.testing.assert_allclose(values, expected, atol=tolerance)


def test_points_lie_on_a_smooth_function() -> None:
    config, stream, shape = example()
    made = InrRepresentation.from_stream(config, stream, shape)
    line = np.stack([np.linspace(2, 15, 1301), np.full(1301, 9.3), np.full(1301, 11.7)], axis=1)
    values = made.evaluate(line)
    assert np.abs(np.diff(values, 2)).max() < 0.01 * np.ptp(values)


def test_coarser_levels_are_means() -> None:
    config, stream, shape = example()
    whole = decoded(config, stream, shape)
    steps = InrRepresentation.from_stream(config, stream, shape).coarse_steps(
        whole_region((9, 10, 11)), 1, Clock()
    )
    assert steps is not None
    coarse = cryoinr.drain(steps)
    means = whole.reshape(9, 2, 10, 2, 11, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(coarse, means, atol=0.05)
    config, stream, shape = example(1.3)
    made = InrRepresentation.from_stream(config, stream, shape)
    assert made.coarse_steps(whole_region((9, 10, 11)), 1, Clock()) is None


def test_the_synthesis_network_is_a_function_of_the_sums() -> None:
    groups = [np.zeros(n, np.int64) for n in synthesis_sizes(2)]
    groups[0][0] = 64  # the first unit is the first sum where that is positive
    groups[2][0] = -32
    network = synthesis_network(groups, 2)
    sums = np.array([[1024.0, 5.0], [-1024.0, 5.0], [512.0, 0.0]])
    np.testing.assert_array_equal(network.outputs(sums)[:, 0], [-512, 0, -256])
    assert math.prod(network.weights[0].shape) == synthesis_sizes(2)[0]
