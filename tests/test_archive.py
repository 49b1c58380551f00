"""The `.cinr` file: what is in it, what is read lazily, and what happens when bytes are wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import ndimage

import napari_cryoinr as cryoinr
from archive_making import copy_with, header_tree, parts_of, write_parts
from napari_cryoinr import DamagedArchive, NotACinrFile
from napari_cryoinr.archive import hdf5_file, hdf5_writing
from napari_cryoinr.archive.header import ArchiveHeader, deflated_json
from napari_cryoinr.archive.residual import Residual
from napari_cryoinr.archive.residual_config import ResidualConfig
from napari_cryoinr.coding import Tables
from napari_cryoinr.coding.bricks import CONTEXTS
from napari_cryoinr.models.inr.inr_settings import InrConfig
from napari_cryoinr.support import records
from napari_cryoinr.support.streams import MemoryStreams

DATA = Path(__file__).parent / "data"


def test_round_trip_and_overhead(either_path: Path, small_map: cryoinr.DensityMap) -> None:
    archive = cryoinr.open_archive(either_path)
    member = archive[0]
    voxels = member.read()
    assert voxels.shape == small_map.data.shape
    assert voxels.dtype == np.float32
    assert member.voxel_size == small_map.voxel_size
    assert archive.bytes - archive.stream_bytes <= 700
    assert archive.ratio == pytest.approx(4 * voxels.size / either_path.stat().st_size)
    mask = small_map.data > member.threshold
    assert (voxels[mask] > member.threshold).all()
    outside = np.sort(small_map.data[~mask])
    far = ~ndimage.binary_dilation(mask, np.ones((3, 3, 3)), iterations=2)
    assert np.unique(voxels[far]).tolist() == [outside[outside.size // 2]]
    assert (voxels[~mask] <= member.threshold).all()


def test_header_round_trips_through_json(either_path: Path) -> None:
    header = cryoinr.open_archive(either_path).header
    again = records.from_dict(ArchiveHeader, json.loads(json.dumps(records.to_dict(header))))
    assert again == header


@pytest.mark.parametrize("keep", ["envelope", "contour"])
def test_headers_of_inr_are_nearly_as_short_as_those_of_field(archive_path: Path, keep) -> None:
    """The preset dictionary has the text of both, and of what auto notes."""
    tree = header_tree(parts_of(archive_path)[0])
    tree["settings"] = {"threshold": "1.5", "keep": keep, "model": "field", "device": "cpu"}
    size = len(deflated_json(tree))
    tree["model"]["name"] = tree["settings"]["model"] = "inr"
    config = InrConfig(1, 148, 3, (0.57123, 0.33219, 0.28764, 0.12943), 0.25)
    tree["members"][0]["config"] = records.to_dict(config, defaults=False)
    assert len(deflated_json(tree)) <= size + 24
    tree["model"] |= {"other": "field", "other_bytes": 4321}
    assert len(deflated_json(tree)) <= size + 28


@pytest.mark.parametrize(
    "index",
    [np.s_[3:9, :, 2:5], np.s_[4], np.s_[..., 7], np.s_[-3, 5:, ::3], np.s_[20:40], np.s_[5:5]],
    ids=str,
)
def test_regions_equal_the_whole(either_path: Path, index: object) -> None:
    member = cryoinr.open_archive(either_path)[0]
    np.testing.assert_array_equal(member.read(index), member.read()[index])


@pytest.mark.parametrize("index", [np.s_[30], np.s_[::-1], np.s_[1, 2, 3, 4]], ids=str)
def test_impossible_regions_are_refused(archive_path: Path, index: object) -> None:
    with pytest.raises(cryoinr.CinrError):
        cryoinr.open_archive(archive_path)[0].read(index)


def test_levels_are_block_means(small_map: cryoinr.DensityMap, tmp_path: Path, either) -> None:
    exact = dataclasses.replace(either, lossless=True)
    cryoinr.compress(small_map, tmp_path / "a.cinr", exact)
    member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
    blocks = small_map.data.reshape(12, 2, 12, 2, 12, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(member.read(level=1), blocks, atol=1e-5)
    np.testing.assert_array_equal(
        member.read(np.s_[2:5, 7, :], level=1), member.read(level=1)[2:5, 7, :]
    )
    assert member.read(level=5).shape == (1, 1, 1)
    assert member.read(level=5)[0, 0, 0] == pytest.approx(float(small_map.data.mean()), abs=1e-4)


def test_levels_of_odd_shapes(tmp_path: Path, either) -> None:
    """Blocks that are cut off at the end count what is left of them; slabs join without seams."""
    odd = cryoinr.synthetic_map((71, 9, 14), seed=6, name="odd")
    cryoinr.compress(odd, tmp_path / "a.cinr", dataclasses.replace(either, lossless=True))
    member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
    padded = np.full((72, 10, 14), np.nan)
    padded[:71, :9] = odd.data
    expected = np.nanmean(padded.reshape(36, 2, 5, 2, 7, 2), axis=(1, 3, 5))
    np.testing.assert_allclose(member.read(level=1), expected, atol=1e-5)
    np.testing.assert_allclose(member.read(np.s_[29:36], level=1), expected[29:], atol=1e-5)


def test_levels_of_the_model_alone_are_near_the_block_means(either_path: Path) -> None:
    member = cryoinr.open_archive(either_path)[0]
    full = member.read()
    blocks = full.reshape(12, 2, 12, 2, 12, 2).mean(axis=(1, 3, 5))
    coarse = member.read(level=1)
    assert np.corrcoef(coarse.ravel(), blocks.ravel())[0, 1] > 0.98
    level_map = member.to_map(level=1)
    assert level_map.voxel_size == tuple(2 * s for s in member.voxel_size)
    assert level_map.origin[0] == pytest.approx(member.origin[0] + member.voxel_size[0] / 2)


@pytest.mark.parametrize("goal", [{}, {"max_error": 0.2}, {"lossless": True}], ids=str)
def test_sampling_at_voxels_gives_the_voxels(
    small_map: cryoinr.DensityMap, tmp_path: Path, either, goal: dict
) -> None:
    moved = small_map.moved((2.0, 2.5, 3.0), (10.0, -4.0, 7.5))
    cryoinr.compress(moved, tmp_path / "a.cinr", dataclasses.replace(either, **goal))
    member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
    index = np.random.default_rng(0).integers(0, 24, (200, 3))
    points = index * np.array(member.voxel_size) + member.origin
    voxels = member.read()
    np.testing.assert_allclose(member.sample(points), voxels[tuple(index.T)], atol=1e-5)
    between = member.sample(points + 0.2)
    assert np.isfinite(between).all()
    if not goal:
        background = np.float32(member.header.background)
        far = ndimage.minimum_filter(voxels == background, 3)[tuple(index.T)]
        assert far.any()
        assert (between[far] == background).all()
    outside = member.sample([[1e6, 0, 0], [-1e6, 0, 0]])
    assert outside == pytest.approx(member.header.background)
    with pytest.raises(cryoinr.CinrError, match="must be"):
        member.sample([1.0, 2.0, 3.0])


def test_memory_limit(archive_path: Path) -> None:
    member = cryoinr.open_archive(archive_path, memory_limit=2_500_000)[0]
    assert member.read(np.s_[:3]).shape == (3, 24, 24)
    with pytest.raises(cryoinr.CinrError, match="limit"):
        member.read()


def test_members_by_name_and_number(small_map: cryoinr.DensityMap, tmp_path: Path, either) -> None:
    other = cryoinr.synthetic_map((16, 20, 24), seed=2, name="other")
    reports = cryoinr.compress([small_map, other], tmp_path / "two.cinr", either)
    archive = cryoinr.open_archive(tmp_path / "two.cinr")
    assert [member.name for member in archive] == ["small", "other"]
    assert archive.member("other") is archive.member("1") is archive[1]
    assert archive[1].shape == (16, 20, 24)
    assert archive.raw_bytes == small_map.raw_bytes + other.raw_bytes
    # One network for both; the latents of `field` are each map's own.
    with h5py.File(tmp_path / "two.cinr") as file:
        assert ("network" in file.attrs) == (either.model == "paper")
    assert reports[1].bytes == archive.bytes
    with pytest.raises(cryoinr.CinrError, match="no member 'third'"):
        archive.member("third")


@pytest.mark.parametrize("kind", ["empty", "text", "hdf5", "mrc", "other"])
def test_other_files_are_no_cinr(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.cinr"
    path.write_bytes({"text": b"hello", "mrc": bytes(2048)}.get(kind, b""))
    if kind in ("hdf5", "other"):
        with h5py.File(path, "w") as file:
            file["something"] = np.arange(3)
            if kind == "other":
                file.attrs["format"] = "something else 1"
    with pytest.raises(NotACinrFile, match="not a"):
        cryoinr.open_archive(path)


def test_missing_and_forbidden_files_are_neither_damaged_nor_something_else(
    tmp_path: Path, archive_path: Path
) -> None:
    with pytest.raises(cryoinr.UnreadableFile, match="no such file"):
        cryoinr.open_archive(tmp_path / "nowhere.cinr")
    with pytest.raises(NotACinrFile, match="a folder"):
        cryoinr.open_archive(tmp_path)
    shutil.copyfile(archive_path, tmp_path / "a.cinr")
    (tmp_path / "a.cinr").chmod(0)
    if not os.access(tmp_path / "a.cinr", os.R_OK):  # root may read everything
        with pytest.raises(cryoinr.UnreadableFile, match="Permission denied"):
            cryoinr.open_archive(tmp_path / "a.cinr")


def test_a_lack_of_memory_and_mistakes_are_no_damage(
    archive_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_cryoinr.archive import decoding

    def fail(error: BaseException):
        def steps(*_: object) -> None:
            raise error

        return steps

    member = cryoinr.open_archive(archive_path)[0]
    monkeypatch.setattr(decoding.Decoder, "read_steps", fail(MemoryError()))
    with pytest.raises(cryoinr.OutOfMemory, match="not enough memory"):
        member.read()
    for mistake in (AttributeError("x"), TypeError("x"), AssertionError("x")):
        monkeypatch.setattr(decoding.Decoder, "read_steps", fail(mistake))
        with pytest.raises(type(mistake)):
            member.read()


def test_hdf5_shows_format_members_and_streams(either_path: Path) -> None:
    with h5py.File(either_path) as file:
        assert file.attrs["format"] == b"cinr 1"
        assert list(file) == ["small"]
        shared = set(file.attrs) - {"format", "header"}
        assert (shared, set(file["small"].attrs)) in (
            (set(), {"latents", "mask"}),
            ({"network"}, {"latent", "mask"}),
        )


def test_any_name_of_a_member_works(tmp_path: Path) -> None:
    """Alone, where the header has no name, and beside others."""
    names = ["a/b", ".", "../x", "50% é", "network", "%network", "header"]
    maps = [cryoinr.synthetic_map(6, seed=n, name=name) for n, name in enumerate(names)]
    for several in (maps, *([one] for one in maps)):
        path = tmp_path / "a.cinr"
        cryoinr.compress(several, path, cryoinr.Settings(lossless=True), overwrite=True)
        with cryoinr.open_archive(path) as archive:
            assert [member.name for member in archive] == [one.name for one in several]
            for one in several:
                np.testing.assert_array_equal(archive.member(one.name).read(), one.data)


@pytest.mark.parametrize("size", [0, 1, 1000, 32_768, 32_769, 59_000, 65_536, 200_000])
def test_streams_of_every_size_come_back(tmp_path: Path, archive_path: Path, size: int) -> None:
    """As attributes or datasets; the size of the file is known before, and always the same."""
    header, _, _ = parts_of(archive_path)
    data = np.random.default_rng(size).bytes(size)
    parts = header, {"shared": data}, [("a", {"own": data[::-1], "short": b"x"}), ("b", {})]
    for name in ("1", "2"):
        hdf5_writing.write(tmp_path / name, *parts)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert hdf5_writing.size_of(*parts) == (tmp_path / "1").stat().st_size
    assert (tmp_path / "1").stat().st_size < 2 * size + 900
    file = hdf5_file.Hdf5File(tmp_path / "1")
    assert file.read(None, "shared") == data
    assert file.read("a", "own") == data[::-1]
    assert file.part("a", "own", size // 3, size // 2) == data[::-1][size // 3 :][: size // 2]
    assert (file.length(None, "shared"), file.length("a", "short")) == (size, 1)
    for member, stream in (("b", "own"), ("c", "own"), (None, "own")):
        with pytest.raises(DamagedArchive, match="missing"):
            file.read(member, stream)
    with pytest.raises(DamagedArchive, match="shorter"):
        file.part("a", "short", 0, 2)
    file.close()
    with pytest.raises(cryoinr.CinrError, match="closed"):
        file.read("a", "own")


def test_bricks_lie_behind_those_of_more_than_4_gib() -> None:
    asked = []

    class Streams(MemoryStreams):
        def part(self, name: str, start: int, length: int) -> bytes:
            asked.append((name, start, length))
            return b""

    lengths = [5 << 30, 7 << 30, 3]
    index = np.array([(length, b"sums") for length in lengths], [("length", "<u8"), ("sum", "V4")])
    tables = Tables.from_counts(np.ones((CONTEXTS, 2), np.int64)).to_bytes()
    streams = Streams(residual_index=index.tobytes(), residual_tables=tables)
    residual = Residual(streams, ResidualConfig("lossless", 1.0), (129, 1, 1), 2)
    values, region = np.zeros((129, 1, 1), np.float32), np.s_[0:129, 0:1, 0:1]
    with pytest.raises(DamagedArchive, match="checksum"):
        residual.add(values, region, None, None, 2)
    assert asked == [("residual", 12 << 30, 3)]


def test_an_open_archive_gives_the_content_it_was_opened_with(
    either_path: Path, tmp_path: Path, quick: cryoinr.Settings
) -> None:
    path = tmp_path / "a.cinr"
    shutil.copyfile(either_path, path)
    expected = cryoinr.open_archive(either_path)[0].read()
    with cryoinr.open_archive(path) as archive:
        cryoinr.compress(cryoinr.synthetic_map(20), path, quick, overwrite=True)
        np.testing.assert_array_equal(archive[0].read(), expected)
    with cryoinr.open_archive(path) as archive:
        pass
    with pytest.raises(cryoinr.CinrError, match="closed"):
        archive[0].read()


def test_an_archive_that_is_never_released_lets_the_interpreter_end(archive_path: Path) -> None:
    # As when a viewer that Qt still holds has a layer of it. HDF5 closed it too late, and crashed.
    program = """if True:
        import ctypes, sys
        import napari_cryoinr as cryoinr
        archive = cryoinr.open_archive(sys.argv[1])
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(archive))
    """
    subprocess.run([sys.executable, "-c", program, str(archive_path)], check=True)


@pytest.mark.parametrize("goal", [{}, {"max_error": 0.2}, {"lossless": True}], ids=str)
def test_several_threads_read_one_member(small_map, tmp_path: Path, either, goal: dict) -> None:
    cryoinr.compress(small_map, tmp_path / "a.cinr", dataclasses.replace(either, **goal))
    expected = cryoinr.open_archive(tmp_path / "a.cinr")[0].read()
    member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
    wrong: list[object] = []

    def read(seed: int) -> None:
        try:
            for z in np.random.default_rng(seed).integers(0, 24, 12):
                if not np.array_equal(member.read(np.s_[z]), expected[z]):
                    wrong.append(z)
        except BaseException as error:  # noqa: BLE001 - whatever ends a thread
            wrong.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("large", [False, True])
def test_flipping_any_byte_is_noticed_or_harmless(
    small_map: cryoinr.DensityMap, tmp_path: Path, quick, monkeypatch, large: bool
) -> None:
    """Each byte in turn, in three ways: our exception, or the very same voxels."""
    if large:
        monkeypatch.setattr(hdf5_writing, "_MAX_ATTRIBUTE", 60)
    source, path = tmp_path / "a.cinr", tmp_path / "b.cinr"
    small = cryoinr.DensityMap(small_map.data[:12, :10, :11].copy(), (2.0,) * 3, name="flip")
    cryoinr.compress(small, source, dataclasses.replace(quick, max_error=0.2))
    expected = cryoinr.open_archive(source)[0].read()
    data = source.read_bytes()
    outcomes = {"same": 0, "NotACinrFile": 0, "DamagedArchive": 0}
    # HDF5 leaves room behind small datasets, which holds nothing: some bytes of it will do.
    empty = re.search(rb"\0{100,}", data)
    room = range(*empty.span()) if empty else range(0)
    positions = [n for n in range(len(data)) if n not in room or n % 40 == 0]
    for position in positions:
        flipped = bytearray(data)
        flipped[position] ^= (0x01, 0x80, 0xFF)[position % 3]
        path.write_bytes(flipped)
        try:
            with cryoinr.open_archive(path) as archive:
                voxels = cryoinr.drain(archive[0].verify_steps())
        except (NotACinrFile, DamagedArchive) as error:
            outcomes[type(error).__name__] += 1
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(voxels, expected)
            outcomes["same"] += 1
    assert outcomes["DamagedArchive"] > 0.8 * len(positions)


def test_cutting_the_file_anywhere_is_noticed(archive_path: Path, tmp_path: Path) -> None:
    data = archive_path.read_bytes()
    path = tmp_path / "cut.cinr"
    for length in range(0, len(data) - 1, 23):
        path.write_bytes(data[:length])
        with pytest.raises((NotACinrFile, DamagedArchive)):
            cryoinr.drain(cryoinr.open_archive(path)[0].verify_steps())


def set_shape(data):
    data["members"][0]["shape"] = [65536, 65536, 65536]


def set_mode(data):
    data["members"][0]["mode"] = 4


def other_mode(data):
    """A mode that the MRC header, a stream here, does not have."""
    data["members"][0]["mode"] = 1
    data["members"][0]["mrc"] = {"mode": 2}


def drop_config(data):
    data["model"].pop("config", None)
    data["members"][0].pop("config", None)


def odd_fields(data):
    data["members"][0]["mrc"] = {"cella": "wide"}


def set_symmetry(data):
    """A screw axis: its operations have no end."""
    data["members"][0]["config"]["symmetry"] = [1, 1, 0, 0]


def changed(section: str, name: str, value: object):
    def change(data):
        part = data["model"] if section == "model" else data["members"][0]
        part["config"][name] = value

    change.__name__ = f"{section}_{name}"
    return change


@pytest.mark.parametrize("change", [set_shape, set_mode, other_mode, drop_config, odd_fields])
def test_lying_headers_allocate_nothing(either_path: Path, tmp_path: Path, change) -> None:
    copy_with(either_path, tmp_path / "a.cinr", change)
    with pytest.raises(cryoinr.CinrError):
        cryoinr.drain(
            cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=1 << 30)[0].verify_steps()
        )


@pytest.mark.parametrize(
    "change", [changed("model", "widths", [16384, 16384]), changed("model", "exponents", [1, 2])]
)
def test_lying_headers_of_the_model_paper(paper_archive_path: Path, tmp_path, change) -> None:
    copy_with(paper_archive_path, tmp_path / "a.cinr", change)
    with pytest.raises(cryoinr.CinrError):
        cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=1 << 30)[0].read()


@pytest.mark.parametrize(
    "change",
    [
        changed("member", "block", 5),
        changed("member", "tile", 1 << 20),
        changed("member", "step", -1.0),
        changed("member", "reference", 0),
        set_symmetry,
    ],
)
def test_lying_headers_of_the_model_field(archive_path: Path, tmp_path: Path, change) -> None:
    copy_with(archive_path, tmp_path / "a.cinr", change)
    with pytest.raises(DamagedArchive):
        cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=1 << 30)[0].read()


def test_an_edition_of_a_newer_version_is_no_damage(archive_path: Path, tmp_path: Path) -> None:
    copy_with(archive_path, tmp_path / "a.cinr", changed("member", "edition", 200))
    with pytest.raises(cryoinr.CinrError, match=r"edition 200 .* update napari-cryoinr") as raised:
        cryoinr.open_archive(tmp_path / "a.cinr")[0].read()
    assert not isinstance(raised.value, DamagedArchive)


def test_settings_of_another_version_do_not_matter(either_path: Path, tmp_path: Path) -> None:
    def odd_settings(data):
        data["settings"] = {"from": "a later version"}

    copy_with(either_path, tmp_path / "a.cinr", odd_settings)
    archive = cryoinr.open_archive(tmp_path / "a.cinr")
    np.testing.assert_array_equal(archive[0].read(), cryoinr.open_archive(either_path)[0].read())
    with pytest.raises(cryoinr.SettingsError, match="unknown field"):
        _ = archive.settings


def test_newer_versions_ask_for_an_update(
    archive_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(archive_path)
    monkeypatch.setattr(hdf5_writing, "VERSION", 2)
    hdf5_writing.write(tmp_path / "a.cinr", *parts)
    monkeypatch.undo()
    with pytest.raises(NotACinrFile, match="update napari-cryoinr"):
        cryoinr.open_archive(tmp_path / "a.cinr")


@pytest.mark.parametrize("kind", ["chunked", "external", "link", "floats", "text", "number"])
def test_only_plain_bytes_are_read(archive_path: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.cinr"
    header, _, _ = parts_of(archive_path)
    write_parts(path, header, {}, [("small", {})])
    with h5py.File(path, "r+") as file:
        group = file["small"]
        if kind == "chunked":
            group.create_dataset("latents", data=bytes_of(4096), chunks=(64,), compression="gzip")
        elif kind == "external":
            group.create_dataset("latents", (100,), "u1", external=[("/etc/hostname", 0, 100)])
        elif kind == "link":
            group["latents"] = h5py.ExternalLink(str(archive_path), "small")
        elif kind == "floats":
            group["latents"] = np.zeros(100)
        else:
            group.attrs["latents"] = "text" if kind == "text" else 1.5
    with pytest.raises(DamagedArchive):
        cryoinr.open_archive(path)[0].read()


def bytes_of(count: int) -> np.ndarray:
    return np.zeros(count, np.uint8)


@pytest.mark.parametrize("model", ["field", "paper", "lossless"])
def test_stored_archives_still_decode(model: str) -> None:
    """To the same bits as where they were made (`data/make_archives.py`)."""
    with cryoinr.open_archive(DATA / f"format1_{model}.cinr") as archive:
        for member in archive:
            assert cryoinr.drain(member.verify_steps()).shape == member.shape
            assert member.quality is not None
