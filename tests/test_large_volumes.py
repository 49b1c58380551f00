"""Volumes that are decoded, written and read slab by slab."""

from __future__ import annotations

import dataclasses
import gzip
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import mrcfile
import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.archive import decoding, hdf5_writing
from napari_cryoinr.cli.main import run
from napari_cryoinr.codec import streaming
from napari_cryoinr.coding import tiled_stream
from napari_cryoinr.maps import density_map
from napari_cryoinr.maps.moments import Moments
from napari_cryoinr.maps.mrc_file import LazyVoxels
from napari_cryoinr.models.field import latent_stream, sample_encoder, slab_coding
from napari_cryoinr.quality import slab_comparison
from napari_cryoinr.support.checksums import voxel_checksum
from napari_cryoinr.support.streams import FileBytes

SHAPE = (72, 40, 48)
SETTINGS = cryoinr.Settings(
    keep="volume",
    target_nrmse=0.3,
    model="field",
    effort="fast",
    device="cpu",
    field=cryoinr.FieldSettings(block=8, symmetry="none"),
)


def tiled(shape: tuple[int, int, int]) -> cryoinr.DensityMap:
    """Return a map of some shape that is made of copies of a small one."""
    small = cryoinr.synthetic_map(32).data
    counts = [-(-n // 32) for n in shape]
    data = np.tile(small, counts)[tuple(slice(n) for n in shape)]
    return cryoinr.DensityMap(data, (2.0, 2.0, 2.0), name="tiled")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """An archive of a volume that every slab of 16 planes is a part of."""
    path = tmp_path_factory.mktemp("large") / "a.cinr"
    cryoinr.compress(tiled(SHAPE), path, SETTINGS)
    return path


@pytest.fixture
def thin_slabs(monkeypatch) -> Iterator[None]:
    """Slabs of 16 planes of that volume."""
    monkeypatch.setattr(decoding, "_SLAB_VOXELS", 16 * SHAPE[1] * SHAPE[2])
    yield


@pytest.mark.usefixtures("thin_slabs")
def test_slabs_have_the_voxels_of_the_whole(archive: Path) -> None:
    seen: list[tuple[slice, np.ndarray]] = []
    with cryoinr.open_archive(archive) as opened:
        whole = opened[0].read()
        cryoinr.drain(opened[0].check_steps(lambda part, slab: seen.append((part, slab))))
    assert [part.start for part, _ in seen] == [0, 16, 32, 48, 64]
    np.testing.assert_array_equal(np.concatenate([slab for _, slab in seen]), whole)


@pytest.mark.usefixtures("thin_slabs")
@pytest.mark.parametrize("suffix", [".mrc", ".mrc.gz"])
def test_decompressing_slab_by_slab_writes_the_same_file(
    archive: Path, tmp_path: Path, suffix: str
) -> None:
    whole, lazy = (tmp_path / f"{name}{suffix}" for name in ("whole", "lazy"))
    first = cryoinr.decompress(archive, whole)
    second = cryoinr.decompress(archive, lazy, lazy=True)
    opener = gzip.open if suffix.endswith("gz") else open
    with opener(whole, "rb") as one, opener(lazy, "rb") as other:
        assert one.read() == other.read()
    assert isinstance(first.data, np.ndarray) and not isinstance(second.data, np.ndarray)
    np.testing.assert_array_equal(second.data[20:23, 4], first.data[20:23, 4])
    assert run(["decompress", str(archive), str(tmp_path / "c.mrc"), "--quiet"]) == 0
    assert run(["verify", str(archive), "--quiet"]) == 0
    written = cryoinr.read_map(tmp_path / "c.mrc")
    np.testing.assert_array_equal(written.data, first.data)
    record = written.mrc.record
    assert float(record.dmean) == pytest.approx(float(first.data.mean()), rel=1e-5)
    assert float(record.rms) == pytest.approx(float(first.data.std()), rel=1e-5)
    assert (float(record.dmin), float(record.dmax)) == (first.data.min(), first.data.max())


@pytest.mark.usefixtures("thin_slabs")
def test_sections_that_are_not_planes_along_z(tmp_path: Path) -> None:
    original = tiled((40, 32, 24))
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(np.ascontiguousarray(original.data.transpose(2, 0, 1)))
        file.voxel_size = 2.0
        file.header.mapc, file.header.mapr, file.header.maps = 2, 3, 1
    read = cryoinr.read_map(tmp_path / "a.mrc")
    np.testing.assert_array_equal(read.data, original.data)
    cryoinr.compress(read, tmp_path / "a.cinr", SETTINGS)
    back = cryoinr.decompress(tmp_path / "a.cinr", tmp_path / "b.mrc", lazy=True)
    written = cryoinr.read_map(tmp_path / "b.mrc")
    assert written.mrc.file_shape == read.mrc.file_shape
    np.testing.assert_array_equal(written.data, back.data[...])


@pytest.mark.usefixtures("thin_slabs")
def test_cancelled_decompression_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    steps = cryoinr.decompress_steps(archive, tmp_path / "a.mrc", lazy=True)
    shares = [next(steps).share for _ in range(3)]
    assert all(share is not None for share in shares)
    steps.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("thin_slabs")
def test_each_tile_is_decoded_once(archive: Path, monkeypatch) -> None:
    count, decode = [0], latent_stream.decode_tile_steps

    def counted(*args, **more):
        count[0] += 1
        return decode(*args, **more)

    monkeypatch.setattr(latent_stream, "decode_tile_steps", counted)
    with cryoinr.open_archive(archive) as opened:
        cryoinr.drain(opened[0].check_steps())
    assert count[0] == 1


def test_memory_does_not_grow_with_the_volume(monkeypatch, tmp_path: Path) -> None:
    shape = (192, 64, 64)
    monkeypatch.setattr(latent_stream, "_TILE_VOXELS", 32)
    monkeypatch.setattr(latent_stream, "_CACHED_BYTES", 1 << 20)
    monkeypatch.setattr(decoding, "_SLAB_VOXELS", 16 * 64 * 64)
    cryoinr.compress(tiled(shape), tmp_path / "a.cinr", SETTINGS)
    peaks = []
    for lazy in (True, True, False):  # what is loaded once is not counted
        tracemalloc.start()
        cryoinr.decompress(tmp_path / "a.cinr", tmp_path / "a.mrc", lazy=lazy, overwrite=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    volume = 4 * np.prod(shape)
    assert peaks[2] - peaks[1] > 0.8 * volume


@pytest.mark.parametrize("dtype", ["i1", "i2", "f2", "f4"])
def test_files_are_read_part_by_part(tmp_path: Path, dtype: str) -> None:
    values = (10 * tiled((24, 20, 16)).data).astype(dtype)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(values)
        file.voxel_size = 2.0
    lazy = cryoinr.read_map(tmp_path / "a.mrc", lazy=True)
    assert isinstance(lazy.data, LazyVoxels)
    np.testing.assert_array_equal(lazy.data[3:9, :, 5], values[3:9, :, 5].astype("f4"))
    cryoinr.write_map(lazy, tmp_path / "b.mrc")
    assert (tmp_path / "a.mrc").read_bytes()[1024:] == (tmp_path / "b.mrc").read_bytes()[1024:]


def test_moments_of_parts_are_those_of_the_whole() -> None:
    values = np.random.default_rng(1).normal(1e4, 0.1, (30, 10, 10)).astype(np.float32)
    moments = Moments()
    for part in (values[:7], values[7:8], values[8:]):
        moments.add(part)
    assert (moments.low, moments.high) == (values.min(), values.max())
    assert moments.mean == pytest.approx(values.mean(dtype=np.float64))
    assert moments.deviation == pytest.approx(values.std(dtype=np.float64))


@pytest.fixture
def streamed(monkeypatch) -> Iterator[None]:
    """Every volume counts as large; tiles, sample and box of Fourier shells are small."""
    monkeypatch.setattr(streaming, "_SHARE", 0.0)
    monkeypatch.setattr(latent_stream, "_TILE_VOXELS", 32)
    monkeypatch.setattr(sample_encoder, "_SIDE", 24)
    monkeypatch.setattr(slab_comparison, "_SIDE", 24)
    yield


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("goal", [{"target_nrmse": 0.2}, {"target_psnr": 30.0}])
@pytest.mark.parametrize("shape", [(64, 40, 48), (37, 50, 41)])
def test_streamed_archives_meet_their_goal(tmp_path: Path, goal: dict, shape) -> None:
    original = tiled(shape)
    path = tmp_path / "a.cinr"
    settings = dataclasses.replace(SETTINGS, **{"target_nrmse": None} | goal)
    report = cryoinr.compress(original, path, settings)
    with cryoinr.open_archive(path) as opened:
        member = opened[0]
        voxels = cryoinr.drain(member.verify_steps())
        assert member.header.original_checksum == voxel_checksum(original.data)
        assert member.quality == report.stored()
        assert opened.settings == settings
    decoded = cryoinr.DensityMap(voxels, original.voxel_size, name="tiled")
    whole = cryoinr.compare(original, decoded)
    assert (report.psnr, report.nrmse) == pytest.approx((whole.psnr, whole.nrmse))
    assert report.correlation == pytest.approx(whole.correlation)
    assert report.max_error == whole.max_error
    assert report.nrmse <= goal.get("target_nrmse", 9) and report.psnr >= goal.get("target_psnr", 0)
    assert report.nrmse >= 0.7 * goal.get("target_nrmse", 0)
    assert report.shells_box == (24, 24, 24)
    assert "in the 24 × 24 × 24 voxels in the middle" in report.text()


def test_a_streamed_archive_is_as_small_as_another(tmp_path: Path, monkeypatch) -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, (64, 96, 96))
    original = cryoinr.DensityMap(tiled((64, 96, 96)).data + noise, name="noisy")
    whole = cryoinr.compress(original, tmp_path / "a.cinr", SETTINGS)
    monkeypatch.setattr(streaming, "_SHARE", 0.0)
    parts = cryoinr.compress(original, tmp_path / "b.cinr", SETTINGS)
    assert parts.bytes < 1.05 * whole.bytes
    assert parts.shells_box is None or parts.shells_box == original.data.shape


@pytest.mark.usefixtures("streamed")
def test_a_large_file_is_never_read_as_a_whole(tmp_path: Path, monkeypatch) -> None:
    small = tiled((64, 40, 48))
    path = tmp_path / "a.mrc"
    scaled = dataclasses.replace(small, data=np.rint(8 * small.data))
    cryoinr.write_map(scaled, path, mode="int8")
    read = LazyVoxels.__getitem__
    largest = [0]

    def counted(self, index):
        out = read(self, index)
        largest[0] = max(largest[0], out.size)
        return out

    monkeypatch.setattr(LazyVoxels, "__getitem__", counted)
    monkeypatch.setattr(sample_encoder, "_COUNT", 2)
    monkeypatch.setattr(density_map, "SLAB_VOXELS", 1 << 14)
    monkeypatch.setattr(decoding, "_SLAB_VOXELS", 1 << 14)
    goal = ["--keep", "volume", "--target-nrmse", "0.3", "--effort", "fast", "--quiet"]
    assert run(["compress", str(path), str(tmp_path / "a.cinr"), *goal]) == 0
    assert 0 < largest[0] < 0.6 * small.data.size
    assert run(["decompress", str(tmp_path / "a.cinr"), str(tmp_path / "b.mrc"), "--quiet"]) == 0
    written = cryoinr.read_map(tmp_path / "b.mrc")
    assert written.mode == 0
    wrong = (written.data - scaled.data).std()
    assert wrong <= 0.3 * scaled.data.std()


@pytest.mark.usefixtures("streamed")
def test_a_step_that_misses_the_goal_is_corrected(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(slab_coding, "_AIM", 9.0)  # a sample that is far from the whole
    with pytest.raises(cryoinr.GoalMissed, match="NRMSE"):
        cryoinr.compress(tiled((48, 40, 40)), tmp_path / "a.cinr", SETTINGS)
    assert not list(tmp_path.iterdir())
    aims = iter([9.0])
    choose = streaming.sample_fit_steps

    def coarse_steps(*given):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slab_coding, "_AIM", next(aims))
            return (yield from choose(*given))

    monkeypatch.setattr(slab_coding, "_AIM", 0.985)
    monkeypatch.setattr(streaming, "sample_fit_steps", coarse_steps)
    report = cryoinr.compress(tiled((48, 40, 40)), tmp_path / "a.cinr", SETTINGS)
    assert 0.25 < report.nrmse <= 0.3


@pytest.mark.usefixtures("streamed")
def test_cancelled_streaming_leaves_nothing(tmp_path: Path) -> None:
    phases = set()
    steps = cryoinr.compress_steps(tiled((64, 40, 48)), tmp_path / "a.cinr", SETTINGS)
    for record in steps:
        phases.add(record.phase)
        assert record.share is not None
        if record.phase == "writing":
            break
    steps.close()
    assert {"preparing", "fitting", "rounding", "coding", "measuring"} <= phases
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_constant_volume(tmp_path: Path, value: float) -> None:
    original = cryoinr.DensityMap(np.full((40, 33, 34), value), name="flat")
    report = cryoinr.compress(original, tmp_path / "a.cinr", SETTINGS)
    assert report.max_error == 0
    np.testing.assert_array_equal(cryoinr.open_archive(tmp_path / "a.cinr")[0].read(), value)


@pytest.mark.usefixtures("streamed")
def test_voxels_that_are_no_numbers_are_found(tmp_path: Path) -> None:
    data = tiled((40, 32, 32)).data
    data[21, 3, 4] = np.nan
    with pytest.raises(cryoinr.MapError, match=r"\(21, 3, 4\)"):
        cryoinr.compress(cryoinr.DensityMap(data), tmp_path / "a.cinr", SETTINGS)


def test_what_is_streamed(monkeypatch) -> None:
    small = tiled((32, 32, 32))
    monkeypatch.setattr(streaming, "_SHARE", 0.0)
    assert streaming.streams([small], SETTINGS)
    assert not streaming.streams([small, small], SETTINGS)
    for other in ({"target_nrmse": None}, {"keep": "envelope"}, {"model": "inr"}):
        assert not streaming.streams([small], dataclasses.replace(SETTINGS, **other))
    exact = cryoinr.Settings(lossless=True)
    assert not streaming.streams([small], exact)
    monkeypatch.setattr(tiled_stream, "_WHOLE", 1 << 12)
    assert streaming.streams([small], exact)
    monkeypatch.setattr(streaming, "_SHARE", 1.0)
    assert not streaming.streams([small], SETTINGS)


def test_what_cannot_be_streamed_is_refused_unread(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(streaming, "default_memory_limit", lambda: 1 << 18)
    monkeypatch.setattr(LazyVoxels, "__getitem__", lambda *_: pytest.fail("voxels are read"))
    cryoinr.write_map(tiled((32, 32, 32)), tmp_path / "a.mrc")
    for goal in (["--max-error", "1"], ["--keep", "volume"], ["--target-ratio", "9"], []):
        assert run(["compress", str(tmp_path / "a.mrc"), str(tmp_path / "a.cinr"), *goal]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "131,072 bytes of voxels" in line and "target_nrmse" in line
    with pytest.raises(cryoinr.MapError, match="each map on its own"):
        others = [dataclasses.replace(tiled((32, 32, 32)), name=name) for name in "ab"]
        cryoinr.compress(others, tmp_path / "a.cinr", SETTINGS)


@pytest.fixture
def streamed_exactly(monkeypatch) -> Iterator[None]:
    """Every volume counts as large, and is divided into tiles of 16³ voxels."""
    monkeypatch.setattr(streaming, "_SHARE", 0.0)
    for name, number in (("_WHOLE", 1 << 12), ("_TILE", 1 << 12), ("_MOST", 16)):
        monkeypatch.setattr(tiled_stream, name, number)
    monkeypatch.setattr(slab_comparison, "_SIDE", 24)
    yield


@pytest.mark.usefixtures("streamed_exactly")
@pytest.mark.parametrize("mode", ["int8", pytest.param("float32", marks=pytest.mark.slow)])
def test_lossless_archives_are_made_tile_by_tile(tmp_path: Path, monkeypatch, mode: str) -> None:
    original = tiled((40, 36, 34))
    if mode == "int8":
        original = dataclasses.replace(original, data=np.rint(8 * original.data))
    cryoinr.write_map(original, tmp_path / "a.mrc", mode=mode)
    monkeypatch.setattr(density_map, "SLAB_VOXELS", 1 << 12)
    monkeypatch.setattr(decoding, "_SLAB_VOXELS", 5 * 36 * 34)
    read, largest = LazyVoxels.__getitem__, [0]

    def counted(self, index):
        out = read(self, index)
        largest[0] = max(largest[0], out.size)
        return out

    monkeypatch.setattr(LazyVoxels, "__getitem__", counted)
    archive, back = tmp_path / "a.cinr", tmp_path / "b.mrc"
    assert run(["compress", str(tmp_path / "a.mrc"), str(archive), "--lossless", "--quiet"]) == 0
    assert 0 < largest[0] <= 5 * 36 * 34
    assert run(["verify", str(archive), "--quiet"]) == 0
    assert run(["decompress", str(archive), str(back), "--quiet"]) == 0
    written = cryoinr.read_map(back)
    np.testing.assert_array_equal(written.data, original.data)
    assert written.mode == (0 if mode == "int8" else 2)
    with cryoinr.open_archive(archive) as opened:
        member = opened[0]
        assert member.header.decoded_checksum == member.header.original_checksum
        assert member.quality is not None and member.quality.max_error == 0
        whole = cryoinr.compare(original, dataclasses.replace(original))
    assert member.quality.nrmse == whole.nrmse == 0


@pytest.mark.usefixtures("streamed_exactly")
def test_cancelled_lossless_streaming_leaves_nothing(tmp_path: Path) -> None:
    settings = cryoinr.Settings(lossless=True)
    steps = cryoinr.compress_steps(tiled((40, 36, 34)), tmp_path / "a.cinr", settings)
    for record in steps:
        assert record.share is not None
        if record.phase == "measuring":
            break
    steps.close()
    assert not list(tmp_path.iterdir())


def test_long_streams_are_stored_as_others(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(100_000)
    with FileBytes(tmp_path) as long:
        long.append(content[:3])
        long.append(content[3:])
        assert (len(long), long[2:5], long[99_999:]) == (100_000, content[2:5], content[99_999:])
        for name, data in (("a", content), ("b", long)):
            hdf5_writing.write(tmp_path / name, b"header", {}, [("m", {"lossless": data})])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_lazily_read_maps_are_compressed_as_others(tmp_path: Path) -> None:
    cryoinr.write_map(tiled((32, 24, 24)), tmp_path / "a.mrc")
    for lazy in (False, True):
        read = cryoinr.read_map(tmp_path / "a.mrc", lazy=lazy)
        cryoinr.compress(read, tmp_path / f"{lazy}.cinr", SETTINGS)
    assert (tmp_path / "True.cinr").read_bytes() == (tmp_path / "False.cinr").read_bytes()
