"""Reading and writing the coordinates of particles; the suffix of a file says its format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...errors import MicrographError
from ...support import atomic_files
from ...support.output_paths import check_output
from ..micrographs import names_of
from ..particles import Particles

# The modules of the formats load pandas, so they are imported where they are used.

SUFFIXES = (".csv", ".box", ".star")
_ENDINGS = ("{}.csv", "{}_gt.csv", "{}.box", "{}_gt.box", "{}.star", "{}_gt.star")


def read_coordinates(
    path: str | os.PathLike[str], *, micrograph: str | os.PathLike[str] | None = None
) -> Particles:
    r"""Read the particles of one micrograph.

    Parameters
    ----------
    path : str or path
        A .csv, .box or .star file.
    micrograph : str or path, optional
        Name or path of the micrograph. Only .star files that hold several micrographs need it;
        folders and suffix do not count.

    Returns
    -------
    Particles
        Centres in pixels of the micrograph, with scores, box and pixel size where the file has
        them.

    Raises
    ------
    MicrographError
        If the file is missing or damaged, with the row and the value; or if it holds several
        micrographs and `micrograph` is None or is not one of them.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "A.csv"
    >>> _ = path.write_text("x,y\n12.5,30\n")
    >>> read_coordinates(path).xy
    array([[12.5, 30. ]])
    """
    path = Path(path)
    if not path.is_file():
        raise MicrographError(f"{path}: no such file")
    suffix = _known_suffix(path)
    from . import plain_tables, star_file

    if suffix == ".star":
        return star_file.read_star(path, None if micrograph is None else os.fspath(micrograph))
    return plain_tables.read_csv(path) if suffix == ".csv" else plain_tables.read_box(path)


def find_coordinates(
    micrograph: str | os.PathLike[str], folder: str | os.PathLike[str]
) -> Path | None:
    """Return the file with the coordinates of a micrograph in a folder, or None.

    It is the first that exists of A.csv, A_gt.csv, A.box, A_gt.box, A.star and A_gt.star, where A
    is the name of the micrograph without its suffix. For a name that ends in _avg (the average of a
    movie), all of them are tried with this ending first, then without.
    """
    for name in names_of(micrograph):
        for ending in _ENDINGS:
            path = Path(folder) / ending.format(name)
            if path.is_file():
                return path
    return None


def write_coordinates(
    particles: Particles,
    path: str | os.PathLike[str],
    *,
    micrograph: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> None:
    r"""Write the particles of one micrograph.

    CSV keeps every digit, .box and .star keep ten. EMAN's .box has no place for scores and the
    pixel size, and needs a box size.

    Parameters
    ----------
    particles : Particles
        The particles; there may be none.
    path : str or path
        A .csv, .box or .star file.
    micrograph : str or path, optional
        Name of the micrograph, for the column of .star files.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    MicrographError
        If the format cannot hold the particles, or the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "A.box"
    >>> write_coordinates(Particles([[100, 50]], box=84), path)
    >>> path.read_text()
    '58\t8\t84\t84\n'
    """
    path = Path(path)
    suffix = _known_suffix(path)
    check_output(path, overwrite=overwrite)
    from . import plain_tables, star_file

    if suffix == ".star":
        name = None if micrograph is None else os.fspath(micrograph)
        text = star_file.star_text(path, particles, name)
    elif suffix == ".csv":
        text = plain_tables.csv_text(particles)
    else:
        text = plain_tables.box_text(path, particles)
    _write(path, text)


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
    from . import star_file

    _write(path, star_file.star_table_text(path, tables))


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
    from . import star_file

    names = {micrograph: os.fspath(file) for micrograph, file in files.items()}
    _write(path, star_file.star_list_text(path, names))


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise MicrographError(
            f"{path}: coordinates are read and written as {', '.join(SUFFIXES)}; give one of these"
            " suffixes"
        )
    return suffix


def _write(path: Path, text: str) -> None:
    try:
        atomic_files.write_bytes(path, text.encode())
    except OSError as error:
        raise MicrographError(f"{path}: cannot be written ({error})") from error
