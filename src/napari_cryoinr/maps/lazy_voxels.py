"""Voxels that stay in their file until they are indexed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import MapError
from ..support.array_types import Float32Array
from ..support.regions import as_box
from .mrc_file import MrcFile


class LazyVoxels:
    """Voxels of an uncompressed MRC file, axes (z, y, x), as float32; an index reads them.

    Each read opens the file anew, so that several threads may read at a time.

    Raises
    ------
    MapError
        On reading, if the file is not what it was when this object was made.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, file: MrcFile) -> None:
        self._file = file
        self._identity = _identity(os.stat(file.path))
        shape = file.header.file_shape
        z, y, x = (shape[axis] for axis in file.header.to_zyx)
        self.shape = (z, y, x)
        self.size = int(np.prod(self.shape, dtype=object))

    def __len__(self) -> int:
        return self.shape[0]

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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[...], dtype)

    def _changed(self) -> MapError:
        return MapError(f"{self._file.path}: was changed since it was opened; open it again")


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
