"""Coordinates from other programs, found for the micrographs of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import MicrographError
from ...progress import Clock, Progress, Steps
from ..coordinates import micrograph_of, read_all_coordinates
from ..coordinates.stored_names import bare_names
from ..micrographs import Micrograph, names_of, read_micrograph
from ..particles import Particles
from ..pixel_sizes import placed


def import_steps(
    files: Sequence[Path], micrographs: Mapping[str, Path | Micrograph], current: str
) -> Steps[dict[str, list[Particles]]]:
    """Read files of coordinates for these micrographs, by their names in a session.

    A file belongs to the micrographs that it names, or to that which it is named after; a single
    file of neither kind to the `current` one.

    Returns
    -------
    dict of str to list of Particles
        What was found for each micrograph, in its pixels.

    Raises
    ------
    MicrographError
        If a file cannot be read, belongs to none of the micrographs, or has most of its places
        outside of them.
    """
    keys = list(micrographs)
    by_name = {name: key for key in reversed(keys) for name in reversed(names_of(key))}
    found: dict[str, list[Particles]] = {}
    clock = Clock()
    for number, path in enumerate(files):
        yield Progress(path.name, number, len(files), clock.seconds)
        taken = 0
        for named, particles in read_all_coordinates(path).items():
            names = bare_names(named) if named else (micrograph_of(path),)
            key = next((by_name[name] for name in names if name in by_name), None)
            if key is None and not named and len(files) == 1:
                key = current
            if key is not None:
                yield Progress(key, number, len(files), clock.seconds)
                source = micrographs[key]
                micrograph = source if isinstance(source, Micrograph) else read_micrograph(source)
                found.setdefault(key, []).append(placed(particles, micrograph, path))
                taken += 1
        if not taken:
            raise MicrographError(
                f"{path.name}: belongs to none of the {len(micrographs)} micrographs that are open:"
                " name it after its micrograph, or open the folder with it"
            )
    return found
