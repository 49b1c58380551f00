"""Coordinates of particles in files: CSV, EMAN .box and RELION .star."""

from __future__ import annotations

from .coordinate_files import (
    SUFFIXES,
    find_coordinates,
    read_coordinates,
    write_coordinates,
    write_star_list,
    write_star_table,
)

__all__ = [
    "SUFFIXES",
    "find_coordinates",
    "read_coordinates",
    "write_coordinates",
    "write_star_list",
    "write_star_table",
]
