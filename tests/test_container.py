"""The container of format version 2: an attribute for small archives, a dataset for others."""

from __future__ import annotations

import dataclasses
from hashlib import blake2b
from pathlib import Path

import h5py
import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import DamagedArchive, NotACinrFile
from napari_cryoinr.archive import container, hdf5
from napari_cryoinr.archive.header import ArchiveHeader


def with_stream(header: ArchiveHeader, data: bytes) -> ArchiveHeader:
    """The header, with `data` as its only stream."""
    model = dataclasses.replace(header.model, streams=(container.entry("network", data),))
    member = dataclasses.replace(header.members[0], streams=())
    return dataclasses.replace(header, model=model, members=(member,))


def written(path: Path, header: ArchiveHeader, data: bytes) -> container.FileStreams:
    """The streams of an archive that was written and opened again."""
    header = with_stream(header, data)
    container.write(path, header, [data])
    again, start = container.read_header(path)
    assert again == header
    return container.FileStreams(path, {"network": (start, again.model.streams[0])})


@pytest.fixture
def header(archive_path: Path) -> ArchiveHeader:
    return container.read_header(archive_path)[0]


@pytest.mark.parametrize("size", [0, 1, 1000, 59_000, 59_950, 60_000, 100_000])
def test_both_kinds_give_back_header_and_streams(
    tmp_path: Path, header: ArchiveHeader, size: int
) -> None:
    data = np.random.default_rng(size).bytes(size)
    streams = written(tmp_path / "a.cinr", header, data)
    assert streams.get("network") == data
    assert streams.part("network", size // 3, size // 2) == data[size // 3 :][: size // 2]
    with h5py.File(tmp_path / "a.cinr") as file:
        small = "cinr" in file.attrs
        assert small == (size <= 59_000 or (size < 60_000 and "cinr" not in file))
        assert list(file) == ([] if small else ["cinr"])
        stored = file.attrs["cinr"].tobytes() if small else file["cinr"][:].tobytes()
    assert stored.endswith(data)
    overhead = (tmp_path / "a.cinr").stat().st_size - len(stored)
    assert overhead <= (92 if small else 512)


def test_equal_archives_are_equal_files(tmp_path: Path, header: ArchiveHeader) -> None:
    for name in "ab":
        written(tmp_path / name, header, b"data")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_damaged_stream_of_a_dataset_is_found_when_it_is_read(
    tmp_path: Path, header: ArchiveHeader
) -> None:
    data = bytes(70_000)
    streams = written(tmp_path / "a.cinr", header, data)
    start, _ = streams.places["network"]
    with (tmp_path / "a.cinr").open("r+b") as file:
        file.seek(start + 50)
        file.write(b"x")
    container.read_header(tmp_path / "a.cinr")
    with pytest.raises(DamagedArchive, match="checksum"):
        streams.get("network")


def payload(body: bytes, version: int = 2, length: int = 0) -> bytes:
    checked = length.to_bytes(2, "little") + body
    return bytes([version]) + blake2b(checked, digest_size=4).digest() + checked


LONG = np.void(bytes(1 << 17))


def write_attribute(path: Path, data: bytes) -> None:
    path.write_bytes(hdf5.attribute_file(data))


@pytest.mark.parametrize("data", [payload(b"", version=3), b"\x09", b"\xff" * 40])
def test_newer_versions_ask_for_an_update(tmp_path: Path, data: bytes) -> None:
    write_attribute(tmp_path / "a.cinr", data)
    with pytest.raises(NotACinrFile, match="update napari-cryoinr"):
        cryoinr.open_archive(tmp_path / "a.cinr")


@pytest.mark.parametrize(
    "data",
    [
        b"\x02",
        payload(b"x", version=1),
        payload(b"x", length=2),
        payload(b"x", length=1),
        payload(bytes(100), length=100),
        payload(b"\xff" * 100, length=100),
        payload(b"x")[:-1] + b"y",
    ],
    ids=["cut", "version", "longer", "short", "zeros", "ones", "checksum"],
)
def test_bad_attributes_are_damage(tmp_path: Path, data: bytes) -> None:
    write_attribute(tmp_path / "a.cinr", data)
    with pytest.raises(DamagedArchive):
        cryoinr.open_archive(tmp_path / "a.cinr")


def test_random_headers_with_a_right_checksum_are_damage(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 20, 100, 400) * 10:
        write_attribute(tmp_path / "a.cinr", payload(rng.bytes(size), length=size))
        with pytest.raises(DamagedArchive):
            cryoinr.open_archive(tmp_path / "a.cinr")


@pytest.mark.parametrize(
    "value",
    ["text", 1.5, np.arange(5), np.zeros((), "V3,V4"), h5py.Empty("V4"), np.zeros(2, "V9"), LONG],
    ids=["text", "number", "array", "table", "empty", "several", "long"],
)
def test_only_plain_attributes_are_read(tmp_path: Path, value: object) -> None:
    with h5py.File(tmp_path / "a.cinr", "w", libver="latest") as file:
        file.attrs["cinr"] = (
            np.void(bytes(1 << 17)) if isinstance(value, str) and value == "long" else value
        )
    with pytest.raises(DamagedArchive, match="plain"):
        cryoinr.open_archive(tmp_path / "a.cinr")
