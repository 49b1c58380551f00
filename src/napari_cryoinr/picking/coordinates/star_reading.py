"""Reading particles from the .star files of every RELION job, of 3.0 (one table) and of later ones.

Manual picking and Auto-picking write one file for each micrograph, and a list of them; extraction,
2D and 3D classification and refinement write the particles of all micrographs in one table.

Coordinates are pixels of the micrograph in all of them, also where the particle images are smaller
than they were in the micrograph. Classification and refinement find where the particle is in its
image: rlnOriginXAngst and Y are subtracted, as RELION's job Particle extraction does when it
re-extracts with new centres (`Preprocessing::getCoordinateMetaDataTable` in src/preprocessing.cpp),
but not rounded to whole pixels.

The pixel size of the micrograph is not always there: extraction keeps that of the original movie,
which may have been binned since, and files converted from RELION 3.0 have that of the images alone.
`pixel_sizes.fitting` finds what fits the micrograph.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import MicrographError
from ...support.array_types import Float64Array
from ..particles import Particles
from .plain_tables import finite_numbers, one_size, read_box
from .star_tables import (
    COORDINATES,
    DETECTOR_PIXEL,
    GROUP,
    IMAGE_PIXEL,
    IMAGE_SIZE,
    MAGNIFICATION,
    MICROGRAPH,
    ORIGINAL_PIXEL,
    ORIGINS,
    ORIGINS_30,
    PIXEL,
    SCORE,
    TOMOGRAM,
    X,
    Y,
    Z,
    read_blocks,
)
from .stored_names import chosen_name

_NO_SCORE = -999.0  # of RELION, where nothing was scored, as in manual picking


def read_star(path: Path, micrograph: str | os.PathLike[str] | None) -> Particles:
    """Particles of one micrograph; `micrograph` says which where the file holds several."""
    blocks = read_blocks(path)
    files = _listed_files(path, blocks)
    if files:
        name = chosen_name(path, list(files), micrograph)
        return _read_listed(files[name], name)
    return _read_table(path, blocks, micrograph)


def _read_table(
    path: Path, blocks: dict[str, pd.DataFrame], micrograph: str | os.PathLike[str] | None
) -> Particles:
    table, optics = _coordinate_table(path, blocks)
    if MICROGRAPH in table and len(table):
        names = table[MICROGRAPH].astype(str)
        table = table[names == chosen_name(path, list(names.unique()), micrograph)]
    return _particles(path, table, optics)


def read_star_by_micrograph(path: Path) -> dict[str, Particles]:
    """Particles by the name of their micrograph as it stands in the file; "" where none does."""
    blocks = read_blocks(path)
    files = _listed_files(path, blocks)
    if files:
        return {name: _read_listed(file, name) for name, file in files.items()}
    table, optics = _coordinate_table(path, blocks)
    if MICROGRAPH not in table or table.empty:
        return {"": _particles(path, table, optics)}
    groups = table.groupby(table[MICROGRAPH].astype(str), sort=False)
    return {str(name): _particles(path, rows, optics) for name, rows in groups}


def _listed_files(path: Path, blocks: dict[str, pd.DataFrame]) -> dict[str, Path]:
    """Return the coordinate files of a list, such as autopick.star; empty for other files.

    Their paths begin at the folder of the RELION project, which is one of those that hold the list,
    if it is not the working directory.
    """
    for table in blocks.values():
        if MICROGRAPH in table and COORDINATES in table:
            break
    else:
        return {}
    found = {}
    for name, file in zip(table[MICROGRAPH], table[COORDINATES], strict=True):
        places = (folder / str(file) for folder in (Path(), *path.absolute().parents))
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise MicrographError(
                f"{path}: {file} is neither in the working directory nor in a folder above the"
                " list: change to the folder of the RELION project"
            )
        found[str(name)] = there
    return found


def _read_listed(path: Path, micrograph: str) -> Particles:
    """Read one file of a list; RELION's job Import takes .box files too."""
    if path.suffix.lower() == ".box":
        return read_box(path)
    return _read_table(path, read_blocks(path), micrograph)


def _coordinate_table(
    path: Path, blocks: dict[str, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the table with the coordinates, and that of the optics groups."""
    labels = [str(label) for table in blocks.values() for label in table]
    tomogram = next((label for label in labels if label.startswith(TOMOGRAM)), None)
    with_coordinates = [name for name, table in blocks.items() if X in table and Y in table]
    if tomogram is None and not with_coordinates:
        raise MicrographError(f"{path}: no table with {X} and {Y}: no coordinates of particles")
    name = "particles" if "particles" in with_coordinates else next(iter(with_coordinates), "")
    if tomogram is None and Z in blocks[name] and finite_numbers(path, blocks[name], Z).any():
        tomogram = Z
    if tomogram is not None:
        raise MicrographError(
            f"{path}: holds positions in tomograms ({tomogram}), not in micrographs: give those of"
            " a micrograph"
        )
    return blocks[name], blocks.get("optics")


def _particles(path: Path, table: pd.DataFrame, optics: pd.DataFrame | None) -> Particles:
    """Return the particles of the rows of one micrograph."""
    pixel_size, box, image_pixel = _sizes(path, table, optics)
    xy = np.column_stack([finite_numbers(path, table, label) for label in (X, Y)])
    xy -= _origins(path, table, pixel_size, image_pixel)
    score = finite_numbers(path, table, SCORE) if SCORE in table else None
    if score is not None and len(score) and (score == _NO_SCORE).all():
        score = None
    return Particles(xy, score, box, pixel_size)


def _origins(
    path: Path, table: pd.DataFrame, pixel_size: float | None, image_pixel: float | None
) -> Float64Array:
    """Return what has to be subtracted from the coordinates, pixels of the micrograph."""
    for labels, unit in ((ORIGINS, 1.0), (ORIGINS_30, image_pixel or pixel_size or 1.0)):
        if all(label in table for label in labels):
            origins = np.column_stack([finite_numbers(path, table, label) for label in labels])
            if pixel_size is None and labels == ORIGINS and origins.any():
                raise MicrographError(
                    f"{path}: the positions are to be shifted by {ORIGINS[0]}, in Å, and there is"
                    f" no one pixel size: add {PIXEL}"
                )
            return origins * (unit / (pixel_size or 1.0))
    return np.zeros((1, 2))


def _sizes(
    path: Path, table: pd.DataFrame, optics: pd.DataFrame | None
) -> tuple[float | None, float | None, float | None]:
    """Return the pixel size of the micrograph, the box in its pixels, and the images' pixel size.

    Each is None if the file has none.
    """
    groups = optics
    if optics is not None and GROUP in table and GROUP in optics and len(table):
        groups = optics[optics[GROUP].isin(table[GROUP])]

    def stated(label: str) -> float | None:
        """Return the one value of a label, from the rows or from their optics groups."""
        for source in (table, groups):
            if source is not None and label in source:
                return one_size(finite_numbers(path, source, label))
        return None

    image_pixel, box = stated(IMAGE_PIXEL), stated(IMAGE_SIZE)
    pixel = stated(PIXEL)
    if pixel is None and (detector := stated(DETECTOR_PIXEL)):  # RELION 3.0: µm on the detector
        pixel = detector * 1e4 / (stated(MAGNIFICATION) or 1e4)
    pixel = pixel or stated(ORIGINAL_PIXEL) or image_pixel
    if box and pixel and image_pixel and image_pixel != pixel:  # extracted and rescaled images
        box *= image_pixel / pixel
    return pixel, box, image_pixel
