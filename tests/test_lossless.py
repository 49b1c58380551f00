"""Lossless coding without a model: bit for bit, and no larger than general coders make it."""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from conftest import REAL_MAPS
from napari_cryoinr.maps.mrc_header import VOXEL_TYPES
from napari_cryoinr.models.lossless import decode_steps, encode_steps
from napari_cryoinr.models.lossless.channel import Reader, Table, Writer
from napari_cryoinr.models.lossless.copies import find_steps
from napari_cryoinr.models.lossless.lattice import MARGIN, Lattice, known_offsets
from napari_cryoinr.models.lossless.orbits import NO_SHELLS, find_shells
from napari_cryoinr.progress import Clock, drain
from napari_cryoinr.symmetry.point_groups import ROTATIONS, GridSymmetry

Floats = npt.NDArray[np.float32]
DAMAGE = (ValueError, AssertionError, struct.error)
SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


def encode(data: Floats, mode: int = 2, symmetry: GridSymmetry | None = None) -> bytes:
    return drain(encode_steps(data, mode, symmetry, Clock()))


def decode(stream: bytes, shape: tuple[int, ...], mode: int = 2) -> Floats:
    return drain(decode_steps(stream, shape, mode, Clock()))


def assert_exact(data: Floats, mode: int = 2) -> bytes:
    stream = encode(data, mode)
    found = decode(stream, data.shape, mode)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.int32), data.view(np.int32))
    return stream


def smooth(n: int, seed: int = 0) -> Floats:
    """Noise whose spectrum falls off, shape (n, n, n)."""
    rng = np.random.default_rng(seed)
    squares = sum(np.meshgrid(*[np.fft.fftfreq(n) ** 2] * 3, indexing="ij"))
    spectrum = np.fft.fftn(rng.normal(size=(n, n, n))) * np.exp(-60 * squares)
    return np.fft.ifftn(spectrum).real.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from([0, 1, 2, 6, 12]), st.integers(0, 2**32 - 1))
def test_any_finite_bits_come_back(shape: tuple[int, ...], mode: int, seed: int) -> None:
    dtype = np.dtype(VOXEL_TYPES[mode])
    raw = np.random.default_rng(seed).bytes(int(np.prod(shape)) * dtype.itemsize)
    voxels = np.frombuffer(raw, dtype).reshape(shape)
    if dtype.kind == "f":
        voxels = np.where(np.isfinite(voxels), voxels, dtype.type(0))
    assert_exact(voxels.astype(np.float32), mode)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from([2, 12]), st.data())
def test_special_floats_come_back(shape: tuple[int, ...], mode: int, data: st.DataObject) -> None:
    info = np.finfo(VOXEL_TYPES[mode])
    tiny, top = float(info.smallest_subnormal), float(info.max)
    pool = [0.0, -0.0, tiny, -tiny, top, -top, float(info.tiny), 1.0, -1.0, 3 * tiny]
    size = int(np.prod(shape))
    values = data.draw(st.lists(st.sampled_from(pool), min_size=size, max_size=size))
    assert_exact(np.array(values, np.float32).reshape(shape), mode)


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.sampled_from([0, 1, 6]), st.data())
def test_integers_at_their_limits_come_back(
    shape: tuple[int, ...], mode: int, data: st.DataObject
) -> None:
    info = np.iinfo(VOXEL_TYPES[mode])
    pool = [info.min, info.min + 1, 0, 1, info.max - 1, info.max]
    size = int(np.prod(shape))
    values = data.draw(st.lists(st.sampled_from(pool), min_size=size, max_size=size))
    assert_exact(np.array(values, np.float32).reshape(shape), mode)


@pytest.mark.parametrize("mode", [0, 1, 2, 6, 12])
def test_smooth_volumes_of_each_mode(mode: int) -> None:
    data = smooth(24)
    data = (data - data.min()) / np.ptp(data) * 100
    dtype = VOXEL_TYPES[mode]
    voxels = data.astype(dtype).astype(np.float32)
    stream = assert_exact(voxels, mode)
    assert len(stream) < len(zlib.compress(voxels.astype(dtype).tobytes(), 9))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 1), (2, 1, 33), (1, 17, 19), (3, 70, 2)])
def test_flat_and_thin_volumes(shape: tuple[int, ...]) -> None:
    assert_exact(np.random.default_rng(1).normal(size=shape).astype(np.float32))


def test_constant_volume_takes_next_to_nothing() -> None:
    assert len(assert_exact(np.full((40, 40, 40), 1.25, np.float32))) < 1500


def test_signs_of_masked_zeros_come_back_and_are_predicted() -> None:
    data = smooth(32)
    outside = np.ones(data.shape, bool)
    outside[10:20, 10:20, 10:20] = False
    masked = np.where(outside, data * np.float32(0), data)
    assert np.signbit(masked[outside]).any()
    stream = assert_exact(masked)
    inner = 4 * int((~outside).sum())
    assert len(stream) < inner + outside.sum() / 8  # less than a bit for each sign


def test_exact_symmetry_is_found_and_saves_its_share() -> None:
    data = smooth(32)
    data = data + data[::-1, ::-1]
    data = data + data[::-1, :, ::-1]
    data = (data + data[::-1, ::-1])[:]
    exact = np.minimum(data, data[::-1, ::-1])
    exact = np.minimum(exact, exact[::-1, :, ::-1])
    plain = len(encode(smooth(32)))
    assert len(assert_exact(exact)) < 0.4 * plain


def test_nearly_exact_symmetry_saves_too() -> None:
    half = smooth(32, 1)
    data = half + half[::-1, ::-1]
    data = data * (1 + np.random.default_rng(0).integers(0, 3, data.shape) * np.float32(2**-23))
    assert len(assert_exact(data.astype(np.float32))) < 0.75 * len(encode(smooth(32, 1)))


def test_repeated_blocks_are_found() -> None:
    cell = np.random.default_rng(3).normal(size=(9, 20, 21)).astype(np.float32)
    data = np.concatenate([cell, cell], 0)
    found = drain(find_steps(data, 2, 32, [], Clock()))
    assert {o[1:] for o in found if o[0] == 0} == {(9, 0, 0), (-9, 0, 0)}
    assert len(assert_exact(data)) < 0.6 * data.nbytes


def test_a_hint_is_used() -> None:
    half = np.random.default_rng(4).normal(size=(20, 20, 20)).astype(np.float32)
    # A two-fold axis beside the middle; rounding noise hides it from the search for equal values.
    data = half.copy()
    data[:16, :16] = np.minimum(half[:16, :16], half[:16, :16][::-1, ::-1])
    noise = np.random.default_rng(5).integers(0, 200, data.shape)
    data = (data.view(np.int32) + noise.astype(np.int32)).view(np.float32)
    number = ROTATIONS.index(((0, 1, 2), (-1, -1, 1)))
    symmetry = GridSymmetry.generated_by([(number, 15, 15, 0)])
    with_hint = encode(data, 2, symmetry)
    assert len(with_hint) < 0.9 * len(encode(data))
    np.testing.assert_array_equal(decode(with_hint, data.shape), data)


def test_shells_of_equal_values_are_found() -> None:
    z, y, x = np.indices((32, 32, 32)) - 16
    squares = z * z + y * y + x * x
    outer = np.random.default_rng(2).normal(size=squares.max() + 1).astype(np.float32)[squares]
    data = np.where(squares >= 12**2, outer, smooth(32) + 5).astype(np.float32)
    assert find_shells(data) == 12**2
    assert find_shells(smooth(32)) == NO_SHELLS
    inside = 4 * int((squares < 12**2).sum())
    assert len(assert_exact(data)) < inside + 6000


def test_trailing_zero_bits_are_used() -> None:
    data = np.random.default_rng(0).normal(size=(24, 24, 24)).astype(np.float32)
    coarse = (np.rint(data * 4096) / 4096).astype(np.float32)
    assert len(assert_exact(coarse)) < 0.7 * len(encode(data))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_damaged_streams_are_refused_or_decode(data: st.DataObject) -> None:
    volume = smooth(12)
    volume[:4] = 0
    stream = bytearray(encode(volume))
    for place in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=4)):
        stream[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(stream)) | st.just(len(stream)))
    try:
        found = decode(bytes(stream[:cut]), volume.shape)
    except DAMAGE:
        return
    assert found.shape == volume.shape and np.isfinite(found).all()


def test_streams_with_more_or_less_are_refused() -> None:
    stream = encode(smooth(8))
    for other in (stream[:-1], stream + b"\0", b"", stream[:9]):
        with pytest.raises(DAMAGE):
            decode(other, (8, 8, 8))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2**60 - 1)), max_size=50))
def test_raw_bits_come_back(pairs: list[tuple[int, int]]) -> None:
    counts = np.array([c for c, _ in pairs], np.int64)
    values = np.array([v for _, v in pairs], np.int64)
    writer = Writer()
    writer.raw(counts, values)
    found = Reader(writer.to_bytes()).raw(counts, None)
    np.testing.assert_array_equal(found, values & ((np.int64(1) << counts) - 1))


def test_probabilities_adapt_alike_on_both_sides() -> None:
    rng = np.random.default_rng(0)
    contexts, symbols = rng.integers(0, 3, 1000), rng.integers(0, 5, 1000)
    writer, table = Writer(), Table(3, 5)
    for part in np.split(np.arange(1000), 4):
        writer.symbols(table, contexts[part], symbols[part])
    reader, table = Reader(writer.to_bytes()), Table(3, 5)
    for part in np.split(np.arange(1000), 4):
        np.testing.assert_array_equal(reader.symbols(table, contexts[part], None), symbols[part])


@pytest.mark.parametrize("wraps", list(itertools.product([False, True], repeat=3)))
def test_margins_keep_the_parity(wraps: tuple[bool, ...]) -> None:
    shape = (6, 4, 8)
    lattice = Lattice(shape, wraps)
    z, y, x = np.indices(shape)
    lattice.inside[...] = z % 2 * 4 + y % 2 * 2 + x % 2
    lattice.renew_margin()
    phase = (1, 1, 0)
    for dz, dy, dx in known_offsets(phase, 500):
        found = lattice.near(phase, (0, 3), (dz, dy, dx))
        assert (found == (1 + dz) % 2 * 4 + (1 + dy) % 2 * 2 + dx % 2).all()
    assert max(max(map(abs, offset)) for offset in known_offsets(phase, 500)) <= MARGIN


def test_progress_covers_the_volume() -> None:
    data = smooth(16)
    records = list(encode_steps(data, 2, None, Clock()))
    assert records[-1].step == records[-1].steps == data.size
    assert [r.step for r in records] == sorted(r.step for r in records)


def middle_of(data: np.ndarray) -> np.ndarray:
    """The middle of a large map, so that a test takes seconds and no minute."""
    starts = [max(0, (count - 128) // 2) for count in data.shape]
    return np.ascontiguousarray(data[tuple(slice(start, start + 128) for start in starts)])


@pytest.mark.filterwarnings("ignore::napari_cryoinr.MapWarning")
@pytest.mark.parametrize("path", REAL_MAPS, ids=lambda path: path.name)
def test_real_maps_are_exact_and_no_larger_than_general_coders(path: object) -> None:
    codecs = pytest.importorskip("imagecodecs")
    density_map = cryoinr.read_map(path)  # type: ignore[arg-type]
    data = middle_of(density_map.data)
    stream = assert_exact(data, density_map.mode)
    voxels = np.ascontiguousarray(data.astype(VOXEL_TYPES[density_map.mode]))
    raw, size = voxels.tobytes(), voxels.itemsize
    shuffled = voxels.view(np.uint8).reshape(-1, size).T.tobytes()
    others = {
        "pcodec": codecs.pcodec_encode(voxels, level=10),
        "zstd": codecs.zstd_encode(raw, level=19),
        "zstd, shuffled": codecs.zstd_encode(shuffled, level=19),
        "blosc2": codecs.blosc2_encode(
            raw, level=9, compressor="zstd", shuffle=1, typesize=size, blocksize=1 << 20
        ),
        "blosc2, bits": codecs.blosc2_encode(
            raw, level=9, compressor="zstd", shuffle=2, typesize=size, blocksize=1 << 20
        ),
    }
    assert len(stream) <= min(map(len, others.values())), {k: len(v) for k, v in others.items()}


def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    source = tmp_path / "map.mrc"
    cryoinr.write_map(cryoinr.synthetic_map(40, seed=3), source)
    found = []
    for threads in ("1", "2"):
        target = tmp_path / f"threads{threads}.cinr"
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        command = [sys.executable, "-m", "napari_cryoinr", "compress", "--lossless"]
        environment = os.environ | dict.fromkeys(names, threads)
        subprocess.run([*command, str(source), str(target)], env=environment, check=True)
        found.append(target.read_bytes())
    assert found[0] == found[1]


def test_shells_in_a_thin_volume_are_refused() -> None:
    """A table of all distances would take far more memory than the voxels."""
    shape = (1, 1, 65536)
    stream = bytearray(encode(np.zeros(shape, np.float32)))
    struct.pack_into("<I", stream, 1, 4)
    with pytest.raises(ValueError, match="too thin"):
        decode(bytes(stream), shape)
