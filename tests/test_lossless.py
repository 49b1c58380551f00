"""Lossless coding without a model: bit for bit, and no larger than general coders make it."""

from __future__ import annotations

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
from data_files import REAL_MAPS
from napari_cryoinr.maps.mrc_header import VOXEL_TYPES
from napari_cryoinr.models.lossless import decode_steps, encode_steps
from napari_cryoinr.models.lossless.repeats import NO_SHELLS, Repeats, find_repeats_steps
from napari_cryoinr.progress import Clock, drain

Floats = npt.NDArray[np.float32]
DAMAGE = (ValueError, AssertionError)
SHAPES = st.tuples(*[st.integers(1, 9)] * 3)
MODES = st.sampled_from([0, 1, 2, 6, 12])


def encode(data: Floats, mode: int = 2) -> bytes:
    repeats = drain(find_repeats_steps(data, (1.0, 1.0, 1.0), Clock()))
    return drain(encode_steps(data, mode, repeats, Clock()))


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


@settings(max_examples=40)
@given(SHAPES, MODES, st.integers(0, 2**32 - 1))
def test_any_finite_bits_come_back(shape: tuple[int, ...], mode: int, seed: int) -> None:
    dtype = np.dtype(VOXEL_TYPES[mode])
    raw = np.random.default_rng(seed).bytes(int(np.prod(shape)) * dtype.itemsize)
    voxels = np.frombuffer(raw, dtype).reshape(shape)
    if dtype.kind == "f":
        voxels = np.where(np.isfinite(voxels), voxels, dtype.type(0))
    assert_exact(voxels.astype(np.float32), mode)


@settings(max_examples=60)
@given(SHAPES, MODES, st.data())
def test_values_at_the_limits_come_back(
    shape: tuple[int, ...], mode: int, data: st.DataObject
) -> None:
    dtype = np.dtype(VOXEL_TYPES[mode])
    if dtype.kind == "f":
        info = np.finfo(dtype)
        tiny, top = float(info.smallest_subnormal), float(info.max)
        pool = [0.0, -0.0, tiny, -tiny, top, -top, float(info.tiny), 1.0, -1.0, 3 * tiny]
    else:
        limits = np.iinfo(dtype)
        pool = [limits.min, limits.min + 1, 0, 1, limits.max - 1, limits.max]
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


@pytest.mark.parametrize("scale", [1e-30, 1e30, 3e37])
def test_densities_of_any_size_cost_the_same(scale: float) -> None:
    data = smooth(24)
    data /= np.abs(data).max()
    scaled = (data.astype(np.float64) * scale).astype(np.float32)
    assert len(assert_exact(scaled)) < 1.2 * len(encode(data))


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


@pytest.mark.parametrize("noise", [0, 2**-22])
def test_symmetry_saves_its_share(noise: float) -> None:
    data = smooth(32)
    data = data + data[::-1, ::-1]
    data *= 1 + noise * np.random.default_rng(0).random(data.shape, np.float32)
    assert len(assert_exact(data)) < (0.75 if noise else 0.6) * len(encode(smooth(32)))


@pytest.mark.parametrize("turned", [False, True])
def test_repeated_cells_are_found(turned: bool) -> None:
    """Translations and screws, which are no point groups."""
    cell = np.random.default_rng(3).normal(size=(9, 20, 20)).astype(np.float32)
    data = np.concatenate([cell, cell[:, ::-1, ::-1] if turned else cell], 0)
    assert len(assert_exact(data)) < 0.6 * data.nbytes


def test_shells_of_equal_densities_are_found() -> None:
    z, y, x = np.indices((32, 32, 32)) - 16
    squares = z * z + y * y + x * x
    outer = np.random.default_rng(2).normal(size=squares.max() + 1).astype(np.float32)[squares]
    data = np.where(squares >= 12**2, outer, smooth(32) + 5).astype(np.float32)
    inside = 4 * int((squares < 12**2).sum())
    assert len(assert_exact(data)) < inside + 6000


def test_shells_in_a_thin_volume_are_refused() -> None:
    """A table of all distances would take far more memory than the voxels."""
    shape = (1, 1, 65536)
    stream = encode(np.zeros(shape, np.float32))
    no_shells = struct.pack("<i", NO_SHELLS)
    assert stream[3:7] == no_shells
    with pytest.raises(ValueError, match="impossible shells"):
        decode(stream[:3] + struct.pack("<i", 4) + stream[7:], shape)


def test_zero_bits_that_floats_end_in_are_used() -> None:
    data = np.random.default_rng(0).normal(size=(24, 24, 24)).astype(np.float32)
    coarse = (np.rint(data * 4096) / 4096).astype(np.float32)
    assert len(assert_exact(coarse)) < 0.75 * len(encode(data))


@settings(max_examples=20)
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
    for other in (stream[:-1], stream + bytes(8), b"", stream[:2], b"\x03" + stream[1:]):
        with pytest.raises(DAMAGE):
            decode(other, (8, 8, 8))


def test_progress_covers_the_volume() -> None:
    data = smooth(16)
    records = list(encode_steps(data, 2, Repeats(), Clock()))
    assert records[-1].step == records[-1].steps == data.size
    assert [r.step for r in records] == sorted(r.step for r in records)


@pytest.mark.filterwarnings("ignore::napari_cryoinr.MapWarning")
@pytest.mark.parametrize("path", REAL_MAPS, ids=lambda path: path.name)
def test_real_maps_are_exact_and_no_larger_than_general_coders(path: Path) -> None:
    codecs = pytest.importorskip("imagecodecs")
    density_map = cryoinr.read_map(path)
    # The middle of a large map, so that the test takes seconds and no minute.
    middle = tuple(slice(max(0, (n - 128) // 2), (n + 128) // 2) for n in density_map.data.shape)
    data = np.ascontiguousarray(density_map.data[middle])
    stream = assert_exact(data, density_map.mode)
    voxels = np.ascontiguousarray(data.astype(VOXEL_TYPES[density_map.mode]))
    raw, size = voxels.tobytes(), voxels.itemsize
    shuffled = voxels.view(np.uint8).reshape(-1, size).T.tobytes()
    blosc = {"level": 9, "compressor": "zstd", "typesize": size, "blocksize": 1 << 20}
    others = {
        "pcodec": codecs.pcodec_encode(voxels, level=10),
        "zstd": codecs.zstd_encode(raw, level=19),
        "zstd, shuffled": codecs.zstd_encode(shuffled, level=19),
        "blosc2": codecs.blosc2_encode(raw, shuffle=1, **blosc),
        "blosc2, bits": codecs.blosc2_encode(raw, shuffle=2, **blosc),
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
