"""Coding of latents: what goes in comes out, and no bytes do harm."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import CinrError, DamagedArchive
from napari_cryoinr.archive.damage import damaged
from napari_cryoinr.coding.varints import read_varint, to_varint
from napari_cryoinr.models.field.blocks import Blocks, no_blocks
from napari_cryoinr.models.field.field_settings import MAX_TILE, FieldConfig
from napari_cryoinr.models.field.frequency_shells import BANDS, shells_of
from napari_cryoinr.models.field.latent_contexts import (
    FEATURES,
    Contexts,
    band_magnitudes,
    last_bands,
)
from napari_cryoinr.models.field.latent_stream import (
    Latents,
    blocks_of,
    decode_tile,
    encode_tile,
    pack_latents,
    tile_side,
    tiles_of,
)
from napari_cryoinr.models.field.pretrained import BLOCKS, EDITIONS, pretrained
from napari_cryoinr.models.separable_sums import MAX_LATENT
from napari_cryoinr.support.array_types import Region
from napari_cryoinr.support.regions import region_shape, whole_region

Grid = tuple[int, int, int]
EDITION = EDITIONS[-1]
TRAINED = pretrained(EDITION)
grids = st.tuples(*[st.integers(1, 4)] * 3)
blocks = st.sampled_from(BLOCKS)
shares = st.sampled_from([0.0, 0.002, 0.1, 1.0])
largest_values = st.sampled_from([1, 2, 20, 70_000, MAX_LATENT - 1])
seeds = st.integers(0, 1 << 30)


def some_latents(grid: Grid, block: int, share: float, largest: int, seed: int) -> np.ndarray:
    """Latents whose magnitudes spread over all sizes up to `largest`, shape (gz, gy, gx, B^3)."""
    random = np.random.default_rng(seed)
    shape = (*grid, block**3)
    sizes = np.rint(np.exp2(random.random(shape) * np.log2(largest))).astype(np.int64)
    latents = sizes * random.choice([-1, 1], shape) * (random.random(shape) < share)
    empty = random.random(grid) < 0.2
    latents[empty] = 0
    return latents


def listed(latents: np.ndarray) -> Blocks:
    """The blocks of a dense array (gz, gy, gx, B^3) that hold any latents."""
    flat = latents.reshape(-1, latents.shape[3])
    numbers = np.flatnonzero(flat.any(axis=1))
    return Blocks(latents.shape[:3], numbers, flat[numbers])


def magnitudes_of(latents: np.ndarray, block: int) -> np.ndarray:
    flat = latents.reshape(-1, block**3)
    return band_magnitudes(flat, last_bands(flat, block), block)


# -------------------------------------------------------------------------------------- tiles


@settings(deadline=None, max_examples=30, derandomize=True)
@given(grids, blocks, shares, largest_values, seeds)
def test_tiles_go_round(grid: Grid, block: int, share: float, largest: int, seed: int) -> None:
    if block > 8:
        grid = tuple(min(n, 2) for n in grid)
    latents = some_latents(grid, block, share, largest, seed)
    magnitudes = magnitudes_of(latents, block)
    data = encode_tile(listed(latents), block, magnitudes, TRAINED)
    assert (data == b"") == (not latents.any())
    decoded = decode_tile(data, grid, block, magnitudes, TRAINED)
    np.testing.assert_array_equal(decoded.dense(), latents)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(grids, st.sampled_from((4, 6, 8)), shares, largest_values, seeds)
def test_decoding_some_shells_is_cutting_off_the_others(
    grid: Grid, block: int, share: float, largest: int, seed: int
) -> None:
    latents = some_latents(grid, block, share, largest, seed)
    magnitudes = magnitudes_of(latents, block)
    data = encode_tile(listed(latents), block, magnitudes, TRAINED)
    shell = shells_of(block).shell
    for last in {0, 1, block, 3 * (block - 1) - 1, 3 * (block - 1)}:
        decoded = decode_tile(data, grid, block, magnitudes, TRAINED, last)
        np.testing.assert_array_equal(decoded.dense(), np.where(shell <= last, latents, 0))


def test_the_largest_latents_go_round() -> None:
    latents = np.full((1, 2, 1, 64), MAX_LATENT - 1)
    latents[0, 1] *= -1
    magnitudes = magnitudes_of(latents, 4)
    data = encode_tile(listed(latents), 4, magnitudes, TRAINED)
    np.testing.assert_array_equal(
        decode_tile(data, (1, 2, 1), 4, magnitudes, TRAINED).dense(), latents
    )


def test_latents_that_are_too_large_are_refused() -> None:
    latents = np.zeros((1, 1, 1, 64), np.int64)
    latents[..., 0] = MAX_LATENT
    magnitudes = magnitudes_of(latents, 4)
    data = encode_tile(listed(latents), 4, magnitudes, TRAINED)
    with pytest.raises(ValueError, match="out of range"):
        decode_tile(data, (1, 1, 1), 4, magnitudes, TRAINED)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.integers(0, (1 << 63) - 1), max_size=5), st.binary(max_size=3))
def test_varints_go_round(numbers: list[int], rest: bytes) -> None:
    data = b"".join(map(to_varint, numbers)) + rest
    for number in numbers:
        found, read = read_varint(data)
        assert found == number
        data = data[read:]
    assert data == rest


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 20])
def test_varints_end(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        read_varint(data)


# ------------------------------------------------------------------------------------- contexts


@pytest.mark.parametrize("block", BLOCKS)
def test_shells_come_after_their_neighbours(block: int) -> None:
    shells = shells_of(block)
    shell = np.append(shells.shell, -1)  # where there is no neighbour
    assert shells.lower.shape == (9, block**3)
    assert (shell[shells.lower] < shells.shell).all()
    assert shells.sizes.sum() == block**3
    assert shells.band.min() == 1 == shells.band[0]
    assert shells.band.max() <= BANDS - 1


@pytest.mark.parametrize("grid", [(1, 1, 1), (2, 3, 4)])
def test_every_coded_latent_is_in_one_phase(grid: Grid) -> None:
    latents = some_latents(grid, 6, 0.05, 50, 0)
    flat = latents.reshape(-1, 216)
    bands = last_bands(flat, 6)
    contexts = Contexts(grid, 6, bands, magnitudes_of(latents, 6))
    seen = np.zeros(flat.shape, int)
    order = []
    for phase in contexts.phases():
        places, numbers = phase.rows_in(np.arange(len(flat))), phase.numbers
        seen[places, numbers] += 1
        assert (shells_of(6).shell[numbers] == phase.shell).all()
        parities = np.indices(grid).sum(axis=0).reshape(-1)[places] % 2
        assert len(set(parities)) == 1
        assert parities[0] == phase.odd
        order.append((phase.shell, phase.odd))
        features = contexts.features(phase)
        assert features.shape == (len(places), len(FEATURES))
        np.testing.assert_array_equal(features, np.rint(features))
        contexts.add(phase, np.minimum(np.abs(flat[places, numbers]), 15))
    assert order == sorted(order)
    expected = (bands[:, None] >= shells_of(6).band) & (bands > 0)[:, None]
    np.testing.assert_array_equal(seen, expected)
    assert not flat[seen == 0].any()


@pytest.mark.parametrize("edition", EDITIONS)
def test_sums_of_the_network_are_exact(edition: int) -> None:
    """Activations are at most 2^24, features at most those of the largest tokens."""
    network = pretrained(edition).network
    # 16 log2 of at most 2^36, three of them; 60 times that for means over neighbours.
    largest = 60 * 16 * 40 * 6.0
    for weights, bias in zip(network.network.weights, network.network.biases, strict=True):
        for array in (weights, bias):
            np.testing.assert_array_equal(array, np.rint(array))
        assert (np.abs(weights).sum(axis=0) * largest + np.abs(bias)).max() < 2.0**53
        largest = 2.0**24
    features = np.random.default_rng(0).integers(-(10**6), 10**6, (500, len(FEATURES)))
    chosen = network.choose(features.astype(float))
    assert chosen.min() >= 0
    assert chosen.max() < len(pretrained(edition).tables.counts)
    order = np.random.default_rng(1).permutation(500)
    np.testing.assert_array_equal(network.choose(features[order].astype(float)), chosen[order])


# -------------------------------------------------------------------------------------- streams


def config_of(block: int, tile: int) -> FieldConfig:
    return FieldConfig(EDITION, block, "sharp", tile, 1.0, 0.0)


def windows_of(grid: Grid) -> st.SearchStrategy[Region]:
    axes = [
        st.integers(0, n - 1).flatmap(
            lambda a, n=n: st.builds(slice, st.just(a), st.integers(a + 1, n))
        )
        for n in grid
    ]
    return st.tuples(*axes)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(grids, st.integers(1, 3), shares, seeds, st.data())
def test_streams_go_round(
    grid: Grid, tile: int, share: float, seed: int, data: st.DataObject
) -> None:
    """Latents of a window go in, those of any other come out."""
    stored, asked = data.draw(windows_of(grid)), data.draw(windows_of(grid))
    latents = some_latents(region_shape(stored), 4, share, 300, seed)
    config = config_of(4, tile)
    stream = pack_latents(listed(latents), stored, grid, config)
    shape = tuple(4 * n - seed % 4 for n in grid)
    assert blocks_of(shape, 4) == grid
    whole = np.zeros((*grid, 64), np.int64)
    whole[stored] = latents
    reader = Latents(stream, config, shape)
    assert reader.grid == grid
    everything = whole_region(grid)
    for window in (asked, everything, asked):
        found = reader.read(window)
        expected = whole[window]
        np.testing.assert_array_equal(found.dense(), expected)
    cut = reader.read(everything, last_shell=4)
    expected = np.where(shells_of(4).shell <= 4, whole, 0)
    np.testing.assert_array_equal(cut.dense(), expected)


def test_more_tiles_than_are_kept() -> None:
    grid = (1, 3, 30)
    latents = some_latents(grid, 4, 0.3, 9, 0)
    config = config_of(4, 1)
    stream = pack_latents(listed(latents), whole_region(grid), grid, config)
    reader = Latents(stream, config, (4, 12, 120))
    for _ in range(2):
        for y, x in itertools.product(range(3), range(30)):
            found = reader.read(np.s_[0:1, y : y + 1, x : x + 1])
            expected = latents[:, y : y + 1, x : x + 1]
            np.testing.assert_array_equal(found.dense(), expected)


@pytest.mark.parametrize("block", BLOCKS)
def test_tiles_cover_the_grid_once(block: int) -> None:
    side = tile_side(block, (64, 64, 64))
    assert 1 <= side <= MAX_TILE
    assert tile_side(block, (64, 4096, 4096)) == max(1, 32 // block)
    seen = np.zeros((3, 2 * side + 1, side), int)
    for window in tiles_of(seen.shape, side):
        seen[window] += 1
    assert (seen == 1).all()


def test_an_empty_map_takes_a_few_bytes() -> None:
    grid, config = (4, 4, 4), config_of(8, 16)
    stream = pack_latents(no_blocks(grid, 8), whole_region(grid), grid, config)
    assert len(stream) <= 2
    assert not Latents(stream, config, (32, 32, 32)).read(whole_region(grid)).latents.size


# --------------------------------------------------------------------------------------- damage


def read_all(stream: bytes, config: FieldConfig, shape: Grid, last: int | None = None) -> None:
    """Read a stream as a member does: whatever goes wrong is damage."""
    with damaged("the stream"):
        reader = Latents(stream, config, shape)
        found = reader.read(whole_region(reader.grid), last)
        assert np.abs(found.latents).max(initial=0) < MAX_LATENT


@pytest.fixture(scope="module")
def healthy() -> tuple[bytes, FieldConfig, Grid]:
    latents = some_latents((3, 3, 2), 6, 0.05, 3000, 0)
    config = config_of(6, 2)
    stream = pack_latents(listed(latents), whole_region((3, 3, 2)), (3, 3, 2), config)
    return stream, config, (18, 18, 12)


def test_damaged_bytes_do_no_harm(healthy: tuple[bytes, FieldConfig, Grid]) -> None:
    stream, config, shape = healthy
    outcomes = {"damage": 0, "other latents": 0}
    for place in range(0, len(stream), 5):
        changed = bytearray(stream)
        changed[place] ^= (1, 0x80, 0xFF)[place % 3]
        try:
            read_all(bytes(changed), config, shape)
        except DamagedArchive:
            outcomes["damage"] += 1
        else:
            outcomes["other latents"] += 1
    assert outcomes["damage"] > outcomes["other latents"]


def test_cut_streams_are_damage_or_other_latents(healthy: tuple[bytes, FieldConfig, Grid]) -> None:
    stream, config, shape = healthy
    for length in [*range(30), *range(30, len(stream), 31), len(stream) - 1]:
        with pytest.raises(DamagedArchive):
            read_all(stream[:length], config, shape)
    with pytest.raises(DamagedArchive):
        read_all(stream + b"x", config, shape)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.binary(max_size=200), blocks, st.integers(1, 4), st.tuples(*[st.integers(1, 20)] * 3))
def test_random_bytes_do_no_harm(data: bytes, block: int, tile: int, shape: Grid) -> None:
    for last in (None, 2):
        try:
            read_all(data, config_of(block, tile), shape, last)
        except DamagedArchive as error:
            assert "\n" not in str(error)


def test_a_volume_of_more_tiles_than_bytes_is_refused_at_once() -> None:
    """A thousand million tiles: neither listed nor decoded."""
    config = config_of(4, 1)
    with pytest.raises(ValueError, match="ends too early"):
        Latents(b"\x01\x00" + bytes(1000), config, (4096, 4096, 4096))


def test_tiles_that_would_fill_the_memory_are_refused() -> None:
    """A few bytes decode to a dense tile of any size: it must not be 1024 voxels wide."""
    for block in BLOCKS:
        assert tile_side(block, (1024, 1024, 1024)) * block <= 128
    with pytest.raises(ValueError, match="too large"):
        Latents(b"\x01\x00" + bytes(1000), config_of(16, MAX_TILE), (1024, 1024, 1024))


def test_lengths_that_lie_are_refused() -> None:
    config = config_of(4, 1)
    for lengths in (to_varint(1 << 62) * 7, to_varint(3) * 7):
        with pytest.raises(ValueError, match="longer than their stream"):
            Latents(b"\x01\x00" + lengths, config, (8, 8, 8))


def test_an_edition_that_is_not_there_is_refused() -> None:
    config = dataclasses.replace(config_of(4, 1), edition=255)
    with pytest.raises(CinrError, match="edition 255"):
        Latents(b"\x01\x00", config, (4, 4, 4))
