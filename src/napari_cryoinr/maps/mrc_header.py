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
from ..support.array_types import Int32Array, Triple

HEADER_BYTES = 1024
MRC_MODES = (0, 1, 2, 6, 12)
# IMOD writes unsigned bytes into mode 0, and says so in two words that the standard leaves free.
# No mode of MRC has this number: it stands for such files in this package.
UNSIGNED_BYTES = 8
VOXEL_TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("i1"),
    1: np.dtype("i2"),
    2: np.dtype("f4"),
    6: np.dtype("u2"),
    UNSIGNED_BYTES: np.dtype("u1"),
    12: np.dtype("f2"),
}
INTEGER_MODES = [mode for mode, dtype in VOXEL_TYPES.items() if dtype.kind in "iu"]
MODE_NAMES = {mode: dtype.name for mode, dtype in VOXEL_TYPES.items()}
LABEL_BYTES = 80
LABELS = 10
ByteOrder = Literal["<", ">"]
_IMOD_STAMP = 1146047817
_IMOD_WORDS = (10, 11)  # of the field extra2: stamp, flags; bit 0 of the flags is "signed bytes"


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

    @cached_property
    def mode(self) -> int:
        """MRC mode of the voxels, or `UNSIGNED_BYTES`."""
        mode, words = int(self.record.mode), self._free_words()
        stamp, flags = _IMOD_WORDS
        unsigned = words[stamp] == _IMOD_STAMP and not words[flags] & 1
        return UNSIGNED_BYTES if mode == 0 and unsigned else mode

    @property
    def has_known_mode(self) -> bool:
        """Whether the voxels are of a mode that holds densities."""
        return int(self.record.mode) in MRC_MODES

    def _free_words(self) -> Int32Array:
        return np.frombuffer(bytes(self.record.extra2), self.byte_order + "i4").copy()

    def with_mode(self, mode: int) -> MrcHeader:
        """Return a copy for voxels of another mode, or of `UNSIGNED_BYTES`."""
        if mode == self.mode:
            return self
        words = self._free_words()
        stamp, flags = _IMOD_WORDS
        if mode == UNSIGNED_BYTES:
            words[stamp], words[flags] = _IMOD_STAMP, words[flags] & ~1
        elif words[stamp] == _IMOD_STAMP:
            words[flags] |= 1
        number = 0 if mode == UNSIGNED_BYTES else mode
        return self.changed(mode=number, extra2=words.tobytes())

    @property
    def voxel_type(self) -> np.dtype[Any]:
        """Type of the voxels in the file, in the file's byte order.

        Raises
        ------
        MapError
            For a mode that holds no densities.
        """
        if not self.has_known_mode:
            raise MapError(
                f"MRC mode {self.record.mode} is not a density map's: modes"
                f" {', '.join(map(str, MRC_MODES))} are read"
            )
        return VOXEL_TYPES[self.mode].newbyteorder(self.byte_order)

    @property
    def file_shape(self) -> tuple[int, int, int]:
        """(sections, rows, columns)."""
        return int(self.record.nz), int(self.record.ny), int(self.record.nx)

    @property
    def axes_valid(self) -> bool:
        """Whether MAPC, MAPR and MAPS name three different axes."""
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
    def cell_voxel_size(self) -> Triple:
        """Cell lengths over sampling, Å, (z, y, x); no positive number where they are nonsense."""
        cell, rec = self.record.cella, self.record
        lengths, counts = (cell.z, cell.y, cell.x), (rec.mz, rec.my, rec.mx)
        with np.errstate(all="ignore"):
            z, y, x = np.array(lengths, np.float32) / np.array(counts, np.float32)
        return float(z), float(y), float(x)

    def origin(self, voxel_size: Triple) -> Triple:
        """Return the position of the first voxel, Å, (z, y, x).

        ORIGIN where it is set, else the start indices times the voxel size: how ChimeraX
        places a map too.
        """
        field, rec = self.record.origin, self.record
        origin = (float(field.z), float(field.y), float(field.x))
        if any(origin) and all(np.isfinite(origin)):
            return origin
        starts = (int(rec.nzstart), int(rec.nystart), int(rec.nxstart))
        z, y, x = (starts[n] * size for n, size in zip(self.to_zyx, voxel_size, strict=True))
        return z, y, x

    @property
    def labels(self) -> list[bytes]:
        """The labels in use, as they stand: those that NLABL counts, and all that hold text.

        Some programs leave NLABL at an earlier count.
        """
        labels = [bytes(label) for label in self.record.label]
        with_text = [number for number, label in enumerate(labels, 1) if label.strip(b"\0 ")]
        return labels[: max([int(self.record.nlabl), *with_text, 0])]

    def changed(self, **fields: Any) -> MrcHeader:
        """Return a copy with some fields set; `cella` and `origin` take (x, y, z)."""
        record = np.frombuffer(self.raw, dtype=self.record.dtype).copy()
        for name, value in fields.items():
            if name in ("cella", "origin"):
                for axis, number in zip("xyz", value, strict=True):
                    record[name][axis] = number
            else:
                record[name] = value
        return replace(self, raw=record.tobytes())


def new_header(
    shape: tuple[int, ...], voxel_size: Triple, origin: Triple, mode: int = 2
) -> MrcHeader:
    """Return a header for a map that has none; shape, voxel size, origin (Å) are (z, y, x)."""
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
