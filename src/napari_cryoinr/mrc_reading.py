"""Reading MRC/CCP4 files: what is checked, what is forgiven, what is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from .errors import MapError, MapWarning
from .maps import DensityMap
from .mrc_header import HEADER_BYTES, VOXEL_TYPES, ByteOrder, MrcHeader

_BROKEN_STREAM = (EOFError, OSError, zlib.error, lzma.LZMAError)
_MAP_STRING, _MACHINE_STAMP = slice(208, 212), slice(212, 216)
_STAMPS: dict[bytes, ByteOrder] = {b"\x44\x44": "<", b"\x44\x41": "<", b"\x11\x11": ">"}


def read(path: Path, strict: bool) -> DensityMap:
    """See `napari_cryoinr.read_map`."""
    if not path.is_file():
        raise MapError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise MapError(f"{path}: the file is empty")
    opener = _opener(path)
    complaints: list[str] = []
    header = _read_header(path, opener, complaints)
    voxels = _voxels(path, opener, header, complaints)

    voxel_size = header.cell_voxel_size
    if not all(np.isfinite(s) and s > 0 for s in voxel_size):
        complaints.append("the header states no voxel size; 1 Å is assumed")
        voxel_size = (1.0, 1.0, 1.0)
    if not header.axes_valid:
        complaints.append("MAPC, MAPR and MAPS name no axes; columns, rows, sections are x, y, z")
    for text in complaints:
        if strict:
            raise MapError(f"{path}: {text} (refused by strict reading)")
        warnings.warn(f"{path.name}: {text}", MapWarning, stacklevel=4)
    data = voxels.transpose(header.to_zyx)
    return DensityMap(data, voxel_size, header.origin(voxel_size), header, _stem(path))


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".gz", ".bz2"):
        name = name.removesuffix(suffix)
    return Path(name).stem


def _opener(path: Path) -> Any:
    """What opens the file as plain bytes, by its first bytes rather than its name."""
    with path.open("rb") as file:
        magic = file.read(3)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open
    if magic == b"BZh":
        return bz2.open
    return open


def _read_header(path: Path, opener: Any, complaints: list[str]) -> MrcHeader:
    try:
        with opener(path, "rb") as file:
            raw = file.read(HEADER_BYTES)
            if len(raw) < HEADER_BYTES:
                raise MapError(
                    f"{path}: {len(raw)} bytes are too few for an MRC header of {HEADER_BYTES}"
                )
            header = MrcHeader(raw, b"", _byte_order(raw, complaints))
            _refuse_images(path, header)  # before what is no header makes us read any further
            size = int(header.record.nsymbt)
            if size < 0:
                raise MapError(f"{path}: an extended header of {size} bytes is impossible")
            extended = bytes(_read_at_most(file, size))
            if len(extended) < size:
                raise MapError(f"{path}: the file ends inside its extended header of {size} bytes")
    except _BROKEN_STREAM as error:
        raise MapError(f"{path}: not a readable MRC file ({_line(error)})") from error
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


def _refuse_images(path: Path, header: MrcHeader) -> None:
    nz, ny, nx = header.file_shape
    if min(nz, ny, nx) < 1:
        raise MapError(f"{path}: the shape {nz} × {ny} × {nx} is impossible; not an MRC file?")
    try:
        _ = header.voxel_type
    except MapError as error:
        raise MapError(f"{path}: {error}") from None
    ispg, mz = int(header.record.ispg), int(header.record.mz)
    if nz == 1:
        raise MapError(f"{path}: holds one 2-D image of {ny} × {nx}; a density map is 3-D")
    if ispg == 0 and mz == 1:
        raise MapError(
            f"{path}: holds a stack of {nz} 2-D images (space group 0, MZ = 1), not a density map"
        )
    if 401 <= ispg <= 630:
        raise MapError(
            f"{path}: holds a stack of volumes (space group {ispg}); extract one volume first"
        )


def _voxels(path: Path, opener: Any, header: MrcHeader, complaints: list[str]) -> npt.NDArray[Any]:
    """The voxels in file order (section, row, column)."""
    shape, dtype = header.file_shape, header.voxel_type
    start = HEADER_BYTES + len(header.extended)
    count = int(np.prod(shape, dtype=object))
    expected = start + count * dtype.itemsize
    if opener is open:
        size = path.stat().st_size
        _check_size(path, size, expected, complaints)
        return np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape)
    try:
        with opener(path, "rb") as file:
            file.seek(start)
            # In pieces: a damaged header must not make us allocate what the file cannot hold.
            data = _read_at_most(file, count * dtype.itemsize)
            more = len(file.read(1))
    except _BROKEN_STREAM as error:
        raise MapError(f"{path}: the compressed file is damaged ({_line(error)})") from error
    _check_size(path, start + len(data) + more, expected, complaints)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _read_at_most(file: BinaryIO, count: int) -> bytearray:
    data = bytearray()
    while len(data) < count:
        piece = file.read(min(1 << 24, count - len(data)))
        if not piece:
            break
        data += piece
    return data


def _check_size(path: Path, size: int, expected: int, complaints: list[str]) -> None:
    if size < expected:
        raise MapError(f"{path}: truncated: {size} bytes where the header promises {expected}")
    if size > expected:
        complaints.append("there are bytes behind the last voxel, which are ignored")


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0]
