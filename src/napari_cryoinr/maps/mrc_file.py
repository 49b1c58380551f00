"""The bytes of an MRC file: header and voxels, in either byte order, plain or compressed.

Maps and micrographs are read through here; what they accept and which error they raise is theirs.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..errors import CinrError
from .mrc_header import HEADER_BYTES, VOXEL_TYPES, ByteOrder, MrcHeader

COMPRESSED = (".gz", ".bz2")
_BROKEN_STREAM = (EOFError, OSError, zlib.error, lzma.LZMAError)
_MAP_STRING, _MACHINE_STAMP = slice(208, 212), slice(212, 216)
_STAMPS: dict[bytes, ByteOrder] = {b"\x44\x44": "<", b"\x44\x41": "<", b"\x11\x11": ">"}


@dataclass(frozen=True, eq=False)
class MrcContent:
    """What an MRC file holds.

    Attributes
    ----------
    header : the header, with its true byte order.
    voxels : in file order (section, row, column), of the file's type; memory-mapped if it can be.
    complaints : what is wrong in the header and was forgiven, a line each.
    """

    header: MrcHeader
    voxels: npt.NDArray[Any]
    complaints: tuple[str, ...]


def read(
    path: Path, refuse: Callable[[Path, MrcHeader], None], error: type[CinrError]
) -> MrcContent:
    """Read an MRC file.

    Parameters
    ----------
    path : the file; compression by gzip or bzip2 is seen by its content.
    refuse : raises for a header that is not of the kind that is wanted, and for unknown modes; it
        is called before anything that the header states is relied upon.
    error : the class of what is raised here.

    Raises
    ------
    CinrError
        of the class `error`, if the file is missing, empty, truncated, damaged or no MRC file.
    """
    if not path.is_file():
        raise error(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise error(f"{path}: the file is empty")
    opener = _opener(path)
    complaints: list[str] = []
    header = _read_header(path, opener, complaints, refuse, error)
    voxels = _voxels(path, opener, header, complaints, error)
    return MrcContent(header, voxels, tuple(complaints))


def _opener(path: Path) -> Any:
    """What opens the file as plain bytes, by its first bytes rather than its name."""
    with path.open("rb") as file:
        magic = file.read(3)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open
    if magic == b"BZh":
        return bz2.open
    return open


def _read_header(
    path: Path,
    opener: Any,
    complaints: list[str],
    refuse: Callable[[Path, MrcHeader], None],
    error: type[CinrError],
) -> MrcHeader:
    try:
        with opener(path, "rb") as file:
            raw = file.read(HEADER_BYTES)
            if len(raw) < HEADER_BYTES:
                raise error(
                    f"{path}: {len(raw)} bytes are too few for an MRC header of {HEADER_BYTES}"
                )
            header = MrcHeader(raw, b"", _byte_order(raw, complaints))
            refuse(path, header)  # before what is no header makes us read any further
            size = int(header.record.nsymbt)
            if size < 0:
                raise error(f"{path}: an extended header of {size} bytes is impossible")
            extended = bytes(_read_at_most(file, size))
            if len(extended) < size:
                raise error(f"{path}: the file ends inside its extended header of {size} bytes")
    except _BROKEN_STREAM as broken:
        raise error(f"{path}: not a readable MRC file ({_line(broken)})") from broken
    return replace(header, extended=extended)


def _byte_order(raw: bytes, complaints: list[str]) -> ByteOrder:
    """ "<" or ">": what the machine stamp says, unless only the other one makes sense.

    Files of old programs have no stamp, or that of another machine.
    """
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
    """Whether mode and shape can be: a length below 2^16 is above it in the other byte order."""
    return header.mode in VOXEL_TYPES and all(0 < n < 1 << 16 for n in header.file_shape)


def _voxels(
    path: Path, opener: Any, header: MrcHeader, complaints: list[str], error: type[CinrError]
) -> npt.NDArray[Any]:
    """The voxels in file order (section, row, column)."""
    shape, dtype = header.file_shape, header.voxel_type
    start = HEADER_BYTES + len(header.extended)
    count = int(np.prod(shape, dtype=object))
    expected = start + count * dtype.itemsize
    if opener is open:
        size = path.stat().st_size
        _check_size(path, size, expected, complaints, error)
        return np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape)
    try:
        with opener(path, "rb") as file:
            file.seek(start)
            # In pieces: a damaged header must not make us allocate what the file cannot hold.
            data = _read_at_most(file, count * dtype.itemsize)
            more = len(file.read(1))
    except _BROKEN_STREAM as broken:
        raise error(f"{path}: the compressed file is damaged ({_line(broken)})") from broken
    _check_size(path, start + len(data) + more, expected, complaints, error)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _read_at_most(file: BinaryIO, count: int) -> bytearray:
    data = bytearray()
    while len(data) < count:
        piece = file.read(min(1 << 24, count - len(data)))
        if not piece:
            break
        data += piece
    return data


def _check_size(
    path: Path, size: int, expected: int, complaints: list[str], error: type[CinrError]
) -> None:
    if size < expected:
        raise error(f"{path}: truncated: {size} bytes where the header promises {expected}")
    if size > expected:
        complaints.append("there are bytes behind the last voxel, which are ignored")


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0]
