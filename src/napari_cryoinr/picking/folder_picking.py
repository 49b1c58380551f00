"""Training from coordinate files, and picking file by file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import CinrError, MicrographError, one_line
from ..progress import Clock, Progress, Steps, drain
from .coordinates import find_coordinates, read_coordinates, write_coordinates
from .examples import Example
from .micrographs import micrograph_name, read_micrograph
from .picker import pick_steps
from .picker_model import PickerModel
from .picking_settings import SelectionSettings


class Outcome(NamedTuple):
    """The result for one micrograph."""

    path: Path  # of the micrograph
    out: Path | None = None  # its coordinates, written now or before; None if picking failed
    picked: int | None = None  # particles written; None if nothing was written
    error: str | None = None  # one line, if picking failed


def examples_from(micrographs: Sequence[Path], folder: Path) -> list[Example]:
    """Read micrographs with their coordinates in a folder.

    Raises
    ------
    MicrographError
        If one of them has no coordinates, or a file cannot be read.
    """
    if not folder.is_dir():
        raise MicrographError(f"{folder}: no such folder; it should hold the coordinates")
    found = []
    for path in micrographs:
        coordinates = find_coordinates(path, folder)
        if coordinates is None:
            name = micrograph_name(path)
            raise MicrographError(
                f"{folder}: no coordinates for {path.name}: neither {name}.csv nor {name}_gt.csv,"
                f" {name}.box or {name}.star"
            )
        particles = read_coordinates(coordinates, micrograph=path)
        found.append(Example(read_micrograph(path), particles))
    return found


def pick_folder_steps(
    micrographs: Sequence[Path],
    model: PickerModel,
    folder: Path,
    suffix: str = ".csv",
    threshold: float | None = None,
    selection: SelectionSettings | None = None,
    device: str = "auto",
    *,
    overwrite: bool = False,
) -> Steps[list[Outcome]]:
    """Pick micrographs one after the other.

    A micrograph that fails does not stop the others. One whose coordinates exist is skipped, so
    that interrupted work can be resumed; `overwrite` picks it again. Coordinates with at least the
    threshold, None for all candidates, go to `folder`, which is made if necessary.
    """
    clock = Clock()
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for number, path in enumerate(micrographs):
        name = micrograph_name(path)
        out = folder / f"{name}{suffix}"
        yield Progress(name, number, len(micrographs), clock.seconds)
        if out.exists() and not overwrite:
            outcomes.append(Outcome(path, out))
            continue
        try:
            found = drain(pick_steps(read_micrograph(path), model, selection, device))
            if threshold is not None:
                found = found.above(threshold)
            write_coordinates(found, out, micrograph=path.name, overwrite=overwrite)
        except (CinrError, OSError, MemoryError) as error:
            outcomes.append(Outcome(path, error=one_line(error)))
        else:
            outcomes.append(Outcome(path, out, len(found)))
    yield Progress("done", len(micrographs), len(micrographs), clock.seconds)
    return outcomes
