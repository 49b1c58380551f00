"""Reading particles from cryoSPARC's .cs files: picks, extracted particles, exports.

A .cs file is a NumPy array of records. A pick has its centre as a share of the micrograph's width
and height, and that micrograph's path, shape (y, x) and, in newer versions, pixel size. Rows are
counted in the order of the file, as in RELION. The images of extracted particles have a shape and a
pixel size of their own. Jobs keep the fields that they have not changed in a second file, whose
name says passthrough.
"""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np

from ...errors import MicrographError
from ...support.array_types import AnyArray, Float64Array
from ..particles import Particles
from .plain_tables import one_size

_CENTRES = ("location/center_x_frac", "location/center_y_frac")
_NAME, _SHAPE = "location/micrograph_path", "location/micrograph_shape"
_PIXELS = ("location/micrograph_psize_A", "micrograph_blob/psize_A")
_IMAGE_SHAPE, _IMAGE_PIXEL = "blob/shape", "blob/psize_A"
_SCORE = "pick_stats/ncc_score"
# What NumPy raises for files that are not its own: it parses the header as Python's literals.
_UNREADABLE = (ValueError, OSError, EOFError, TypeError, OverflowError, SyntaxError, TokenError)


def read_cs(path: Path) -> dict[str, Particles]:
    """Read a .cs file; particles by the path of their micrograph in the cryoSPARC project.

    The file is mapped, so that it cannot make this allocate more than it holds.
    """
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")  # never a pickle
        fields = mapped.dtype.names or ()
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise MicrographError(f"{path}: not a readable .cs file ({reason})") from error
    missing = [name for name in (*_CENTRES, _NAME, _SHAPE) if name not in fields]
    if missing:
        raise MicrographError(
            f"{path}: has no {missing[0]}, so no positions of particles: give the .cs file of the"
            " picking job, or that of the same job whose name has passthrough in it"
        )
    table = np.array(mapped).ravel()
    stored = table[_NAME]
    if stored.dtype.kind not in "SU":
        raise MicrographError(f"{path}: {_NAME} is no text")
    names = np.char.decode(stored, "utf-8", "replace") if stored.dtype.kind == "S" else stored
    return {str(name): _particles(path, table[names == name]) for name in dict.fromkeys(names)}


def _particles(path: Path, rows: AnyArray) -> Particles:
    """Return the particles of the records of one micrograph."""
    x, y = (_numbers(path, rows, name, 1)[:, 0] for name in _CENTRES)
    height, width = _numbers(path, rows, _SHAPE, 2).T
    names = rows.dtype.names or ()
    stated = (one_size(_numbers(path, rows, name, 1)) for name in _PIXELS if name in names)
    pixel_size = next((float(f"{size:.6g}") for size in stated if size), None)  # from float32
    box = None
    if pixel_size and _IMAGE_SHAPE in names and _IMAGE_PIXEL in names:
        sides = _numbers(path, rows, _IMAGE_SHAPE, 2) * _numbers(path, rows, _IMAGE_PIXEL, 1)
        side = one_size(sides)
        box = float(f"{side / pixel_size:.6g}") if side else None
    score = _numbers(path, rows, _SCORE, 1)[:, 0] if _SCORE in names else None
    return Particles(np.column_stack([x * width, y * height]), score, box, pixel_size)


def _numbers(path: Path, rows: AnyArray, name: str, columns: int) -> Float64Array:
    """Return a field as finite numbers, shape (rows, columns), or raise MicrographError."""
    values = rows[name].reshape(len(rows), -1)
    if values.dtype.kind not in "iuf" or values.shape[1] != columns:
        raise MicrographError(f"{path}: {name} is not {columns} numbers for each particle")
    found = values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(found).all(1))
    if len(bad):
        raise MicrographError(f"{path}: {name} = {found[bad[0]]}: must be finite numbers")
    return found
