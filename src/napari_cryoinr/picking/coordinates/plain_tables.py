"""Particles as CSV and as EMAN .box, read and written by pandas.

CSV has a header with at least x and y, and a row for each particle. Written are the columns x, y,
score where there are scores, then box and pixel_size where they are known, the same in each row:
nothing but columns, so that all programs that read tables read these.

EMAN .box has a line for each particle, with the corner of its box and the box's width and height.
"The first 2 are the x/y coordinates of the lower left corner of the box. The next 2 are the box
size in X and Y (normally the same). The fifth number is a 'mode', and isn't always present" (EMAN2
wiki, "Other Miscellaneous Files"). EMAN shows the first row of a file at the bottom: the lower left
corner is that of the smallest x and y in the order of the file. The centre of a box of n pixels is
its pixel n // 2, the first being 0: half an odd box is rounded down, as in RELION, which reads such
files too (`Preprocessing::readCoordinates`, src/preprocessing.cpp).
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import MicrographError
from ...support import atomic_files
from ...support.array_types import Float64Array
from ..particles import Particles

NUMBER_FORMAT = "%.10g"  # of .box and .star: EMAN1 and RELION read whole numbers without a point
_BOX_COLUMNS = ("x", "y", "width", "height")


def read_csv(path: Path) -> Particles:
    """Read a CSV file; columns other than x, y, score, box and pixel_size are ignored."""
    table = read_named_table(path, ("x", "y"), sep=",", skipinitialspace=True)
    names = list(table)
    score = finite_numbers(path, table, "score") if "score" in names else None
    box, pixel_size = (
        one_size(finite_numbers(path, table, name)) if name in names else None
        for name in ("box", "pixel_size")
    )
    return Particles(_points(path, table), score, box, pixel_size)


def write_csv(path: Path, particles: Particles) -> None:
    """Write a CSV file, without loss of precision."""
    columns = {"x": particles.xy[:, 0], "y": particles.xy[:, 1]}
    for name in ("score", "box", "pixel_size"):
        if (value := getattr(particles, name)) is not None:
            columns[name] = value
    write_text(path, pd.DataFrame(columns).to_csv(index=False, lineterminator="\n"))


def read_box(path: Path) -> Particles:
    """Read a .box file; further columns, such as those of helices, are ignored."""
    table = _read_table(path, sep=r"\s+")
    if table.empty:
        return Particles(np.empty((0, 2)))
    if table.shape[1] < len(_BOX_COLUMNS):
        raise MicrographError(
            f"{path}: the first line has {table.shape[1]} values: must have at least"
            f" {len(_BOX_COLUMNS)}, {', '.join(_BOX_COLUMNS)}"
        )
    table = table.iloc[:, : len(_BOX_COLUMNS)].set_axis(_BOX_COLUMNS, axis="columns")
    sizes = np.column_stack([finite_numbers(path, table, name) for name in _BOX_COLUMNS[2:]])
    bad = np.flatnonzero((sizes <= 0).any(1))
    if len(bad):
        width, height = sizes[bad[0]]
        raise MicrographError(
            f"{path}: data row {bad[0] + 1} has a box of {width:g} × {height:g} pixels: must be"
            " positive"
        )
    return Particles(_points(path, table) + sizes // 2, box=one_size(sizes))


def write_box(path: Path, particles: Particles) -> None:
    """Write a .box file."""
    side = particles.box
    if side is None:
        raise MicrographError(f"{path}: .box files hold boxes: give a box size, in pixels")
    corners = particles.xy - side // 2
    table = pd.DataFrame({"x": corners[:, 0], "y": corners[:, 1], "width": side, "height": side})
    options: dict[str, Any] = {"float_format": NUMBER_FORMAT, "lineterminator": "\n"}
    write_text(path, table.to_csv(sep="\t", header=False, index=False, **options))


def write_text(path: Path, text: str) -> None:
    """Write a file of coordinates, or raise MicrographError."""
    try:
        atomic_files.write_bytes(path, text.encode())
    except OSError as error:
        raise MicrographError(f"{path}: cannot be written ({error})") from error


def finite_numbers(path: Path, table: pd.DataFrame, name: str) -> Float64Array:
    """Convert a column to finite numbers, shape (rows,), or raise MicrographError."""
    values: Float64Array = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        shown = reprlib.repr(str(table[name].iloc[bad[0]]))
        raise MicrographError(
            f"{path}: data row {bad[0] + 1}: {name} = {shown}: must be a finite number"
        )
    return values


def read_named_table(path: Path, needed: Sequence[str], **options: Any) -> pd.DataFrame:
    """Read a table whose first line names the columns, in lower case, as text.

    Raises MicrographError if it does not name each of those that are needed once.
    """
    table = _read_table(path, **options)
    names = [] if table.empty else [str(name).strip().lower() for name in table.iloc[0]]
    for name in needed:
        if names.count(name) != 1:
            raise MicrographError(
                f"{path}: the first line names {names.count(name)} columns {name}: it has to name"
                f" the columns, {', '.join(needed[:-1])} and {needed[-1]} among them once"
            )
    return table[1:].set_axis(names, axis="columns")


def one_size(values: Float64Array) -> float | None:
    """Return the one positive number that all values are equal to, or None."""
    different = np.unique(values)
    return float(different[0]) if len(different) == 1 and different[0] > 0 else None


def _points(path: Path, table: pd.DataFrame) -> Float64Array:
    """Return the columns x and y, shape (rows, 2)."""
    return np.column_stack([finite_numbers(path, table, name) for name in ("x", "y")])


def _read_table(path: Path, **options: Any) -> pd.DataFrame:
    """Read all lines of a file as text, including its header; empty for an empty file."""
    try:
        return pd.read_csv(
            path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig", **options
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, OSError) as error:  # also pandas' ParserError and UnicodeDecodeError
        reason = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise MicrographError(f"{path}: not a readable table ({reason})") from error
