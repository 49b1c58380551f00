"""Entropy coding gives every integer back, comes close to the entropy, and survives damage."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_cryoinr import coding
from napari_cryoinr.coding.bricks import (
    CONTEXTS,
    Neighbourhood,
    parity_phases,
    smoothed,
    smoothed_at,
)
from napari_cryoinr.coding.coarse_to_fine import PHASES
from napari_cryoinr.coding.probability_tables import Tables
from napari_cryoinr.coding.tokens import (
    ALPHABET,
    DIRECT,
    MAX_BITS,
    detokenise,
    fold,
    pack_bits,
    raw_bit_counts,
    tokenise,
    unfold,
    unpack_bits,
)

LARGEST = 2 ** (MAX_BITS - 1) - 1
QUICK = settings(deadline=None, max_examples=60, derandomize=True)


@st.composite
def integers(draw: st.DrawFn, most: int = 60) -> np.ndarray:
    """Integers of every order of magnitude up to the largest."""
    sizes = draw(st.lists(st.integers(0, MAX_BITS - 1), max_size=most))
    values = [draw(st.integers(-(2**s) + 1, 2**s - 1)) for s in sizes]
    return np.array(values, np.int64)


@st.composite
def bricks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """(values, mask): any small shape, masks from empty to full, magnitudes of all orders."""
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = random.random(shape) < draw(st.sampled_from([0.0, 0.03, 0.5, 1.0]))
    magnitude = 2.0 ** draw(st.integers(0, MAX_BITS - 1))
    values = np.rint(random.uniform(-1, 1, shape) ** 3 * min(magnitude, LARGEST)).astype(np.int64)
    return values, mask


def tables_of(*pairs: tuple[np.ndarray, np.ndarray]) -> Tables:
    """Tables as the decoder sees them: through their bytes."""
    counts = sum(coding.gather_counts(values, mask) for values, mask in pairs)
    return Tables.from_bytes(Tables.from_counts(np.asarray(counts)).to_bytes(), CONTEXTS)


@QUICK
@given(integers())
def test_fold_is_invertible_and_orders_by_magnitude(values: np.ndarray) -> None:
    folded = fold(values)
    assert (folded >= 0).all()
    assert np.array_equal(unfold(folded), values)
    assert np.array_equal(folded // 2, np.where(values < 0, -values - 1, values))


def test_fold_of_the_smallest_numbers() -> None:
    assert fold(np.array([0, -1, 1, -2, 2], np.int64)).tolist() == [0, 1, 2, 3, 4]


@QUICK
@given(integers())
def test_tokens_are_invertible(values: np.ndarray) -> None:
    numbers = fold(values)
    tokens, counts, raw = tokenise(numbers)
    assert ((tokens >= 0) & (tokens < ALPHABET)).all()
    assert np.array_equal(counts, raw_bit_counts(tokens))
    assert ((raw >= 0) & (raw < np.int64(1) << counts)).all()
    assert np.array_equal(detokenise(tokens, raw), numbers)


def test_tokens_at_every_power_of_two() -> None:
    edges = np.array(
        [2**n + d for n in range(MAX_BITS) for d in (-1, 0, 1)] + [2**MAX_BITS - 1], np.int64
    )
    tokens, _, raw = tokenise(edges)
    assert np.array_equal(detokenise(tokens, raw), edges)
    order = np.argsort(edges)
    assert (np.diff(tokens[order]) >= 0).all()  # larger numbers never get smaller tokens
    assert tokens[edges < DIRECT].tolist() == edges[edges < DIRECT].tolist()
    assert tokens.max() == ALPHABET - 1


@QUICK
@given(st.lists(st.integers(0, MAX_BITS), max_size=60), st.randoms(use_true_random=False))
def test_raw_bits_are_packed_and_unpacked(widths: list[int], random: object) -> None:
    counts = np.array(widths, np.int64)
    values = np.array([random.getrandbits(n) if n else 0 for n in widths], np.int64)  # type: ignore[attr-defined]
    packed = pack_bits(values, counts)
    assert len(packed) == -(-int(counts.sum()) // 8)
    assert np.array_equal(unpack_bits(packed, counts), values)


def test_packed_bits_are_written_highest_first() -> None:
    values, counts = np.array([0b1, 0b10110, 0b01], np.int64), np.array([1, 5, 2], np.int64)
    assert pack_bits(values, counts) == bytes([0b11011001])


@pytest.mark.parametrize("change", [-1, 1])
def test_too_few_or_too_many_raw_bits_are_refused(change: int) -> None:
    counts = np.array([7, 9], np.int64)
    with pytest.raises(ValueError, match="16 raw bits"):
        unpack_bits(bytes(2 + change), counts)


@QUICK
@given(
    hnp.arrays(
        np.int64,
        st.tuples(st.just(CONTEXTS), st.just(ALPHABET)),
        elements=st.integers(0, 2**40),
        fill=st.just(0),
    )
)
def test_tables_survive_their_bytes(counts: np.ndarray) -> None:
    tables = Tables.from_counts(counts)
    again = Tables.from_bytes(tables.to_bytes(), CONTEXTS)
    assert np.array_equal(again.counts, tables.counts)
    assert tables.counts.max() <= 4095
    columns = tables.counts.shape[1]
    assert np.array_equal(tables.counts > 0, counts[:, :columns] > 0)  # seen stays possible
    assert not counts[:, columns:].any()
    assert len(again.models) == CONTEXTS


def test_small_counts_are_stored_as_they_are() -> None:
    counts = np.zeros((CONTEXTS, ALPHABET), np.int64)
    counts[1, :5] = [4095, 1, 0, 7, 2]
    assert np.array_equal(Tables.from_counts(counts).counts, counts[:, :5])


@pytest.mark.parametrize(
    "data",
    [
        bytes([CONTEXTS + 1, 4]) + zlib.compress(bytes(2 * (CONTEXTS + 1) * 4)),
        bytes([CONTEXTS, 1]) + zlib.compress(bytes(2 * CONTEXTS)),
        bytes([CONTEXTS, ALPHABET + 1]) + zlib.compress(bytes(2 * CONTEXTS * (ALPHABET + 1))),
        bytes([CONTEXTS, 4]) + zlib.compress(bytes(2 * CONTEXTS * 4 - 1)),
        bytes([CONTEXTS, 4]) + zlib.compress(bytes(2 * CONTEXTS * 4 - 2)),
        bytes([CONTEXTS, 4]) + zlib.compress(bytes(2 * CONTEXTS * 4 + 2)),
        bytes([CONTEXTS, 4]) + b"no deflated bytes",
        bytes([CONTEXTS, 4]),
        bytes([CONTEXTS]),
        b"",
    ],
    ids=[
        "rows",
        "few columns",
        "many columns",
        "odd",
        "short",
        "long",
        "garbage",
        "no body",
        "one byte",
        "empty",
    ],
)
def test_damaged_tables_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, zlib.error)):
        Tables.from_bytes(data, CONTEXTS)


@QUICK
@given(bricks())
def test_bricks_survive(brick: tuple[np.ndarray, np.ndarray]) -> None:
    values, mask = brick
    tables = tables_of(brick)
    again = coding.decode_brick(coding.encode_brick(values, mask, tables), mask, tables)
    assert again.dtype == np.int64
    assert np.array_equal(again, np.where(mask, values, 0))


@QUICK
@given(bricks(), bricks())
def test_bricks_share_tables(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> None:
    tables = tables_of(first, second)
    for values, mask in (second, first):  # in any order: each brick stands on its own
        again = coding.decode_brick(coding.encode_brick(values, mask, tables), mask, tables)
        assert np.array_equal(again, np.where(mask, values, 0))


@pytest.mark.parametrize("value", [0, 1, -1, 17, LARGEST, -LARGEST, -LARGEST - 1])
def test_constant_bricks_survive(value: int) -> None:
    values, mask = np.full((5, 4, 3), value, np.int64), np.ones((5, 4, 3), bool)
    tables = tables_of((values, mask))
    again = coding.decode_brick(coding.encode_brick(values, mask, tables), mask, tables)
    assert np.array_equal(again, values)


def test_phases_cover_every_voxel_once() -> None:
    seen = np.zeros((5, 1, 4), int)
    for phase in parity_phases():
        seen[phase] += 1
    assert (seen == 1).all()
    assert len(set(PHASES)) == 8


def test_contexts_see_only_what_is_coded() -> None:
    """A value must not change the contexts of its own phase or of earlier ones."""
    mask = np.ones((6, 6, 6), bool)
    random = np.random.default_rng(0)
    tokens = random.integers(0, ALPHABET, mask.shape)
    phases = list(parity_phases())
    for changed in range(len(phases)):
        other = tokens.copy()
        other[phases[changed]] = 0
        first, second = Neighbourhood(mask.shape), Neighbourhood(mask.shape)
        for index, phase in enumerate(phases):
            same = np.array_equal(
                first.contexts(phase, mask[phase]), second.contexts(phase, mask[phase])
            )
            assert same == (index <= changed)
            first.add(phase, mask[phase], tokens[phase][mask[phase]])
            second.add(phase, mask[phase], other[phase][mask[phase]])


@pytest.mark.parametrize("scale", [0.6, 3.0, 200.0])
def test_size_is_close_to_the_entropy(scale: float) -> None:
    """Independent Laplace numbers: no coder can beat their entropy, ours is within 3 % of it."""
    random = np.random.default_rng(0)
    values = np.rint(random.laplace(0, scale, (64, 64, 64))).astype(np.int64)
    mask = np.ones(values.shape, bool)
    tables = tables_of((values, mask))
    data = coding.encode_brick(values, mask, tables)
    assert np.array_equal(coding.decode_brick(data, mask, tables), values)
    numbers = np.arange(-int(60 * scale), int(60 * scale) + 1)
    share = np.exp(-np.abs(numbers) / scale) * np.sinh(0.5 / scale)
    share[numbers == 0] = 1 - np.exp(-0.5 / scale)
    assert share.sum() == pytest.approx(1)
    share = share[share > 0]
    bits = -(share * np.log2(share)).sum() * values.size
    assert 0.99 * bits < 8 * len(data) < 1.03 * bits


def test_neighbours_help() -> None:
    """Numbers whose spread varies in space cost less than their overall histogram says."""
    random = np.random.default_rng(0)
    spread = np.where(np.arange(48) < 24, 0.3, 30.0)[:, None, None]
    values = np.rint(random.laplace(0, 1, (48, 48, 48)) * spread).astype(np.int64)
    mask = np.ones(values.shape, bool)
    data = coding.encode_brick(values, mask, tables_of((values, mask)))
    share = np.unique(values, return_counts=True)[1] / values.size
    assert 8 * len(data) < 0.95 * -(share * np.log2(share)).sum() * values.size


def test_damaged_bricks_raise_or_decode_to_something() -> None:
    """The archive's checksum finds damage first; the coder itself must only end, and in order."""
    random = np.random.default_rng(0)
    values = np.rint(random.laplace(0, 20, (8, 9, 10))).astype(np.int64)
    mask = random.random(values.shape) < 0.7
    tables = tables_of((values, mask))
    data = coding.encode_brick(values, mask, tables)
    outcomes = set()
    for trial in range(300):
        broken = bytearray(data)
        if trial % 3 == 0:
            broken = broken[: random.integers(len(data))]
        elif trial % 3 == 1:
            broken[random.integers(4, len(data))] ^= 1 << random.integers(8)
        else:
            broken[:] = random.bytes(len(data))
        try:
            again = coding.decode_brick(bytes(broken), mask, tables)
        except (ValueError, AssertionError):  # AssertionError is what constriction raises
            outcomes.add("refused")
        else:
            assert again.shape == values.shape and not again[~mask].any()
            outcomes.add("decoded")
    assert outcomes == {"refused", "decoded"}


@pytest.mark.parametrize(
    "data",
    [b"", bytes(3), b"\x04\0\0\0", b"\x03\0\0\0abc", b"\xff\xff\xff\xff" + bytes(40)],
    ids=["empty", "no length", "no words", "half a word", "huge length"],
)
def test_bricks_with_a_bad_length_are_refused(data: bytes) -> None:
    values, mask = np.full((4, 4, 4), 100, np.int64), np.ones((4, 4, 4), bool)
    with pytest.raises(ValueError, match="too early"):
        coding.decode_brick(data, mask, tables_of((values, mask)))


@pytest.mark.parametrize("change", [-1, 1])
def test_bricks_with_missing_or_added_raw_bits_are_refused(change: int) -> None:
    values, mask = np.full((4, 4, 4), 100, np.int64), np.ones((4, 4, 4), bool)
    tables = tables_of((values, mask))
    data = coding.encode_brick(values, mask, tables)
    with pytest.raises(ValueError, match="raw bits"):
        coding.decode_brick(data[:-1] if change < 0 else data + b"\0", mask, tables)


@pytest.mark.parametrize("shape", [(1, 2, 3), (5, 4, 7), (8, 1, 6)])
def test_sums_of_neighbours_at_one_phase_are_those_of_all_voxels(
    shape: tuple[int, int, int],
) -> None:
    values = np.random.default_rng(0).integers(0, 1 << 20, shape).astype(np.int32)
    for phase in parity_phases():
        np.testing.assert_array_equal(smoothed_at(values, phase), smoothed(values)[phase])
