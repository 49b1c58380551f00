"""RELION .star files of particle coordinates, of version 3.0 (one table) and 3.1 and later.

The coordinates of one micrograph are written as RELION's own job Auto-picking writes them: a table
with rlnCoordinateX, rlnCoordinateY and rlnAutopickFigureOfMerit comes first, as RELION reads the
first table of such a file whatever its name (`Preprocessing::readCoordinates` in
src/preprocessing.cpp, `MetaDataTable::readStar` in src/metadata_table.cpp). RELION's job Import
takes one file for each micrograph, named after it with any ending ("2D/3D particle coordinates
(*.box, *_pick.star)", src/pipeline_jobs.h; src/apps/import.cpp). Pixel and box size follow in a
table `optics`, for which RELION does not look there.

Units and origin of the coordinates: RELION documentation, Reference, Conventions.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MicrographError
from ..micrographs import micrograph_name
from ..particles import Particles
from .coordinate_search import names_of
from .text import common, lines, number, shortest

X, Y, SCORE = "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit"
MICROGRAPH, GROUP = "rlnMicrographName", "rlnOpticsGroup"
PIXEL, IMAGE_PIXEL, IMAGE_SIZE = "rlnMicrographPixelSize", "rlnImagePixelSize", "rlnImageSize"
DETECTOR_PIXEL, MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
# Read as text and made numbers here: those of starfile may differ in their last bit.
_LABELS = [X, Y, SCORE, MICROGRAPH, GROUP, PIXEL, IMAGE_PIXEL, IMAGE_SIZE]
_LABELS += [DETECTOR_PIXEL, MAGNIFICATION]
_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError)

Columns = Mapping[str, Sequence[Any]]


class _Table:
    """A table of a file: its columns as text, and the lines that its rows stand in."""

    def __init__(self, path: Path, columns: Columns, line_numbers: Sequence[int]) -> None:
        self._path, self._lines = path, line_numbers
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, label: str) -> bool:
        return label in self.columns

    def texts(self, label: str, rows: Iterable[int]) -> list[str]:
        """The values of a column; what is missing is an empty text."""
        column = self.columns[label]
        return [column[i] if isinstance(column[i], str) else "" for i in rows]

    def numbers(self, label: str, rows: Sequence[int]) -> list[float]:
        return [
            number(text, self._path, self._lines[i], label)
            for i, text in zip(rows, self.texts(label, rows), strict=True)
        ]


def read(path: Path, micrograph: str | None) -> Particles:
    """Particles of one micrograph; `micrograph` says which where the file holds several."""
    tables = _tables(path)
    with_coordinates = [name for name, table in tables.items() if X in table and Y in table]
    if not with_coordinates:
        raise MicrographError(f"{path}: no table with {X} and {Y}: no coordinates of particles")
    name = "particles" if "particles" in with_coordinates else with_coordinates[0]
    table = tables[name]
    rows = _rows_of(path, table, micrograph)
    pixel_size, box = _sizes(table, rows, tables.get("optics"))
    return Particles(
        np.column_stack([table.numbers(X, rows), table.numbers(Y, rows)]),
        np.array(table.numbers(SCORE, rows)) if SCORE in table else None,
        box=box,
        pixel_size=pixel_size,
    )


def encode(path: Path, particles: Particles, micrograph: str | None) -> str:
    """The text of a file with the particles of one micrograph."""
    blocks: dict[str, Columns] = {"": _columns(path, particles, micrograph)}
    if particles.box is not None or particles.pixel_size is not None:
        blocks["optics"] = _optics(path, [(particles.pixel_size, particles.box)])
    return _text(blocks)


def encode_table(path: Path, tables: Mapping[str, Particles]) -> str:
    """The text of a file with the particles of many micrographs."""
    if not tables:
        raise MicrographError(f"{path}: no micrographs to write particles of")
    sizes = list(dict.fromkeys((p.pixel_size, p.box) for p in tables.values()))
    scored = all(p.score is not None for p in tables.values())
    columns: dict[str, list[str]] = {}
    for name, particles in tables.items():
        group = 1 + sizes.index((particles.pixel_size, particles.box))
        kept = particles if scored else replace(particles, score=None)
        for label, values in _columns(path, kept, name, group).items():
            columns.setdefault(label, []).extend(values)
    return _text({"optics": _optics(path, sizes), "particles": columns})


def encode_list(path: Path, files: Mapping[str, str]) -> str:
    """The text of a list of micrographs and their files of coordinates."""
    for name in files:
        if name.startswith("data_"):
            raise MicrographError(
                f"{path}: a row that begins with {name} would begin a table: give its folder too"
            )
    columns = {
        MICROGRAPH: [_name(path, name) for name in files],
        "rlnMicrographCoordinates": [_name(path, file) for file in files.values()],
    }
    return _text({"coordinate_files": columns})


def _tables(path: Path) -> dict[str, _Table]:
    line_numbers = _line_numbers(path)
    import starfile

    linecache.clearcache()  # starfile reads through it, and leaves what it could not parse in there
    try:
        blocks = starfile.read(path, always_dict=True, parse_as_string=_LABELS)
    except _BROKEN as error:
        line = (str(error) or type(error).__name__).split("\n")[0]
        raise MicrographError(f"{path}: not a readable .star file ({line})") from error
    tables = {}
    for name, block in blocks.items():
        simple = isinstance(block, dict)  # labels with one value each, without loop_
        if not simple and block.columns.has_duplicates:
            raise MicrographError(f"{path}: the table data_{name} has one label twice")
        columns = {label: [block[label]] if simple else block[label].tolist() for label in block}
        table = _Table(path, columns, line_numbers.get(name, []))
        if len(table) != len(line_numbers.get(name, [])):
            raise MicrographError(f"{path}: the rows of the table data_{name} are not one a line")
        tables[name] = table
    return tables


def _line_numbers(path: Path) -> dict[str, list[int]]:
    """The lines in which the rows of each table stand, in the way of starfile.

    Raises
    ------
    MicrographError
        for rows with more or fewer values than the table has labels: starfile could not say where.
    """
    found: dict[str, list[int]] = {}
    rows: list[int] = []
    labels, state = 0, "outside"
    for line, text in enumerate(lines(path), 1):
        text = text.strip()
        if text.startswith("data_"):
            rows = found.setdefault(text[5:], [])
            labels, state = 0, "block"
        elif state == "block" and text.startswith("loop_"):
            state = "labels"
        elif state == "block" and text.startswith("_"):
            rows[:] = [line]  # a table of one row, one line for each label
        elif state == "labels" and text.startswith("_"):
            labels += 1
        elif state in ("labels", "rows"):
            state = "rows"
            values = len(text.partition("#")[0].split())
            if values in (0, labels) or '"' in text or "'" in text:  # quoted: starfile counts them
                rows += [line] * (values > 0)
                continue
            raise MicrographError(
                f"{path}: line {line} has {values} values where the table has {labels} labels"
            )
    return found


def _rows_of(path: Path, table: _Table, micrograph: str | None) -> Sequence[int]:
    """The rows of one micrograph."""
    every = range(len(table))
    if MICROGRAPH not in table or not every:
        return every
    names = table.texts(MICROGRAPH, every)
    known = list(dict.fromkeys(names))
    shown = ", ".join(known[:3]) + (", …" if len(known) > 3 else "")
    if micrograph is None:
        if len(known) > 1:
            raise MicrographError(
                f"{path}: holds the particles of {len(known)} micrographs ({shown}): say of which"
                " one"
            )
        return every
    wanted = [micrograph] if micrograph in known else []
    for name in names_of(micrograph):
        wanted = wanted or [other for other in known if micrograph_name(other) == name]
    if len(wanted) != 1:
        problem = f"{len(wanted)} micrographs" if wanted else "no micrograph"
        raise MicrographError(
            f"{path}: holds {problem} of the name {micrograph} ({shown}): give a name as it stands"
            " in the file"
        )
    return [i for i in every if names[i] == wanted[0]]


def _sizes(
    table: _Table, rows: Sequence[int], optics: _Table | None
) -> tuple[float | None, float | None]:
    """Pixel size of the micrograph and box size in its pixels, where the file states them."""

    def stated(label: str) -> float | None:
        """The one value of a label, in the rows themselves or in their optics group."""
        if label in table:
            return common(table.numbers(label, rows))
        if optics is None or label not in optics:
            return None
        of_groups: Sequence[int] = range(len(optics))
        if GROUP in table and GROUP in optics and rows:
            groups = set(table.texts(GROUP, rows))
            of_groups = [i for i in of_groups if optics.texts(GROUP, [i])[0] in groups]
        return common(optics.numbers(label, of_groups))

    image_pixel, box = stated(IMAGE_PIXEL), stated(IMAGE_SIZE)
    pixel = stated(PIXEL)
    if pixel is None and (detector := stated(DETECTOR_PIXEL)):  # RELION 3.0: µm on the detector
        pixel = detector * 1e4 / (stated(MAGNIFICATION) or 1e4)
    pixel = pixel or image_pixel
    if box and pixel and image_pixel and image_pixel != pixel:  # extracted and rescaled images
        box *= image_pixel / pixel
    return pixel, box


def _columns(
    path: Path, particles: Particles, micrograph: str | None, group: int | None = None
) -> dict[str, list[str]]:
    """The columns of a table of particles."""
    # A name must not come first: a row that begins with data_ would begin a table.
    columns = {X: _texts(particles.xy[:, 0]), Y: _texts(particles.xy[:, 1])}
    if micrograph is not None:
        columns[MICROGRAPH] = [_name(path, micrograph)] * len(particles)
    if group is not None:
        columns[GROUP] = [str(group)] * len(particles)
    if particles.score is not None:
        columns[SCORE] = _texts(particles.score)
    return columns


def _optics(path: Path, sizes: Sequence[tuple[float | None, float | None]]) -> Columns:
    """A table of optics groups, from pairs of pixel and box size."""
    count = range(1, len(sizes) + 1)
    columns: dict[str, list[str]] = {
        GROUP: [str(i) for i in count],
        "rlnOpticsGroupName": [f"opticsGroup{i}" for i in count],
    }
    labels = {"pixel size": (0, (PIXEL, IMAGE_PIXEL)), "box size": (1, (IMAGE_SIZE,))}
    for what, (place, names) in labels.items():
        known = [shortest(float(size)) for pair in sizes if (size := pair[place]) is not None]
        if known and len(known) < len(sizes):
            raise MicrographError(
                f"{path}: the {what} is known for some micrographs only: give it for all, or none"
            )
        if known:
            columns |= dict.fromkeys(names, known)
    columns["rlnImageDimensionality"] = ["2"] * len(sizes)
    return columns


def _texts(values: Any) -> list[str]:
    return [repr(value) for value in values.tolist()]


def _name(path: Path, name: str) -> str:
    """A name that .star files can hold."""
    if not name.strip() or any(c in "\"'#" or (c.isspace() and c != " ") for c in name):
        raise MicrographError(
            f"{path}: the name {name!r} cannot stand in a .star file: rename what has quotes, # or"
            " line breaks in its name"
        )
    return name


def _text(blocks: Mapping[str, Columns]) -> str:
    import pandas as pd
    import starfile

    frames = {name: pd.DataFrame(dict(columns), dtype=object) for name, columns in blocks.items()}
    text: str = starfile.to_string(frames)
    return text
