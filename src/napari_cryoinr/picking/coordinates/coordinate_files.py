"""Coordinates of particles in files: CSV, EMAN .box and RELION .star, told apart by the suffix."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from ...errors import MicrographError
from ...support import atomic_files
from ..particles import Particles
from . import box_file, csv_file, star_file

_FORMATS: dict[str, ModuleType] = {".csv": csv_file, ".box": box_file, ".star": star_file}
SUFFIXES = tuple(_FORMATS)


def read_coordinates(
    path: str | os.PathLike[str], *, micrograph: str | os.PathLike[str] | None = None
) -> Particles:
    """Read the particles of one micrograph.

    Parameters
    ----------
    path : a .csv, .box or .star file.
    micrograph : name or path of the micrograph. Only .star files that hold several need it; folders
        and suffix do not count.

    Raises
    ------
    MicrographError
        if the file is missing or damaged, which names the line; if it holds several micrographs and
        it was not said which, or not this one.
    """
    path = Path(path)
    if not path.is_file():
        raise MicrographError(f"{path}: no such file")
    return _format_of(path).read(path, None if micrograph is None else os.fspath(micrograph))


def write_coordinates(
    particles: Particles,
    path: str | os.PathLike[str],
    *,
    micrograph: str | os.PathLike[str] | None = None,
) -> None:
    """Write the particles of one micrograph; what is there is replaced at once, or not at all.

    Numbers are written such that reading gives back the same ones, to the last bit. EMAN's .box has
    no place for scores and the pixel size, and needs a box size.

    Parameters
    ----------
    particles : the particles; none is fine.
    path : a .csv, .box or .star file.
    micrograph : name of the micrograph, for the column of .star files.

    Raises
    ------
    MicrographError
        if the format cannot hold the particles, or the file cannot be written.
    """
    path = Path(path)
    name = None if micrograph is None else os.fspath(micrograph)
    _write(path, _format_of(path).encode(path, particles, name))


def write_star_table(tables: Mapping[str, Particles], path: str | os.PathLike[str]) -> None:
    """Write the particles of many micrographs into one .star file, as cryoSPARC imports them.

    The layout is that of RELION 3.1 and later: a table of optics groups, one for each pair of pixel
    and box size, then the particles with rlnCoordinateX, rlnCoordinateY, rlnMicrographName,
    rlnOpticsGroup and, where all micrographs have scores, rlnAutopickFigureOfMerit. cryoSPARC's job
    Import Particle Stack reads it as its "Particle meta path", and finds the micrographs by
    rlnMicrographName (cryoSPARC Guide, "Job: Import Particle Stack").

    Parameters
    ----------
    tables : particles by the name of their micrograph, as the other program knows it.
    path : the .star file.

    Raises
    ------
    MicrographError
        if pixel or box size is known for some micrographs only, if a name cannot stand in a .star
        file, or the file cannot be written.
    """
    path = Path(path)
    _require_star(path)
    _write(path, star_file.encode_table(path, tables))


def write_star_list(
    files: Mapping[str, str | os.PathLike[str]], path: str | os.PathLike[str]
) -> None:
    """Write which .star file of coordinates belongs to which micrograph, as RELION 4 and 5 read it.

    It is the list that RELION's own job Auto-picking writes (`autopick.star`, table
    `coordinate_files` with rlnMicrographName and rlnMicrographCoordinates), and "Input coordinates"
    of the job Particle extraction (RELION documentation, SPA tutorial, Particle picking; read in
    `Preprocessing::initialise` of src/preprocessing.cpp).

    Parameters
    ----------
    files : coordinate files by the name of their micrograph, both seen from the project's folder.
    path : the .star file.

    Raises
    ------
    MicrographError
        if a name cannot stand in a .star file, or the file cannot be written.
    """
    path = Path(path)
    _require_star(path)
    _write(path, star_file.encode_list(path, {mic: os.fspath(file) for mic, file in files.items()}))


def _format_of(path: Path) -> ModuleType:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise MicrographError(
            f"{path}: coordinates are read and written as {', '.join(SUFFIXES)}; give one of these"
            " suffixes"
        ) from None


def _require_star(path: Path) -> None:
    if path.suffix.lower() != ".star":
        raise MicrographError(f"{path}: must end in .star")


def _write(path: Path, text: str) -> None:
    try:
        atomic_files.write_bytes(path, text.encode())
    except OSError as error:
        raise MicrographError(f"{path}: cannot be written ({error})") from error
