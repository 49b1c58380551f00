"""Reading particles from the files of crYOLO (.cbox) and Topaz (.txt).

A .cbox file is a .star file whose table `cryolo` has the corner of each box, as EMAN's .box, its
width and height, and the confidence. crYOLO keeps boxes of low confidence in it (crYOLO
documentation, "CBOX files").

Topaz has a table for all micrographs, separated by tabs, with the columns image_name, without
folder and suffix, x_coord, y_coord and score. Coordinates are pixels of the images that it picked
in: `topaz convert -s` scales them to those of the micrographs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import MicrographError
from ..particles import Particles
from .plain_tables import finite_numbers, one_size, read_named_table
from .star_tables import read_blocks

_CRYOLO = ("CoordinateX", "CoordinateY", "Width", "Height")
_DEPTH = "CoordinateZ"
_TOPAZ = ("image_name", "x_coord", "y_coord")


def read_cbox(path: Path) -> Particles:
    """Read a .cbox file."""
    table = read_blocks(path).get("cryolo")
    if table is None or not all(name in table for name in _CRYOLO):
        raise MicrographError(
            f"{path}: no table cryolo with {', '.join(_CRYOLO)}: no coordinates of crYOLO"
        )
    if _DEPTH in table and len(set(table[_DEPTH].astype(str))) > 1:
        raise MicrographError(
            f"{path}: holds positions in a tomogram ({_DEPTH}), not in a micrograph: give those of"
            " a micrograph"
        )
    corners, sizes = (
        np.column_stack([finite_numbers(path, table, name) for name in names])
        for names in (_CRYOLO[:2], _CRYOLO[2:])
    )
    score = finite_numbers(path, table, "Confidence") if "Confidence" in table else None
    return Particles(corners + sizes / 2, score, one_size(sizes))


def read_topaz(path: Path) -> dict[str, Particles]:
    """Read a table of Topaz; particles by the name of their micrograph."""
    table = read_named_table(path, _TOPAZ, sep="\t")
    xy = np.column_stack([finite_numbers(path, table, name) for name in _TOPAZ[1:]])
    score = finite_numbers(path, table, "score") if "score" in table else None
    names = table[_TOPAZ[0]].astype(str).to_numpy()
    return {
        str(name): Particles(xy[names == name], None if score is None else score[names == name])
        for name in dict.fromkeys(names)
    }
