"""Coordinates of particles in files: CSV, EMAN .box and RELION .star."""

from .coordinate_files import (
    SUFFIXES,
    find_coordinates,
    micrograph_of,
    read_all_coordinates,
    read_coordinates,
    write_coordinates,
)

__all__ = ["SUFFIXES", "find_coordinates", "micrograph_of", "read_all_coordinates"]
__all__ += ["read_coordinates", "write_coordinates"]
