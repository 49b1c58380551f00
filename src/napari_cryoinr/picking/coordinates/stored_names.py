"""Names of micrographs as they stand in files of coordinates."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import MicrographError
from ..micrographs import micrograph_name, names_of

_UID = re.compile(r"^\d{15,21}_(?=.)")  # before the names of files that cryoSPARC has imported


def bare_names(stored: str) -> tuple[str, ...]:
    """Return the names that a micrograph may have that is stored under this name.

    Folders and suffix do not count, nor does the number that cryoSPARC puts before a name.
    """
    name = micrograph_name(stored)
    without = _UID.sub("", name)
    return (name,) if without == name else (name, without)


def chosen_name(
    path: Path, stored: Sequence[str], micrograph: str | os.PathLike[str] | None
) -> str:
    """Return which of the names in a file is that of a micrograph; the only one if that is None.

    Raises MicrographError if there is none, or several.
    """
    shown = ", ".join(stored[:3]) + (", …" if len(stored) > 3 else "")
    if micrograph is None:
        if len(stored) > 1:
            raise MicrographError(
                f"{path}: holds the particles of {len(stored)} micrographs ({shown}): say of which"
                " one"
            )
        return stored[0]
    given = os.fspath(micrograph)
    wanted = [given] if given in stored else []
    for name in names_of(given):
        wanted = wanted or [one for one in stored if name in bare_names(one)]
    if len(wanted) != 1:
        problem = f"{len(wanted)} micrographs" if wanted else "no micrograph"
        raise MicrographError(
            f"{path}: holds {problem} of the name {given} ({shown}): give a name as it stands"
            " in the file"
        )
    return wanted[0]
