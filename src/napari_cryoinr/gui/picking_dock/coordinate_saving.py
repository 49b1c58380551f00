"""Saving the coordinates of a session for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...picking.coordinates import write_coordinates
from ...picking.micrographs import micrograph_name
from ...picking.session import Session
from ...progress import Clock, Progress, Steps


@dataclass(frozen=True)
class Saved:
    """What was written: how many particles, how many files, and where."""

    particles: int
    files: int
    folder: Path


def save_steps(session: Session, folder: Path) -> Steps[Saved]:
    """Write a file for each micrograph that has particles, in the format of the settings.

    Raises
    ------
    MicrographError, OSError
        if the format cannot hold them, or a file cannot be written.
    """
    clock, suffix = Clock(), session.settings.format
    found = {name: session.particles_of(name) for name in sorted(session.entries)}
    found = {name: particles for name, particles in found.items() if len(particles)}
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, particles) in enumerate(found.items()):
        yield Progress(name, number, len(found), clock.seconds)
        path = folder / f"{micrograph_name(name)}{suffix}"
        write_coordinates(particles, path, micrograph=name)
    return Saved(sum(map(len, found.values())), len(found), folder)
