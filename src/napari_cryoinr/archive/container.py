"""The container: one HDF5 file with nothing but the bytes of the archive.

Small archives are an attribute `cinr` of the root group, which costs 92 bytes of HDF5; the others
are a dataset `cinr`. Both hold a prefix with the format version, the packed header and the streams.
HDF5 protects its metadata and attributes with checksums of its own; everything inside carries ours.
"""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import h5py

from ..errors import CinrError, DamagedArchive, NotACinrFile
from ..support import records
from ..support.atomic_files import replacing
from ..support.checksums import stream_checksum
from . import hdf5
from .format2 import header_examples
from .header import ArchiveHeader, StreamEntry
from .packing import pack, unpack

FORMAT_VERSION = 2
_MAGIC = b"CINR"
# Of the dataset: magic, version, reserved, stored and (version 1) inflated header length, checksum.
_PREFIX = struct.Struct("<4sHHII8s")
# Of the attribute: version, checksum of all that follows, header length.
_SMALL_PREFIX = struct.Struct("<B4sH")
_CHECKED = 5  # where the checksummed bytes begin
_SMALL_FILE = 1 << 17
_MAX_HEADER = 1 << 24
_MAX_INFLATED = 1 << 26  # of version 1


@contextlib.contextmanager
def damaged(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while decoding bytes into `DamagedArchive`."""
    try:
        yield
    except CinrError:
        raise
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        line = (str(error) or type(error).__name__).split("\n")[0]
        raise DamagedArchive(f"{what} is damaged ({line})") from error


def entry(name: str, data: bytes) -> StreamEntry:
    """The header's entry of a stream."""
    return StreamEntry(name, len(data), stream_checksum(data))


class MemoryStreams:
    """Streams of an archive that is being made."""

    def __init__(self, streams: dict[str, bytes]) -> None:
        self._streams = streams

    def __contains__(self, name: str) -> bool:
        return name in self._streams

    def get(self, name: str) -> bytes:
        return self._streams[name]

    def part(self, name: str, start: int, length: int) -> bytes:
        return self._streams[name][start : start + length]


@dataclass(frozen=True)
class FileStreams:
    """Streams of a file, each at its place; the file is open only while it is read."""

    path: Path
    places: dict[str, tuple[int, StreamEntry]]

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def get(self, name: str) -> bytes:
        """A whole stream.

        Raises
        ------
        DamagedArchive
            if there is no such stream, or its checksum is wrong.
        """
        start, stream = self._place(name)
        data = self._read(name, start, stream.length)
        if stream_checksum(data) != stream.checksum:
            raise DamagedArchive(f"{self.path}: the stream {name!r} is damaged (checksum)")
        return data

    def part(self, name: str, start: int, length: int) -> bytes:
        """Some bytes of a stream, whose checksum is not looked at."""
        first, stream = self._place(name)
        if start < 0 or length < 0 or start + length > stream.length:
            raise DamagedArchive(f"{self.path}: the stream {name!r} is shorter than its index")
        return self._read(name, first + start, length)

    def _place(self, name: str) -> tuple[int, StreamEntry]:
        if name not in self.places:
            raise DamagedArchive(f"{self.path}: the stream {name!r} is missing")
        return self.places[name]

    def _read(self, name: str, start: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(length)
        if len(data) != length:
            raise DamagedArchive(f"{self.path}: the file ends inside the stream {name!r}")
        return data


def write(path: Path, header: ArchiveHeader, streams: Sequence[bytes]) -> None:
    """Write an archive beside its target and rename it; streams in the header's order."""
    records.check(header, DamagedArchive)
    tree = records.to_dict(header)
    small = _small_payload(tree, streams)
    with replacing(path) as temporary:
        if small is not None:
            temporary.write_bytes(hdf5.attribute_file(small))
        else:
            packed = pack(tree, header_examples)
            checksum = blake2b(packed, digest_size=8).digest()
            prefix = _PREFIX.pack(_MAGIC, FORMAT_VERSION, 0, len(packed), 0, checksum)
            hdf5.write_dataset(temporary, [prefix, packed, *streams])


def size_of(header: ArchiveHeader, streams: Sequence[bytes]) -> int:
    """Bytes of the file that `write` would write."""
    tree = records.to_dict(header)
    small = _small_payload(tree, streams)
    if small is not None:
        return len(hdf5.attribute_file(small))
    packed = len(pack(tree, header_examples))
    return hdf5.DATASET_BYTES + _PREFIX.size + packed + sum(map(len, streams))


def _small_payload(tree: dict[str, Any], streams: Sequence[bytes]) -> bytes | None:
    """The bytes of the attribute; None if they are too many.

    One checksum of everything stands for those of the streams, which readers compute anew.
    """
    if sum(map(len, streams)) > hdf5.MAX_ATTRIBUTE:
        return None
    packed = pack(_without_checksums(tree), header_examples)
    if _SMALL_PREFIX.size + len(packed) + sum(map(len, streams)) > hdf5.MAX_ATTRIBUTE:
        return None
    data = b"".join([packed, *streams])
    length = len(packed).to_bytes(2, "little")
    return _SMALL_PREFIX.pack(FORMAT_VERSION, _small_checksum(length + data), len(packed)) + data


def _small_checksum(data: bytes) -> bytes:
    return blake2b(data, digest_size=4).digest()  # 4 more bytes are HDF5's own


def _without_checksums(tree: dict[str, Any]) -> dict[str, Any]:
    def bare(part: dict[str, Any]) -> dict[str, Any]:
        entries = [{k: v for k, v in one.items() if k != "checksum"} for one in part["streams"]]
        return {**part, "streams": entries}

    return {**tree, "model": bare(tree["model"]), "members": [bare(m) for m in tree["members"]]}


def _with_checksums(tree: Any, streams: bytes) -> Any:
    """The inverse of `_without_checksums`."""
    start = 0
    for part in (tree["model"], *tree["members"]):
        for one in part["streams"]:
            if one["length"] < 0:
                raise ValueError("the length of a stream is negative")
            end = start + one["length"]
            one["checksum"] = stream_checksum(streams[start:end])
            start = end
    return tree


def looks_like_cinr(path: Path) -> bool:
    """Whether the first bytes are those of the container; opens nothing else."""
    try:
        with path.open("rb") as file:
            return file.read(len(hdf5.SIGNATURE)) == hdf5.SIGNATURE
    except OSError:
        return False


def read_header(path: Path) -> tuple[ArchiveHeader, int]:
    """The header, and where in the file the streams begin.

    Raises
    ------
    NotACinrFile
        if the file is something else, or of a newer version.
    DamagedArchive
        if it is a `.cinr` whose container or header is damaged.
    """
    if not path.is_file():
        raise NotACinrFile(f"{path}: no such file")
    if not looks_like_cinr(path):
        raise NotACinrFile(f"{path}: not a .cinr file (it does not begin like HDF5)")
    with damaged(f"{path}: the HDF5 container"), h5py.File(path, "r", locking=False) as file:
        small = hdf5.read_attribute(path, file)
        place = None if small is not None else hdf5.dataset_place(path, file)
    if small is not None:
        tree, start, room = _read_small(path, small)
    else:
        assert place is not None
        tree, start, room = _read_large(path, *place)
    with damaged(f"{path}: the header"):
        header = records.from_dict(ArchiveHeader, tree, DamagedArchive)
    if sum(stream.length for stream in header.entries()) != room:
        raise DamagedArchive(f"{path}: the streams do not fill the file as the header says")
    return header, start


def _read_small(path: Path, payload: bytes) -> tuple[Any, int, int]:
    """(header as JSON data, where the streams begin, their bytes) of an attribute."""
    _check_version(path, payload[0], FORMAT_VERSION)
    if len(payload) < _SMALL_PREFIX.size:
        raise DamagedArchive(f"{path}: the header is cut off")
    _, checksum, packed_length = _SMALL_PREFIX.unpack_from(payload)
    # HDF5 does not say where an attribute lies, but so small a file is soon searched; bytes that
    # are not found as they are came through a filter or from elsewhere.
    with path.open("rb") as file:
        place = file.read(_SMALL_FILE).find(payload)
    if place < 0:
        raise DamagedArchive(f"{path}: the attribute is not plain bytes")
    start = _SMALL_PREFIX.size + packed_length
    if start > len(payload):
        raise DamagedArchive(f"{path}: a header of {packed_length} bytes does not fit the file")
    if _small_checksum(payload[_CHECKED:]) != checksum:
        raise DamagedArchive(f"{path}: the archive is damaged (checksum)")
    with damaged(f"{path}: the header"):
        tree = unpack(payload[_SMALL_PREFIX.size : start], header_examples)
        return _with_checksums(tree, payload[start:]), place + start, len(payload) - start


def _read_large(path: Path, start: int, size: int) -> tuple[Any, int, int]:
    """(header as JSON data, where the streams begin, their bytes) of a dataset."""
    with path.open("rb") as file:
        file.seek(start)
        prefix = file.read(min(_PREFIX.size, size))
        if prefix[:4] != _MAGIC:
            raise NotACinrFile(f"{path}: an HDF5 file, but not a .cinr")
        if len(prefix) < _PREFIX.size:
            raise DamagedArchive(f"{path}: the header is cut off")
        _, version, _, packed_length, length, checksum = _PREFIX.unpack(prefix)
        _check_version(path, version, 1)
        room = size - _PREFIX.size - packed_length
        if room < 0 or packed_length > _MAX_HEADER or length > _MAX_INFLATED:
            raise DamagedArchive(f"{path}: a header of {packed_length} bytes does not fit the file")
        packed = file.read(packed_length)
    if blake2b(packed, digest_size=8).digest() != checksum:
        raise DamagedArchive(f"{path}: the header is damaged (checksum)")
    with damaged(f"{path}: the header"):
        tree = _inflated(packed, length) if version == 1 else unpack(packed, header_examples)
    return tree, start + _PREFIX.size + packed_length, room


def _inflated(packed: bytes, length: int) -> Any:
    """The header of format version 1: deflated JSON."""
    text = zlib.decompressobj().decompress(packed, length + 1)
    if len(text) != length:
        raise ValueError("its length is wrong")
    return json.loads(text)


def _check_version(path: Path, version: int, oldest: int) -> None:
    if version > FORMAT_VERSION:
        raise NotACinrFile(
            f"{path}: format version {version}; this version of napari-cryoinr reads up to"
            f" {FORMAT_VERSION}: update napari-cryoinr"
        )
    if version < oldest:
        raise DamagedArchive(f"{path}: format version {version} does not exist in such a file")
