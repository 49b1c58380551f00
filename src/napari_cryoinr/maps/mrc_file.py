"""The bytes of an MRC file: header and voxels, in either byte order, plain or compressed.

Maps and micrographs are both read here; each gives what it refuses and the error it raises.

Voxels are read by ordinary file reads, never through a memory map: where a mapped file is cut
short meanwhile, as by a program that writes it again, the system kills the process.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CinrError, MapError, one_line
from ..support.array_types import Float32Array
from ..support.memory import default_memory_limit
from ..support.regions import as_box
from .density_map import slabs
from .mrc_header import HEADER_BYTES, UNSIGNED_BYTES, ByteOrder, MrcHeader
from .voxel_source import VoxelSource

_BROKEN_STREAM = (EOFError, OSError, zlib.error, lzma.LZMAError)
_MAX_EXTENDED = 1 << 26  # bytes; real files have a few million at most
_MAP_STRING, _MACHINE_STAMP = slice(208, 212), slice(212, 216)
_STAMPS: dict[bytes, ByteOrder] = {b"\x44\x44": "<", b"\x44\x41": "<", b"\x11\x11": ">"}


@dataclass(frozen=True, eq=False)
class MrcFile:
    """An MRC file whose header was read."""

    path: Path
    opener: Callable[..., Any]  # opens it as plain bytes
    header: MrcHeader  # with the true byte order
    complaints: list[str]  # what is wrong in it but does not prevent reading, a line each
    error: type[CinrError]  # class of the errors raised while voxels are read

    @property
    def is_compressed(self) -> bool:
        """Whether the file is compressed as a whole."""
        return self.opener is not open

    @property
    def start(self) -> int:
        """Bytes before the first voxel."""
        return HEADER_BYTES + len(self.header.extended)

    def voxels(self, memory_limit: int | None = None) -> Float32Array:
        """Read all voxels in file order (section, row, column), as float32.

        Raises
        ------
        CinrError
            Of the class `error`, if they need more than `memory_limit` bytes (by default half of
            the machine's memory), or the file is truncated or damaged.
        """
        shape, dtype = self.header.file_shape, self.header.voxel_type
        needed = 4 * int(np.prod(shape, dtype=object))
        if not self.is_compressed:
            self.check_size(self.path.stat().st_size)
        limit = default_memory_limit() if memory_limit is None else memory_limit
        if needed > limit:
            raise self.error(
                f"{self.path}: its voxels need {needed:,} bytes of memory and the limit is"
                f" {limit:,}; raise memory_limit if there is more"
            )
        out = np.empty(shape, np.float32)  # takes memory as it is filled
        size = self.start
        try:
            with self.opener(self.path, "rb") as file:
                file.seek(size)
                for part in slabs(shape):
                    data = file.read(out[part].size * dtype.itemsize)
                    size += len(data)
                    if len(data) < out[part].size * dtype.itemsize:
                        break
                    out[part] = np.frombuffer(data, dtype).reshape(out[part].shape)
                size += len(file.read(1))
        except _BROKEN_STREAM as broken:
            raise self.error(f"{self.path}: cannot be read ({one_line(broken)})") from broken
        self.check_size(size)
        return out

    def check_size(self, size: int) -> None:
        """Raise if so many bytes are too few, complain if they are too many."""
        header = self.header
        voxels = int(np.prod(header.file_shape, dtype=object))
        expected = self.start + voxels * header.voxel_type.itemsize
        if size < expected:
            raise self.error(
                f"{self.path}: truncated: {size} bytes where the header promises {expected}"
            )
        behind = "there are bytes behind the last voxel, which are ignored"
        if size > expected and behind not in self.complaints:
            self.complaints.append(behind)


class LazyVoxels(VoxelSource):
    """Voxels of an uncompressed MRC file.

    Each read opens the file anew, so that several threads may read at a time.

    Raises
    ------
    MapError
        On reading, if the file is not what it was when this object was made.
    """

    def __init__(self, file: MrcFile) -> None:
        self._file = file
        self._identity = _identity(os.stat(file.path))
        shape = file.header.file_shape
        z, y, x = (shape[axis] for axis in file.header.to_zyx)
        super().__init__((z, y, x))

    def __getitem__(self, index: Any) -> Float32Array:
        header, dtype = self._file.header, self._file.header.voxel_type
        box, rest = as_box(index, self.shape)
        sections, rows, columns = (box[axis] for axis in header.from_zyx)
        _, all_rows, all_columns = header.file_shape
        out = np.empty([part.stop - part.start for part in (sections, rows, columns)], np.float32)
        count = out.shape[1] * all_columns
        with self._file.path.open("rb") as file:
            if _identity(os.fstat(file.fileno())) != self._identity:
                raise self._changed()
            for number in range(len(out)):
                first = ((sections.start + number) * all_rows + rows.start) * all_columns
                file.seek(self._file.start + first * dtype.itemsize)
                plane = np.fromfile(file, dtype, count)
                if plane.size < count:
                    raise self._changed()
                out[number] = plane.reshape(-1, all_columns)[:, columns]
        return out.transpose(header.to_zyx)[rest]

    def _changed(self) -> MapError:
        return MapError(f"{self._file.path}: was changed since it was opened; open it again")


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def open_mrc(
    path: Path, refuse: Callable[[Path, MrcHeader], None], error: type[CinrError]
) -> MrcFile:
    """Read the header of an MRC file.

    Parameters
    ----------
    path : the file; compression by gzip or bzip2 is recognised by its content.
    refuse : raises for headers of another kind and for unknown modes; called before anything else
        in the header is used.
    error : class of the errors raised here.

    Raises
    ------
    CinrError
        Of the class `error`, if the file is missing, empty, damaged or no MRC file.
    """
    if not path.is_file():
        raise error(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise error(f"{path}: the file is empty")
    complaints: list[str] = []
    try:
        opener = _opener(path)
        with opener(path, "rb") as file:
            raw = file.read(HEADER_BYTES)
            if len(raw) < HEADER_BYTES:
                raise error(
                    f"{path}: {len(raw)} bytes are too few for an MRC header of {HEADER_BYTES}"
                )
            header = MrcHeader(raw, b"", _byte_order(raw, complaints))
            refuse(path, header)  # before what is no header makes us read any further
            size = int(header.record.nsymbt)
            if not 0 <= size <= _MAX_EXTENDED:
                raise error(f"{path}: an extended header of {size} bytes is impossible")
            extended = file.read(size)
            if len(extended) < size:
                raise error(f"{path}: the file ends inside its extended header of {size} bytes")
    except _BROKEN_STREAM as broken:
        raise error(f"{path}: not a readable MRC file ({one_line(broken)})") from broken
    _check_sign_of_bytes(header, complaints)
    return MrcFile(path, opener, replace(header, extended=extended), complaints, error)


def _opener(path: Path) -> Callable[..., Any]:
    """Return what opens the file as plain bytes, by its first bytes rather than its name."""
    with path.open("rb") as file:
        magic = file.read(3)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open
    return bz2.open if magic == b"BZh" else open


def _byte_order(raw: bytes, complaints: list[str]) -> ByteOrder:
    """Return what the machine stamp says, unless only the other order makes sense (old files)."""
    if raw[_MAP_STRING][:3] != b"MAP":
        complaints.append("the map string is missing; perhaps this is no MRC file")
    stamp = raw[_MACHINE_STAMP]
    stated = _STAMPS.get(stamp[:2])
    if stated is None:
        complaints.append(f"the machine stamp {stamp.hex(' ')} is unknown")
    order: ByteOrder = stated or "<"
    other: ByteOrder = ">" if order == "<" else "<"
    if _sensible(MrcHeader(raw, b"", other)) and not _sensible(MrcHeader(raw, b"", order)):
        if stated is not None:
            complaints.append(f"the machine stamp {stamp.hex(' ')} contradicts the byte order")
        return other
    return order


def _sensible(header: MrcHeader) -> bool:
    """Whether mode and shape are possible: a length below 2^16 is above in the other order."""
    return header.has_known_mode and all(0 < n < 1 << 16 for n in header.file_shape)


def _check_sign_of_bytes(header: MrcHeader, complaints: list[str]) -> None:
    """Complain where DMIN and DMAX contradict the sign of the bytes."""
    low, high = float(header.record.dmin), float(header.record.dmax)
    if header.mode == 0 and 127 < high < 256 and low >= 0:
        complaints.append(
            f"DMAX is {high:g} but bytes are read with a sign, -128 to 127: perhaps they have none"
        )
    elif header.mode == UNSIGNED_BYTES and -129 < low < 0 and low <= high < 128:
        complaints.append(
            f"DMIN is {low:g} but bytes are read without a sign, 0 to 255, as a flag of IMOD says"
        )
