"""The `.cinr` file: what is in it, what is read lazily, and what happens when bytes are wrong."""

from __future__ import annotations

import dataclasses
import json
import struct
import zlib
from hashlib import blake2b
from pathlib import Path

import h5py
import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import DamagedArchive, NotACinrFile
from napari_cryoinr.archive import container, hdf5
from napari_cryoinr.archive.header import ArchiveHeader
from napari_cryoinr.support import records


def test_round_trip_and_overhead(either_path: Path, small_map: cryoinr.DensityMap) -> None:
    archive = cryoinr.open_archive(either_path)
    member = archive[0]
    voxels = member.read()
    assert voxels.shape == small_map.data.shape
    assert voxels.dtype == np.float32
    assert member.voxel_size == small_map.voxel_size
    assert archive.bytes - archive.stream_bytes <= 400
    assert archive.ratio == pytest.approx(4 * voxels.size / either_path.stat().st_size)
    mask = small_map.data > member.threshold
    assert (voxels[mask] > member.threshold).all()
    outside = np.sort(small_map.data[~mask])
    assert np.unique(voxels[~mask]).tolist() == [outside[outside.size // 2]]


def test_header_round_trips_through_json(either_path: Path) -> None:
    header, _ = container.read_header(either_path)
    again = records.from_dict(ArchiveHeader, json.loads(json.dumps(records.to_dict(header))))
    assert again == header


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
    voxels = member.read()[tuple(index.T)]
    mask = small_map.data[tuple(index.T)] > member.threshold
    # Occupied voxels are raised above the threshold when they are read; the function is not.
    low = np.float32(np.nextafter(np.float32(member.threshold), np.float32(np.inf)))
    sampled = member.sample(points)
    expected = np.where(mask & (voxels <= low), sampled, voxels) if not goal else voxels
    np.testing.assert_allclose(sampled, expected, atol=1e-5)
    between = points[mask][:5] + 0.2
    assert np.isfinite(member.sample(between)).all()
    outside = member.sample([[1e6, 0, 0], [-1e6, 0, 0]])
    assert outside == pytest.approx(member.decoder.background)
    with pytest.raises(cryoinr.CinrError, match="must be"):
        member.sample([1.0, 2.0, 3.0])


def test_memory_limit(archive_path: Path) -> None:
    member = cryoinr.open_archive(archive_path, memory_limit=24**3)[0]
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
    assert len(archive.header.model.streams) == (either.model == "paper")
    assert reports[1].bytes == archive.bytes
    with pytest.raises(cryoinr.CinrError, match="no member 'third'"):
        archive.member("third")


def not_a_cinr(path: Path) -> dict[str, Path]:
    files = {name: path / f"{name}.cinr" for name in ("empty", "text", "hdf5", "mrc", "newer")}
    files["empty"].write_bytes(b"")
    files["text"].write_text("hello")
    files["mrc"].write_bytes(bytes(2048))
    with h5py.File(files["hdf5"], "w") as file:
        file["something"] = np.arange(3)
    return files


@pytest.mark.parametrize("kind", ["empty", "text", "hdf5", "mrc"])
def test_other_files_are_no_cinr(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotACinrFile):
        cryoinr.open_archive(not_a_cinr(tmp_path)[kind])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotACinrFile, match="no such file"):
        cryoinr.open_archive(tmp_path / "nowhere.cinr")


def write_container(path: Path, data: bytes, **kwargs) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("cinr", data=np.frombuffer(data, np.uint8), **kwargs)


def header_bytes(text: bytes, version: int = 1, length: int | None = None) -> bytes:
    packed = zlib.compress(text)
    return (
        struct.pack(
            "<4sHHII8s",
            b"CINR",
            version,
            0,
            len(packed),
            len(text) if length is None else length,
            blake2b(packed, digest_size=8).digest(),
        )
        + packed
    )


def test_newer_versions_ask_for_an_update(tmp_path: Path) -> None:
    write_container(tmp_path / "a.cinr", header_bytes(b"{}", version=container.FORMAT_VERSION + 1))
    with pytest.raises(NotACinrFile, match="update napari-cryoinr"):
        cryoinr.open_archive(tmp_path / "a.cinr")


@pytest.mark.parametrize(
    "data",
    [
        header_bytes(b"{}"),
        header_bytes(b"[1]"),
        header_bytes(b"not json"),
        header_bytes(b"{}", length=1 << 25),
        header_bytes(b"x" * (1 << 22), length=3),
        b"CINR",
        b"CINR" + bytes(40),
    ],
    ids=["empty", "list", "text", "longer", "bomb", "cut", "zeros"],
)
def test_bad_headers_are_damage(tmp_path: Path, data: bytes) -> None:
    write_container(tmp_path / "a.cinr", data)
    with pytest.raises(DamagedArchive):
        cryoinr.open_archive(tmp_path / "a.cinr")


def change_header(source: Path, target: Path, change) -> None:
    """Copy an archive with another header, whose checksum is right."""
    header, start = container.read_header(source)
    data = records.to_dict(header)
    change(data)
    write_container(
        target,
        header_bytes(json.dumps(data).encode())
        + source.read_bytes()[start:][: sum(s.length for s in header.entries())],
    )


def set_shape(data):
    data["members"][0]["shape"] = [65536, 65536, 65536]


def set_mode(data):
    data["members"][0]["mode"] = 4


def set_stream(data):
    data["members"][0]["streams"][1]["length"] = 1 << 40


def drop_config(data):
    data["model"].pop("config", None)
    data["members"][0].pop("config", None)


def drop_streams(data):
    """All of the member's streams become one that no model asks for."""
    streams = data["members"][0]["streams"]
    length = sum(stream["length"] for stream in streams)
    data["members"][0]["streams"] = [{**streams[0], "name": "mrc_extended", "length": length}]


def set_widths(data):
    data["model"]["config"]["widths"] = [16384, 16384]


def set_exponents(data):
    data["model"]["config"]["exponents"] = [1, 2]


def set_edition(data):
    data["members"][0]["config"]["edition"] = 200


def set_block(data):
    data["members"][0]["config"]["block"] = 5


def set_tile(data):
    data["members"][0]["config"]["tile"] = 1 << 20


def set_step(data):
    data["members"][0]["config"]["step"] = -1.0


def set_symmetry(data):
    """A screw axis: its operations have no end."""
    data["members"][0]["config"]["symmetry"] = [1, 1, 0, 0]


def odd_settings(data):
    data["settings"] = {"from": "a later version"}


def test_settings_of_another_version_do_not_matter(either_path: Path, tmp_path: Path) -> None:
    change_header(either_path, tmp_path / "a.cinr", odd_settings)
    archive = cryoinr.open_archive(tmp_path / "a.cinr")
    np.testing.assert_array_equal(archive[0].read(), cryoinr.open_archive(either_path)[0].read())
    with pytest.raises(cryoinr.SettingsError, match="unknown field"):
        _ = archive.settings


@pytest.mark.parametrize("change", [set_shape, set_mode, set_stream, drop_config, drop_streams])
def test_lying_headers_allocate_nothing(either_path: Path, tmp_path: Path, change) -> None:
    change_header(either_path, tmp_path / "a.cinr", change)
    with pytest.raises(cryoinr.CinrError):
        cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=1 << 30)[0].read()


@pytest.mark.parametrize("change", [set_widths, set_exponents])
def test_lying_headers_of_the_model_paper(paper_archive_path: Path, tmp_path, change) -> None:
    change_header(paper_archive_path, tmp_path / "a.cinr", change)
    with pytest.raises(cryoinr.CinrError):
        cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=1 << 30)[0].read()


@pytest.mark.parametrize("change", [set_block, set_tile, set_step, set_symmetry])
def test_lying_headers_of_the_model_field(archive_path: Path, tmp_path: Path, change) -> None:
    change_header(archive_path, tmp_path / "a.cinr", change)
    with pytest.raises(cryoinr.DamagedArchive):
        cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=1 << 30)[0].read()


def test_an_edition_of_a_newer_version_is_no_damage(archive_path: Path, tmp_path: Path) -> None:
    change_header(archive_path, tmp_path / "a.cinr", set_edition)
    with pytest.raises(cryoinr.CinrError, match=r"edition 200 .* update napari-cryoinr") as raised:
        cryoinr.open_archive(tmp_path / "a.cinr")[0].read()
    assert not isinstance(raised.value, cryoinr.DamagedArchive)


@pytest.mark.parametrize("kind", ["chunked", "external", "link", "floats"])
def test_only_plain_bytes_are_read(archive_path: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.cinr"
    if kind == "chunked":
        write_container(path, bytes(4096), chunks=(64,), compression="gzip")
    elif kind == "external":
        with h5py.File(path, "w") as file:
            file.create_dataset("cinr", (100,), "u1", external=[("/etc/hostname", 0, 100)])
    elif kind == "link":
        with h5py.File(path, "w") as file:
            file["cinr"] = h5py.ExternalLink(str(archive_path), "cinr")
    else:
        with h5py.File(path, "w") as file:
            file["cinr"] = np.zeros(100)
    with pytest.raises(DamagedArchive):
        cryoinr.open_archive(path)


@pytest.mark.parametrize("kind", ["attribute", "dataset"])
def test_flipping_any_byte_is_noticed_or_harmless(
    small_map: cryoinr.DensityMap, tmp_path: Path, quick, monkeypatch, kind: str
) -> None:
    """Each byte in turn, in three ways: our exception, or the very same voxels."""
    if kind == "dataset":
        monkeypatch.setattr(hdf5, "MAX_ATTRIBUTE", 0)
    source, path = tmp_path / "a.cinr", tmp_path / "b.cinr"
    small = cryoinr.DensityMap(small_map.data[:12, :10, :11].copy(), (2.0,) * 3, name="flip")
    settings = dataclasses.replace(quick, max_error=0.2)
    cryoinr.compress(small, source, settings)
    expected = cryoinr.open_archive(source)[0].read()
    data = source.read_bytes()
    outcomes = {"same": 0, "NotACinrFile": 0, "DamagedArchive": 0}
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= (0x01, 0x80, 0xFF)[position % 3]
        path.write_bytes(flipped)
        try:
            voxels = cryoinr.drain(cryoinr.open_archive(path)[0].verify_steps())
        except (NotACinrFile, DamagedArchive) as error:
            outcomes[type(error).__name__] += 1
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(voxels, expected)
            outcomes["same"] += 1
    assert outcomes["DamagedArchive"] > 0.95 * len(data)
    assert outcomes["NotACinrFile"] >= len(hdf5.SIGNATURE)


def test_cutting_the_file_anywhere_is_noticed(archive_path: Path, tmp_path: Path) -> None:
    data = archive_path.read_bytes()
    path = tmp_path / "cut.cinr"
    for length in range(0, len(data) - 1, 97):
        path.write_bytes(data[:length])
        with pytest.raises((NotACinrFile, DamagedArchive)):
            cryoinr.drain(cryoinr.open_archive(path)[0].verify_steps())
