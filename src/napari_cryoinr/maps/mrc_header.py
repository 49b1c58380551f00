"""The 1024-byte MRC2014/CCP4 header, kept whole, with the few things that are read from it.

File order is (section, row, column); MAPC, MAPR and MAPS say which of x, y, z each one is.
Everything that this module gives is in the order of the arrays of this package: (z, y, x).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from ..errors import MapError

HEADER_BYTES = 1024
VOXEL_TYPES: dict[int, str] = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
INTEGER_MODES = (0, 1, 6)
MODE_NAMES = {0: "int8", 1: "int16", 2: "float32", 6: "uint16", 12: "float16"}
LABEL_BYTES = 80
LABELS = 10
ByteOrder = Literal["<", ">"]


@dataclass(frozen=True)
class MrcHeader:
    """Header of an MRC file as it was read.

    Attributes
    ----------
    raw : the 1024 bytes.
    extended : the extended header, byte for byte.
    byte_order : "<" or ">", as the file was really written, whatever its machine stamp says.
    """

    raw: bytes
    extended: bytes = b""
    byte_order: ByteOrder = "<"

    @cached_property
    def record(self) -> np.recarray[Any, Any]:
        """The header's fields by the names of the mrcfile package (a copy)."""
        dtype = HEADER_DTYPE.newbyteorder(self.byte_order)
        return np.rec.array(np.frombuffer(self.raw, dtype=dtype).copy())[0]

    @property
    def mode(self) -> int:
        return int(self.record.mode)

    @property
    def voxel_type(self) -> np.dtype[Any]:
        """dtype of the voxels in the file, in the file's byte order.

        Raises
        ------
        MapError
            for a mode that is no density map.
        """
        if self.mode not in VOXEL_TYPES:
            raise MapError(
                f"MRC mode {self.mode} is not a density map's: modes 0, 1, 2, 6 and 12 are read"
            )
        return np.dtype(self.byte_order + VOXEL_TYPES[self.mode])

    @property
    def file_shape(self) -> tuple[int, int, int]:
        """(sections, rows, columns)."""
        return int(self.record.nz), int(self.record.ny), int(self.record.nx)

    @property
    def axes_valid(self) -> bool:
        return sorted(self._axes) == [1, 2, 3]

    @property
    def _axes(self) -> tuple[int, int, int]:
        """Which of x (1), y (2), z (3) the sections, rows and columns are."""
        return int(self.record.maps), int(self.record.mapr), int(self.record.mapc)

    @property
    def to_zyx(self) -> tuple[int, int, int]:
        """Transposition that brings (section, row, column) to (z, y, x)."""
        axes = self._axes if self.axes_valid else (3, 2, 1)
        return axes.index(3), axes.index(2), axes.index(1)

    @property
    def from_zyx(self) -> tuple[int, int, int]:
        """Transposition that brings (z, y, x) to (section, row, column)."""
        order = np.argsort(self.to_zyx)
        return int(order[0]), int(order[1]), int(order[2])

    @property
    def cell_voxel_size(self) -> tuple[float, float, float]:
        """Cell lengths over sampling, Å, (z, y, x); NaN or 0 where the header holds nonsense."""
        cell, rec = self.record.cella, self.record
        with np.errstate(all="ignore"):
            sizes = [
                float(np.float32(length) / np.float32(count)) if count else float("nan")
                for length, count in ((cell.z, rec.mz), (cell.y, rec.my), (cell.x, rec.mx))
            ]
        return sizes[0], sizes[1], sizes[2]

    @property
    def nstart(self) -> tuple[int, int, int]:
        """Grid index of the first voxel, (z, y, x)."""
        rec = self.record
        by_file = (int(rec.nzstart), int(rec.nystart), int(rec.nxstart))
        z, y, x = self.to_zyx
        return by_file[z], by_file[y], by_file[x]

    def origin(self, voxel_size: tuple[float, float, float]) -> tuple[float, float, float]:
        """Position of the first voxel, Å, (z, y, x).

        ORIGIN where it is set, else the start indices times the voxel size: how ChimeraX
        places a map too.
        """
        field = self.record.origin
        origin = (float(field.z), float(field.y), float(field.x))
        if any(origin) and all(np.isfinite(origin)):
            return origin
        z, y, x = (n * size for n, size in zip(self.nstart, voxel_size, strict=True))
        return z, y, x

    @property
    def labels(self) -> list[bytes]:
        """The labels in use, as they stand."""
        count = min(max(int(self.record.nlabl), 0), LABELS)
        return [bytes(self.record.label[i]) for i in range(count)]

    @property
    def density_range(self) -> tuple[float, float] | None:
        """(dmin, dmax) where the header states a usable one."""
        low, high = float(self.record.dmin), float(self.record.dmax)
        return (low, high) if np.isfinite([low, high]).all() and low < high else None

    def changed(self, **fields: Any) -> MrcHeader:
        """A copy with some fields set; `cella` and `origin` take (x, y, z)."""
        record = np.frombuffer(self.raw, dtype=self.record.dtype).copy()
        for name, value in fields.items():
            if name in ("cella", "origin"):
                for axis, number in zip("xyz", value, strict=True):
                    record[name][axis] = number
            else:
                record[name] = value
        return replace(self, raw=record.tobytes())


def new_header(
    shape: tuple[int, ...],
    voxel_size: tuple[float, float, float],
    origin: tuple[float, float, float],
    mode: int = 2,
) -> MrcHeader:
    """A header for a map that has none; shape, voxel size and origin (Å) are (z, y, x)."""
    blank = MrcHeader(bytes(HEADER_BYTES))
    nz, ny, nx = shape
    z, y, x = (n * size for n, size in zip(shape, voxel_size, strict=True))
    return blank.changed(
        nx=nx,
        ny=ny,
        nz=nz,
        mx=nx,
        my=ny,
        mz=nz,
        mode=mode,
        mapc=1,
        mapr=2,
        maps=3,
        ispg=1,
        cella=(x, y, z),
        cellb=(90.0, 90.0, 90.0),
        origin=origin[::-1],
        map=b"MAP ",
        machst=[0x44, 0x44, 0, 0],
        nversion=20141,
    )
