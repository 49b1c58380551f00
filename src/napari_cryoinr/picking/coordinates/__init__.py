"""Coordinates of particles in files: CSV, EMAN .box, RELION .star, and other programs' own."""

from .coordinate_files import (
    READ_SUFFIXES,
    SUFFIXES,
    find_coordinates,
    micrograph_of,
    read_all_coordinates,
    read_coordinates,
    write_coordinates,
)

__all__ = ["READ_SUFFIXES", "SUFFIXES", "find_coordinates", "micrograph_of"]
__all__ += ["read_all_coordinates", "read_coordinates", "write_coordinates"]
