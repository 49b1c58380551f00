"""Which file of a folder holds the coordinates of a micrograph."""

from __future__ import annotations

import os
from pathlib import Path

from ..micrographs import micrograph_name

_AVERAGED = "_avg"
_ENDINGS = ("{}.csv", "{}_gt.csv", "{}.box", "{}_gt.box", "{}.star", "{}_gt.star")


def find_coordinates(
    micrograph: str | os.PathLike[str], folder: str | os.PathLike[str]
) -> Path | None:
    """The coordinates of a micrograph in a folder, or None.

    It is the first one that is there of A.csv, A_gt.csv, A.box, A_gt.box, A.star and A_gt.star,
    where A is the name of the micrograph without its suffix. For a name that ends in _avg (the
    average of a movie) all of them are looked for with this ending first, then without.
    """
    for name in names_of(micrograph):
        for ending in _ENDINGS:
            path = Path(folder) / ending.format(name)
            if path.is_file():
                return path
    return None


def names_of(micrograph: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names under which coordinates of a micrograph may be filed, the nearest first."""
    name = micrograph_name(micrograph)
    bare = name.removesuffix(_AVERAGED)
    return (name, bare) if bare and bare != name else (name,)
