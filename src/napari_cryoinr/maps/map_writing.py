"""Writing MRC files whose header is the one that came in."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import numpy.typing as npt

from ..errors import MapError
from ..support.atomic_files import replacing
from .density_map import DensityMap
from .mrc_header import LABEL_BYTES, LABELS, MODE_NAMES, VOXEL_TYPES, MrcHeader

# Recomputed from the voxels, or set by hand below; every other field comes out as it went in.
_OWN_FIELDS = {
    "nx",
    "ny",
    "nz",
    "mode",
    "dmin",
    "dmax",
    "dmean",
    "rms",
    "map",
    "machst",
    "nlabl",
    "label",
    "nsymbt",
}
_COMPRESSION = {".gz": "gzip", ".bz2": "bzip2"}


def write_map(
    density_map: DensityMap,
    path: str | os.PathLike[str],
    *,
    mode: str | None = None,
    label: str | None = None,
) -> None:
    """Write an MRC2014 file; a name that ends in .gz or .bz2 is compressed.

    The header that the map came with comes out again, with the statistics recomputed and a label
    added if there is room for one. The file is written beside its target and then renamed.

    Parameters
    ----------
    mode : "float32", "float16", "int8", "int16" or "uint16"; by default that of the header.
        Integer modes are rounded.
    label : text of the added label.

    Raises
    ------
    MapError
        if the densities do not fit the mode, or the file cannot be written.
    """
    path = Path(path)
    header = density_map.mrc
    number = _mode_number(mode, density_map.mode)
    voxels = _as_mode(density_map.data, number, density_map.name).transpose(header.from_zyx)
    voxels = voxels.astype(voxels.dtype.newbyteorder(header.byte_order), copy=False)
    try:
        with replacing(path) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # statistics of extreme densities
            with mrcfile.new(
                temporary, compression=_COMPRESSION.get(path.suffix.lower()), overwrite=True
            ) as mrc:
                mrc.set_data(np.ascontiguousarray(voxels))
                if header.extended:
                    mrc.set_extended_header(np.frombuffer(header.extended, dtype="V1"))
                _copy_fields(header, mrc, label)
    except OSError as error:
        raise MapError(f"{path}: cannot be written ({error.strerror or error})") from error


def _mode_number(mode: str | None, default: int) -> int:
    if mode is None:
        return default
    numbers = {name: number for number, name in MODE_NAMES.items()}
    if mode not in numbers:
        raise MapError(f"mode {mode!r}: must be one of {', '.join(numbers)}")
    return numbers[mode]


def _as_mode(data: npt.NDArray[np.float32], mode: int, name: str) -> npt.NDArray[Any]:
    dtype = np.dtype(VOXEL_TYPES[mode])
    if dtype == data.dtype:
        return data
    low, high = float(data.min()), float(data.max())
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    values = np.rint(data) if dtype.kind in "iu" else data
    if low < float(limits.min) - 0.5 or high > float(limits.max) + 0.5:
        raise MapError(
            f"{name}: densities {low:g} to {high:g} do not fit {MODE_NAMES[mode]}; write float32"
        )
    return np.clip(values, float(limits.min), float(limits.max)).astype(dtype)


def _copy_fields(header: MrcHeader, mrc: Any, label: str | None) -> None:
    original = header.record
    for name in original.dtype.names:
        if name not in _OWN_FIELDS:
            mrc.header[name] = original[name]
    labels = header.labels
    if label and len(labels) < LABELS:  # a full set of labels is history that we do not drop
        labels.append(label.encode("ascii", "replace")[:LABEL_BYTES])
    mrc.header.label = labels + [b""] * (LABELS - len(labels))
    mrc.header.nlabl = len(labels)
