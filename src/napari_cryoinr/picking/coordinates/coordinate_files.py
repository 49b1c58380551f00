"""Reading and writing the coordinates of particles; the suffix of a file says its format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import MicrographError
from ...support.output_paths import check_output
from ..micrographs import names_of
from ..particles import Particles
from .stored_names import chosen_name

# The modules of the formats load pandas, so they are imported where they are used.

SUFFIXES = (".csv", ".box", ".star")  # that are written
READ_SUFFIXES = (*SUFFIXES, ".cs", ".cbox", ".txt")
_OF_SEVERAL = (".cs", ".txt")  # always: each row names its micrograph
_ADDED = ("_gt", "_autopick", "_manualpick", "_pick", "_picks")  # to a micrograph's name
_ENDINGS = tuple(f"{end}{suffix}" for suffix in SUFFIXES for end in ("", "_gt"))
_ENDINGS += ("_manualpick.star", "_autopick.star", "_pick.star", ".cbox")


def read_coordinates(
    path: str | os.PathLike[str], *, micrograph: str | os.PathLike[str] | None = None
) -> Particles:
    r"""Read the particles of one micrograph.

    Parameters
    ----------
    path : str or path
        A .csv, .box or .star file, one of cryoSPARC (.cs), of crYOLO (.cbox) or of Topaz (.txt).
    micrograph : str or path, optional
        Name or path of the micrograph. Only files that hold several micrographs need it; folders
        and suffix do not count.

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
    suffix = _known_suffix(path, READ_SUFFIXES)
    from . import other_programs, plain_tables, star_reading

    if suffix == ".star":
        return star_reading.read_star(path, micrograph)
    if suffix in _OF_SEVERAL:
        tables = read_all_coordinates(path)
        return tables["" if "" in tables else chosen_name(path, list(tables), micrograph)]
    read = {".csv": plain_tables.read_csv, ".box": plain_tables.read_box}
    return read.get(suffix, other_programs.read_cbox)(path)


def read_all_coordinates(path: str | os.PathLike[str]) -> dict[str, Particles]:
    r"""Read the particles of all micrographs in a file.

    Returns
    -------
    dict of str to Particles
        By the name of the micrograph as it stands in the file, and "" where the file has none, as
        in .csv, .box and .cbox files.

    Raises
    ------
    MicrographError
        As `read_coordinates`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "A.csv"
    >>> _ = path.write_text("x,y\n12.5,30\n")
    >>> list(read_all_coordinates(path))
    ['']
    """
    path = Path(path)
    if not path.is_file() or path.suffix.lower() not in (".star", *_OF_SEVERAL):
        return {"": read_coordinates(path)}
    from . import cryosparc_file, other_programs, star_reading

    if path.suffix.lower() == ".star":
        return star_reading.read_star_by_micrograph(path)
    read = cryosparc_file.read_cs if path.suffix.lower() == ".cs" else other_programs.read_topaz
    return read(path) or {"": Particles(np.empty((0, 2)))}


def micrograph_of(path: str | os.PathLike[str]) -> str:
    """Return the name of the micrograph that a file of coordinates is named after.

    Endings that programs add are left out: A_gt.box, A_autopick.star and A.csv are those of A.
    """
    stem = Path(path).stem
    ending = next((end for end in _ADDED if stem.lower().endswith(end)), "")
    return stem[: len(stem) - len(ending)] or stem


def find_coordinates(
    micrograph: str | os.PathLike[str], folder: str | os.PathLike[str]
) -> Path | None:
    """Return the file with the coordinates of a micrograph in a folder, or None.

    It is the first that exists of A.csv, A_gt.csv, A.box, A_gt.box, A.star, A_gt.star,
    A_manualpick.star, A_autopick.star, A_pick.star and A.cbox, where A is the name of the
    micrograph without its suffix. For a name that ends in _avg (the average of a movie), all of
    them are tried with this ending first, then without.
    """
    for name in names_of(micrograph):
        for ending in _ENDINGS:
            path = Path(folder) / f"{name}{ending}"
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
    suffix = _known_suffix(path, SUFFIXES)
    check_output(path, overwrite=overwrite)
    from . import plain_tables, star_file

    if suffix == ".star":
        star_file.write_star(path, particles, micrograph)
    elif suffix == ".csv":
        plain_tables.write_csv(path, particles)
    else:
        plain_tables.write_box(path, particles)


def _known_suffix(path: Path, known: Sequence[str]) -> str:
    suffix = path.suffix.lower()
    if suffix not in known:
        done = "written" if known is SUFFIXES else "read"
        raise MicrographError(
            f"{path}: coordinates are {done} as {', '.join(known)}; give one of these suffixes"
        )
    return suffix
