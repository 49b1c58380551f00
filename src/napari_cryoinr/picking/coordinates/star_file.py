"""Writing RELION .star files of particle coordinates.

The package starfile writes the tables. The coordinates of one micrograph are written as RELION's
own job Auto-picking writes them: a table with rlnCoordinateX, rlnCoordinateY and
rlnAutopickFigureOfMerit comes first, as RELION reads the first table of such a file whatever its
name (`Preprocessing::readCoordinates` in src/preprocessing.cpp, `MetaDataTable::readStar` in
src/metadata_table.cpp). RELION's job Import takes one file for each micrograph, named after it with
any ending ("2D/3D particle coordinates (*.box, *_pick.star)", src/pipeline_jobs.h;
src/apps/import.cpp). Pixel and box size follow in a table `optics`, for which RELION does not look
there.

Units and origin of the coordinates: RELION documentation, Reference, Conventions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import starfile

from ...errors import MicrographError
from ...support.output_paths import check_output
from ..particles import Particles
from .plain_tables import NUMBER_FORMAT, write_text
from .star_tables import COORDINATES, GROUP, IMAGE_PIXEL, IMAGE_SIZE, MICROGRAPH, PIXEL, SCORE, X, Y


def write_star(path: Path, particles: Particles, micrograph: str | os.PathLike[str] | None) -> None:
    """Write the particles of one micrograph."""
    blocks = {"": _particle_table(path, particles, micrograph)}
    if particles.box is not None or particles.pixel_size is not None:
        blocks["optics"] = _optics_table(path, [(particles.pixel_size, particles.box)])
    _write(path, blocks)


def write_star_table(
    tables: Mapping[str, Particles], path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write the particles of many micrographs into one .star file, as cryoSPARC imports them.

    The layout is that of RELION 3.1 and later: a table of optics groups, one for each pair of pixel
    and box size, then the particles with rlnCoordinateX, rlnCoordinateY, rlnMicrographName,
    rlnOpticsGroup and, where all micrographs have scores, rlnAutopickFigureOfMerit. cryoSPARC's job
    Import Particle Stack reads it as its "Particle meta path", and finds the micrographs by
    rlnMicrographName (cryoSPARC Guide, "Job: Import Particle Stack").

    Parameters
    ----------
    tables : mapping from str to Particles
        Particles by the name of their micrograph, as the other program knows it.
    path : str or path
        The .star file.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    MicrographError
        If pixel or box size is known for some micrographs only, if a name cannot stand in a .star
        file, or the file cannot be written.
    """
    path = check_output(path, suffixes=(".star",), overwrite=overwrite)
    if not tables:
        raise MicrographError(f"{path}: no micrographs to write particles of")
    sizes = list(dict.fromkeys((p.pixel_size, p.box) for p in tables.values()))
    parts = [
        _particle_table(path, p, name, 1 + sizes.index((p.pixel_size, p.box)))
        for name, p in tables.items()
    ]
    particles = pd.concat(parts, ignore_index=True)
    if any(p.score is None for p in tables.values()):
        particles = particles.drop(columns=SCORE, errors="ignore")
    _write(path, {"optics": _optics_table(path, sizes), "particles": particles})


def write_star_list(
    files: Mapping[str, str | os.PathLike[str]],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> None:
    """Write which .star file of coordinates belongs to which micrograph, as RELION 4 and 5 read it.

    It is the list that RELION's own job Auto-picking writes (`autopick.star`, table
    `coordinate_files` with rlnMicrographName and rlnMicrographCoordinates), and "Input coordinates"
    of the job Particle extraction (RELION documentation, SPA tutorial, Particle picking; read in
    `Preprocessing::initialise` of src/preprocessing.cpp).

    Parameters
    ----------
    files : mapping from str to str or path
        Coordinate files by the name of their micrograph, both relative to the project's folder.
    path : str or path
        The .star file.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    MicrographError
        If a name cannot stand in a .star file, or the file cannot be written.
    """
    path = check_output(path, suffixes=(".star",), overwrite=overwrite)
    for name in files:
        if name.startswith("data_"):
            raise MicrographError(
                f"{path}: a row that begins with {name} would begin a table: give its folder too"
            )
    table = pd.DataFrame(
        {
            MICROGRAPH: [_checked_name(path, name) for name in files],
            COORDINATES: [_checked_name(path, file) for file in files.values()],
        }
    )
    _write(path, {"coordinate_files": table})


def _particle_table(
    path: Path,
    particles: Particles,
    micrograph: str | os.PathLike[str] | None,
    group: int | None = None,
) -> pd.DataFrame:
    # A name must not come first: a row that begins with data_ would begin a table.
    columns: dict[str, Any] = {X: particles.xy[:, 0], Y: particles.xy[:, 1]}
    if micrograph is not None:
        columns[MICROGRAPH] = [_checked_name(path, micrograph)] * len(particles)
    if group is not None:
        columns[GROUP] = group
    if particles.score is not None:
        columns[SCORE] = particles.score
    return pd.DataFrame(columns)


def _optics_table(path: Path, sizes: Sequence[tuple[float | None, float | None]]) -> pd.DataFrame:
    """Make a table of optics groups from pairs of pixel and box size."""
    count = range(1, len(sizes) + 1)
    table = pd.DataFrame({GROUP: count, "rlnOpticsGroupName": [f"opticsGroup{i}" for i in count]})
    for number, what, label in (
        (0, "pixel size", PIXEL),
        (0, "pixel size", IMAGE_PIXEL),
        (1, "box size", IMAGE_SIZE),
    ):
        known = [pair[number] for pair in sizes]
        if any(known) and None in known:
            raise MicrographError(
                f"{path}: the {what} is known for some micrographs only: give it for all, or none"
            )
        if any(known):
            table[label] = np.array(known, np.float64)
    table["rlnImageDimensionality"] = 2
    return table


def _checked_name(path: Path, name: str | os.PathLike[str]) -> str:
    """Return a name if .star files can hold it."""
    name = os.fspath(name)
    if not name.strip() or any(c in "\"'#" or (c.isspace() and c != " ") for c in name):
        raise MicrographError(
            f"{path}: the name {name!r} cannot stand in a .star file: rename what has quotes, # or"
            " line breaks in its name"
        )
    return name


def _write(path: Path, blocks: Mapping[str, pd.DataFrame]) -> None:
    write_text(path, starfile.to_string(dict(blocks), float_format=NUMBER_FORMAT))
