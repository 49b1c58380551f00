"""The container: one HDF5 file with one dataset of bytes.

The dataset `cinr` holds a prefix (magic, version, header length and checksum), the header (deflated
JSON) and the streams. One contiguous dataset costs less than 500 bytes of HDF5, all of which HDF5
protects with checksums of its own; everything inside carries ours.
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
import numpy as np

from .. import records
from ..atomic import replacing
from ..checksums import stream_checksum
from ..errors import CinrError, DamagedArchive, NotACinrFile
from .header import ArchiveHeader, StreamEntry

FORMAT_VERSION = 1
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
DATASET = "cinr"
_MAGIC = b"CINR"
_PREFIX = struct.Struct(
    "<4sHHII8s"
)  # magic, version, reserved, stored and full header length, checksum
_MAX_HEADER = 1 << 26


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
        raise DamagedArchive(f"{what} cannot be decoded ({line})") from error


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
    text = json.dumps(records.to_dict(header), separators=(",", ":"), allow_nan=False).encode()
    packed = zlib.compress(text, 9)
    checksum = blake2b(packed, digest_size=8).digest()
    prefix = _PREFIX.pack(_MAGIC, FORMAT_VERSION, 0, len(packed), len(text), checksum)
    pieces = [prefix, packed, *streams]
    with (
        replacing(path) as temporary,
        # "latest" puts checksums on all metadata, and small blocks leave no gaps.
        h5py.File(temporary, "w", libver="latest", meta_block_size=64) as file,
    ):
        data = file.create_dataset(DATASET, (sum(map(len, pieces)),), "u1", track_times=False)
        start = 0
        for piece in pieces:
            if piece:
                data[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
                start += len(piece)


def looks_like_cinr(path: Path) -> bool:
    """Whether the first bytes are those of the container; opens nothing else."""
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
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
    start, size = _dataset_place(path)
    with path.open("rb") as file:
        file.seek(start)
        prefix = file.read(min(_PREFIX.size, size))
        if prefix[:4] != _MAGIC:
            raise NotACinrFile(f"{path}: an HDF5 file, but not a .cinr")
        if len(prefix) < _PREFIX.size:
            raise DamagedArchive(f"{path}: the header is cut off")
        _, version, _, packed_length, length, checksum = _PREFIX.unpack(prefix)
        room = size - _PREFIX.size
        if packed_length > min(room, _MAX_HEADER) or length > _MAX_HEADER:
            raise DamagedArchive(f"{path}: a header of {packed_length} bytes does not fit the file")
        packed = file.read(packed_length)
    if blake2b(packed, digest_size=8).digest() != checksum:
        raise DamagedArchive(f"{path}: the header is damaged (checksum)")
    if version > FORMAT_VERSION:
        raise NotACinrFile(
            f"{path}: format version {version}; this version of napari-cryoinr reads up to"
            f" {FORMAT_VERSION}: update napari-cryoinr"
        )
    with damaged(f"{path}: the header"):
        text = zlib.decompressobj().decompress(packed, length + 1)
        if len(text) != length:
            raise ValueError("its length is wrong")
        header = records.from_dict(ArchiveHeader, json.loads(text), DamagedArchive)
    if sum(stream.length for stream in header.entries()) != room - packed_length:
        raise DamagedArchive(f"{path}: the streams do not fill the file as the header says")
    return header, start + _PREFIX.size + packed_length


def _dataset_place(path: Path) -> tuple[int, int]:
    """Where in the file the dataset lies, and its bytes; nothing but a plain one is accepted."""
    with damaged(f"{path}: the HDF5 container"), h5py.File(path, "r", locking=False) as file:
        if file.get(DATASET, getlink=True) is None:
            raise NotACinrFile(f"{path}: an HDF5 file, but not a .cinr")
        # No link that leads elsewhere, no filter, no external or virtual storage is followed.
        if not isinstance(file.get(DATASET, getlink=True), h5py.HardLink):
            raise DamagedArchive(f"{path}: the dataset is a link")
        data: Any = file[DATASET]
        plain = isinstance(data, h5py.Dataset) and data.dtype == np.uint8 and data.ndim == 1
        if not plain or data.chunks or data.external or data.is_virtual:
            raise DamagedArchive(f"{path}: the dataset is not plain bytes")
        start, size = data.id.get_offset(), int(data.shape[0])
    if start is None or start + size > path.stat().st_size:
        raise DamagedArchive(f"{path}: the file is cut off")
    return int(start), size
