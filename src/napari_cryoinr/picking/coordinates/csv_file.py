"""CSV: a header with at least x and y, a row for each particle.

Written are the columns x, y, score where there are scores, then box and pixel_size where they are
known, the same in each row: nothing but columns, so that all programs that read tables read these.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ...errors import MicrographError
from ..particles import Particles
from .text import common, lines, number

_NAMES = ("x", "y", "score", "box", "pixel_size")


def read(path: Path, micrograph: str | None) -> Particles:
    """Particles of a file with columns x and y in any place; score, box and pixel_size if there."""
    rows = csv.reader(lines(path), skipinitialspace=True)
    try:
        header, *body = [(rows.line_num, row) for row in rows if any(map(str.strip, row))] or [
            (1, [])
        ]
    except csv.Error as error:
        raise MicrographError(f"{path}: line {rows.line_num}: no CSV ({error})") from error
    names = [name.strip().lower() for name in header[1]]
    for name in ("x", "y"):
        if names.count(name) != 1:
            raise MicrographError(
                f"{path}: line {header[0]} names {names.count(name)} columns {name}: it has to name"
                " the columns, x and y among them once"
            )
    columns: dict[str, list[float]] = {name: [] for name in _NAMES if name in names}
    for line, row in body:
        if len(row) != len(names):
            raise MicrographError(
                f"{path}: line {line} has {len(row)} values where the header names {len(names)}"
                " columns"
            )
        for name, values in columns.items():
            values.append(number(row[names.index(name)], path, line, name))
    return Particles(
        np.column_stack([columns["x"], columns["y"]]),
        np.array(columns["score"]) if "score" in columns else None,
        box=common(columns.get("box", ())),
        pixel_size=common(columns.get("pixel_size", ())),
    )


def encode(path: Path, particles: Particles, micrograph: str | None) -> str:
    """The text of a file."""
    columns = {"x": particles.xy[:, 0].tolist(), "y": particles.xy[:, 1].tolist()}
    if particles.score is not None:
        columns["score"] = particles.score.tolist()
    for name in ("box", "pixel_size"):
        size = getattr(particles, name)
        if size is not None:
            columns[name] = [float(size)] * len(particles)
    body = (",".join(map(repr, row)) for row in zip(*columns.values(), strict=True))
    return "\n".join([",".join(columns), *body, ""])
