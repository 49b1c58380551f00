"""Writing MRC files with the header that the map was read with."""

from __future__ import annotations

import bz2
import gzip
import math
import os
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from ..errors import MapError
from ..support.array_types import Float32Array
from ..support.atomic_files import replacing
from ..support.output_paths import check_output
from .density_map import COMPRESSIONS, MAP_SUFFIXES, DensityMap, check_finite, slabs
from .mrc_header import LABEL_BYTES, LABELS, MODE_NAMES, VOXEL_TYPES, MrcHeader
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
    numbers = {name: number for number, name in MODE_NAMES.items()}
    if mode is not None and mode not in numbers:
        raise MapError(f"mode {mode!r}: must be one of {', '.join(numbers)}")
    number = density_map.mode if mode is None else numbers[mode]
    check_finite(density_map.data, density_map.name)
    voxels = density_map.data.transpose(density_map.mrc.from_zyx)
    header = _header(density_map.mrc.with_mode(number), voxels, density_map.name, label)
    try:
        with (
            replacing(path) as temporary,
            temporary.open("wb") as plain,
            _compressing(plain, path.suffix.lower()) as file,
        ):
            file.write(header.raw)
            file.write(header.extended)
            for part in slabs(voxels.shape):
                file.write(snap(voxels[part], number).astype(header.voxel_type).tobytes())
    except OSError as error:
        raise MapError(f"{path}: cannot be written ({error.strerror or error})") from error


def _compressing(file: Any, suffix: str) -> Any:
    if suffix == ".gz":
        return gzip.GzipFile("", "wb", fileobj=file)  # without the temporary name
    return bz2.BZ2File(file, "wb") if suffix == ".bz2" else nullcontext(file)


def _header(header: MrcHeader, voxels: Float32Array, name: str, label: str | None) -> MrcHeader:
    """Return the header for these voxels, which are in file order."""
    labels = header.labels
    if label and len(labels) < LABELS:  # a full set of labels is history that we do not drop
        labels.append(label.encode("ascii", "replace")[:LABEL_BYTES])
    low, high, mean, deviation = _statistics(voxels, header.mode, name)
    return header.changed(
        **dict(zip(("nz", "ny", "nx"), voxels.shape, strict=True)),
        dmin=low,
        dmax=high,
        dmean=mean,
        rms=deviation,
        nsymbt=len(header.extended),
        nlabl=len(labels),
        label=labels + [b""] * (LABELS - len(labels)),
        map=b"MAP ",
        machst=[0x44, 0x44, 0, 0] if header.byte_order == "<" else [0x11, 0x11, 0, 0],
    )


def _statistics(voxels: Float32Array, mode: int, name: str) -> tuple[float, float, float, float]:
    """Return lowest, highest, mean and standard deviation of the voxels as this mode holds them."""
    dtype = VOXEL_TYPES[mode]
    limits: Any = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    low, high = float(voxels.min()), float(voxels.max())
    if low < float(limits.min) - 0.5 or high > float(limits.max) + 0.5:
        raise MapError(
            f"{name}: densities {low:g} to {high:g} do not fit {MODE_NAMES[mode]}; write float32"
        )
    low, high = (float(value) for value in snap(np.array([low, high], np.float32), mode))
    sums = [0.0, 0.0]
    for part in slabs(voxels.shape):
        # From the lowest density on: squares of what is far from zero would cancel each other.
        above = snap(voxels[part], mode).astype(np.float64) - low
        sums = [sums[0] + float(above.sum()), sums[1] + float(np.square(above).sum())]
    mean, square = sums[0] / voxels.size, sums[1] / voxels.size
    return low, high, low + mean, math.sqrt(max(square - mean**2, 0.0))
