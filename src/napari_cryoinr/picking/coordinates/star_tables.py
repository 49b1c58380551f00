"""The tables of .star files, read by the package starfile, and the labels of RELION's columns."""

from __future__ import annotations

import linecache
from pathlib import Path

import pandas as pd
import starfile

from ...errors import MicrographError

X, Y, Z, SCORE = "rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ", "rlnAutopickFigureOfMerit"
MICROGRAPH, COORDINATES = "rlnMicrographName", "rlnMicrographCoordinates"
IMAGE, GROUP, TOMOGRAM = "rlnImageName", "rlnOpticsGroup", "rlnTomo"
PIXEL, ORIGINAL_PIXEL = "rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize"
IMAGE_PIXEL, IMAGE_SIZE = "rlnImagePixelSize", "rlnImageSize"
DETECTOR_PIXEL, MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
ORIGINS = ("rlnOriginXAngst", "rlnOriginYAngst")  # Å
ORIGINS_30 = ("rlnOriginX", "rlnOriginY")  # pixels of the particle images
# What starfile raises for files that it cannot read.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)


def read_blocks(path: Path) -> dict[str, pd.DataFrame]:
    """Read all tables of a file by their names, or raise MicrographError."""
    linecache.clearcache()  # starfile reads through it; after a failure it holds the old text
    try:
        blocks = starfile.read(path, always_dict=True, parse_as_string=[MICROGRAPH, COORDINATES])
    except _UNREADABLE as error:
        reason = " ".join((str(error) or type(error).__name__).split())
        raise MicrographError(f"{path}: not a readable .star file ({reason})") from error
    for name, block in blocks.items():
        # A block without loop_ has one value for each label.
        blocks[name] = pd.DataFrame([block] if isinstance(block, dict) else block)
        if blocks[name].columns.has_duplicates:
            raise MicrographError(f"{path}: the table data_{name} has one label twice")
    return blocks
