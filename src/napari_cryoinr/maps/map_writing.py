"""Writing MRC files with the header that the map was read with."""

from __future__ import annotations

import bz2
import gzip
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MapError
from ..support.array_types import Float32Array, Region
from ..support.atomic_files import replacing
from ..support.output_paths import check_output
from .density_map import COMPRESSIONS, MAP_SUFFIXES, DensityMap, check_finite, slabs
from .moments import Moments
from .mrc_header import HEADER_BYTES, LABEL_BYTES, LABELS, MODE_NAMES, VOXEL_TYPES, MrcHeader
from .voxel_types import snap

check_map_output = partial(check_output, suffixes=MAP_SUFFIXES, compressions=COMPRESSIONS)


def write_map(
    density_map: DensityMap,
    path: str | os.PathLike[str],
    *,
    mode: str | None = None,
    label: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write an MRC2014 file; a name that ends in .gz or .bz2 is compressed.

    The header that the map came with comes out again, with the statistics recomputed and a label
    added if there is room for one. The file is written beside its target and then renamed.

    Parameters
    ----------
    density_map : DensityMap
        The map.
    path : str or path
        The file: .mrc, .map, .ccp4, .rec or .st, also with .gz or .bz2 after it.
    mode : str, optional
        "float32", "float16", "int8", "uint8", "int16" or "uint16"; by default that of the header.
        Integer modes are rounded. Unsigned bytes are those of IMOD.
    label : str, optional
        Text of the added label; ASCII, 80 characters at most.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    MapError
        If a voxel is infinite or NaN, the densities do not fit the mode, or writing fails.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import napari_cryoinr as cryoinr
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "half.map.gz"
    >>> cryoinr.write_map(cryoinr.synthetic_map(20), path, mode="float16")
    """
    path = check_map_output(path, overwrite=overwrite)
    writer = MapWriter(density_map, mode, label)
    check_finite(density_map.data, density_map.name)
    data = density_map.data
    for part in density_map.slabs():
        writer.count(data[part])
    with writing(path) as temporary, writer.open(temporary, path.suffix) as file:
        file.write(writer.header.raw)
        file.write(writer.header.extended)
        for section in writer.sections(slabs(writer.shape)):
            file.write(writer.as_stored(data[section]))


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path as `replacing` does; what the system refuses is a `MapError`."""
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise MapError(f"{path}: cannot be written ({error.strerror or error})") from error


class MapWriter:
    """What goes into an MRC file: voxels as its mode holds them, and the header for those.

    Parameters
    ----------
    density_map : gives name, shape and header; its voxels are not looked at.
    mode, label : see `write_map`.

    Attributes
    ----------
    shape : in the file: sections, rows, columns.

    Raises
    ------
    MapError
        For a mode that does not exist.
    """

    def __init__(self, density_map: DensityMap, mode: str | None, label: str | None) -> None:
        numbers = {name: number for number, name in MODE_NAMES.items()}
        if mode is not None and mode not in numbers:
            raise MapError(f"mode {mode!r}: must be one of {', '.join(numbers)}")
        self._mode = density_map.mode if mode is None else numbers[mode]
        self._name, self._label = density_map.name, label
        self._plain = density_map.mrc.with_mode(self._mode)
        self._order = density_map.mrc.from_zyx
        sections, rows, columns = (density_map.data.shape[axis] for axis in self._order)
        self.shape = (sections, rows, columns)
        self._moments = Moments()

    @property
    def start(self) -> int:
        """Bytes before the first voxel."""
        return HEADER_BYTES + len(self._plain.extended)

    @property
    def file_bytes(self) -> int:
        """Bytes of the file, if it is not compressed."""
        return self.start + math.prod(self.shape) * self._plain.voxel_type.itemsize

    @property
    def in_order(self) -> bool:
        """Whether slabs along z follow each other in the file."""
        return self._order[0] == 0

    def sections(self, parts: Iterable[slice]) -> Iterator[Region]:
        """Yield the region (z, y, x) of each slab of sections."""
        for part in parts:
            region = [slice(0, self.shape[self._order.index(axis)]) for axis in range(3)]
            region[self._order[0]] = part
            yield region[0], region[1], region[2]

    def count(self, part: Float32Array) -> None:
        """Count the voxels of a part for the statistics.

        Raises
        ------
        MapError
            If the mode cannot hold them.
        """
        low, high = float(part.min()), float(part.max())
        dtype = VOXEL_TYPES[self._mode]
        limits: Any = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
        if low < float(limits.min) - 0.5 or high > float(limits.max) + 0.5:
            raise MapError(
                f"{self._name}: densities {low:g} to {high:g} do not fit {MODE_NAMES[self._mode]};"
                " write float32"
            )
        self._moments.add(snap(part, self._mode))

    def as_stored(self, part: Float32Array) -> bytes:
        """Return the bytes of the voxels (z, y, x) of some sections."""
        part = part.transpose(self._order)
        return snap(part, self._mode).astype(self._plain.voxel_type).tobytes()

    @property
    def header(self) -> MrcHeader:
        """The header for the voxels that were counted."""
        labels = self._plain.labels
        if self._label and len(labels) < LABELS:  # a full set is history that we do not drop
            labels.append(self._label.encode("ascii", "replace")[:LABEL_BYTES])
        return self._plain.changed(
            **dict(zip(("nz", "ny", "nx"), self.shape, strict=True)),
            dmin=self._moments.low,
            dmax=self._moments.high,
            dmean=self._moments.mean,
            rms=self._moments.deviation,
            nsymbt=len(self._plain.extended),
            nlabl=len(labels),
            label=labels + [b""] * (LABELS - len(labels)),
            map=b"MAP ",
            machst=[0x44, 0x44, 0, 0] if self._plain.byte_order == "<" else [0x11, 0x11, 0, 0],
        )

    @staticmethod
    @contextmanager
    def open(path: Path, suffix: str) -> Iterator[Any]:
        """Open a file for writing that is compressed as the suffix of its target says."""
        with path.open("wb") as plain, _compressing(plain, suffix.lower()) as file:
            yield file


def _compressing(file: Any, suffix: str) -> Any:
    if suffix == ".gz":
        return gzip.GzipFile("", "wb", fileobj=file)  # without the temporary name
    return bz2.BZ2File(file, "wb") if suffix == ".bz2" else nullcontext(file)
