"""Packed headers: JSON data and MRC headers come back exactly, and damage ends in ValueError."""

from __future__ import annotations

import contextlib
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from conftest import REAL_MAPS
from napari_cryoinr.archive.arithmetic import Adaptive, Decoder, Encoder, digits, uniform
from napari_cryoinr.archive.format2 import header_examples, mrc_examples
from napari_cryoinr.archive.mrc_packing import pack_mrc_header, unpack_mrc_header
from napari_cryoinr.archive.packing import Examples, pack, unpack
from napari_cryoinr.maps.mrc_header import new_header

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**1000), 2**1000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.decimals(-1000, 1000, places=3).map(float)
    | st.text()
    | st.binary(min_size=4, max_size=70).map(bytes.hex)
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=30,
)


def exactly(data: object) -> str:
    return json.dumps(data)  # tells 1 from 1.0 and true, and 0.0 from -0.0


@given(trees, st.sampled_from([tuple, header_examples]))
@settings(deadline=None, max_examples=40)
def test_json_data_come_back(tree: object, examples: Examples) -> None:
    assert exactly(unpack(pack(tree, examples), examples)) == exactly(tree)


def test_what_resembles_an_example_takes_few_bytes() -> None:
    for example in header_examples():
        assert len(pack(example, header_examples)) < len(json.dumps(example)) / 8


def test_long_and_dull_data_come_back() -> None:
    """Of such data a byte holds more than readers would make of one: it is padded."""
    for tree in ([0] * 100_000, "a" * 100_000, [{"a": 1, "b": [True]}] * 5000):
        assert unpack(pack(tree, tuple), tuple) == tree


@pytest.mark.parametrize("odd", [math.nan, math.inf, b"bytes", {1: 2}, 1 << 2000], ids=repr)
def test_what_is_no_json_is_refused(odd: object) -> None:
    with pytest.raises((ValueError, AttributeError)):
        pack([odd], tuple)


def test_data_too_deep_are_refused() -> None:
    tree: list[object] = []
    for _ in range(50):
        tree = [tree]
    with pytest.raises(ValueError, match="deep"):
        pack(tree, tuple)


@given(st.binary(max_size=300), st.sampled_from([tuple, header_examples, mrc_examples]))
@settings(deadline=None, max_examples=40)
def test_any_bytes_unpack_or_are_refused(data: bytes, examples: Examples) -> None:
    with contextlib.suppress(ValueError):
        unpack(data, examples)


@given(st.lists(st.integers(0, 300)), st.lists(st.tuples(st.integers(1, 1 << 16), st.floats(0, 1))))
def test_the_coder_gives_back_what_it_was_given(
    symbols: list[int], shares: list[tuple[int, float]]
) -> None:
    numbers = [(min(int(share * total), total - 1), total) for total, share in shares]
    encoder, model = Encoder(), Adaptive(24)
    for symbol in symbols:
        model.code(encoder, symbol, lambda new: uniform(encoder, new, 301))
    for number, total in numbers:
        uniform(encoder, number, total)
    digits(encoder, 123456789, 10, 9)
    decoder, model = Decoder(encoder.finish()), Adaptive(24)
    for symbol in symbols:
        assert model.code(decoder, None, lambda _: uniform(decoder, 0, 301)) == symbol
    for number, total in numbers:
        assert uniform(decoder, 0, total) == number
    assert digits(decoder, 0, 10, 9) == 123456789


def test_the_coder_comes_near_the_entropy() -> None:
    rng = np.random.default_rng(0)
    symbols = rng.choice(4, 20_000, p=[0.9, 0.07, 0.02, 0.01]).tolist()
    encoder, model = Encoder(), Adaptive(24)
    for symbol in symbols:
        model.code(encoder, symbol, lambda new: uniform(encoder, new, 4))
    shares = np.bincount(symbols) / len(symbols)
    entropy = -float((shares * np.log2(shares)).sum()) * len(symbols) / 8
    assert len(encoder.finish()) < 1.03 * entropy


@given(st.binary(min_size=1024, max_size=1024))
@settings(deadline=None, max_examples=40)
def test_any_1024_bytes_come_back_and_never_grow(raw: bytes) -> None:
    packed = pack_mrc_header(raw)
    assert len(packed) <= 1024
    assert unpack_mrc_header(packed) == raw


@given(
    st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), max_size=12),
    st.lists(st.floats(width=32), min_size=6, max_size=6),
    st.sampled_from([0, 1, 2, 6, 12]),
    st.text(max_size=40),
)
@settings(deadline=None, max_examples=40)
def test_changed_headers_come_back(
    changes: list[tuple[int, int]], numbers: list[float], mode: int, label: str
) -> None:
    header = new_header((30, 40, 50), (1.1, 1.2, 1.3), (0.0, 5.0, 0.1), mode)
    text = label.encode()[:80]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        header = header.changed(dmin=numbers[0], dmax=numbers[1], cella=numbers[2:5])
    raw = bytearray(header.raw)
    raw[224 : 224 + len(text)] = text
    for place, byte in changes:
        raw[place] = byte
    packed = pack_mrc_header(bytes(raw))
    assert unpack_mrc_header(packed) == raw


def test_a_usual_header_takes_few_bytes() -> None:
    raw = new_header((64, 64, 64), (1.5, 1.5, 1.5), (0.0, 0.0, 0.0)).raw
    assert len(pack_mrc_header(raw)) <= 20


@pytest.mark.parametrize("path", REAL_MAPS, ids=lambda path: path.name)
def test_headers_of_real_maps(path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cryoinr.MapWarning)
        raw = cryoinr.read_map(path).mrc.raw
    packed = pack_mrc_header(raw)
    assert len(packed) <= 110
    assert unpack_mrc_header(packed) == raw


@given(st.binary(max_size=1100))
@settings(deadline=None, max_examples=40)
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(unpack_mrc_header(data)) == 1024


def test_headers_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1023 bytes"):
        pack_mrc_header(bytes(1023))
