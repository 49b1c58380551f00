"""Training from coordinate files, and picking file by file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..errors import CinrError, MicrographError, one_line
from ..progress import Clock, Progress, Steps, reported_steps
from .coordinates import find_coordinates, read_all_coordinates, read_coordinates, write_coordinates
from .coordinates.stored_names import chosen_name
from .examples import Example
from .micrographs import micrograph_name, read_micrograph
from .picker_model import PickerModel
from .picking_settings import SelectionSettings
from .pixel_sizes import placed
from .scaled_picking import pick_steps


class Outcome(NamedTuple):
    """The result for one micrograph."""

    path: Path  # of the micrograph
    out: Path | None = None  # its coordinates, written now or before; None if picking failed
    picked: int | None = None  # particles written; None if nothing was written
    error: str | None = None  # one line, if picking failed
    box: float | None = None  # of the particles that were written, pixels
    pixel_size: float | None = None  # of the micrograph, Å


@dataclass(frozen=True)
class PickJob:
    """A micrograph to be picked, and how."""

    path: Path
    out: Path  # the file of its coordinates
    threshold: float | None = None  # least score; None: all candidates
    selection: SelectionSettings | None = None
    device: str = "auto"
    overwrite: bool = False
    pixel_size: float | None = None  # Å, in place of what the file says
    needs_pixel_size: bool = False  # the model knows its box in Å alone


def examples_from(micrographs: Mapping[Path, Path], source: Path) -> list[Example]:
    """Read micrographs with their coordinates.

    Parameters
    ----------
    micrographs : mapping from Path to Path
        As from `micrographs_below`: what coordinates in sub-folders are looked for by.
    source : Path
        A folder with a file for each micrograph, or one file for all.

    Raises
    ------
    MicrographError
        If one of them has no coordinates, a file cannot be read, or most coordinates lie outside of
        their micrograph.
    """
    if not source.exists():
        raise MicrographError(f"{source}: no such folder or file; it should hold the coordinates")
    tables = {} if source.is_dir() else read_all_coordinates(source)
    found = []
    for path, result in micrographs.items():
        file, particles = source, tables.get("")
        if source.is_dir():
            file = _needed_file(path, result, source)
            particles = read_coordinates(file, micrograph=path)
        elif particles is None:
            particles = tables[chosen_name(source, list(tables), path)]
        elif len(micrographs) > 1:
            raise MicrographError(
                f"{source}: names no micrograph, and {len(micrographs)} were given: give a folder"
                " with a file for each"
            )
        micrograph = read_micrograph(path)
        found.append(Example(micrograph, placed(particles, micrograph, file)))
    return found


def coordinates_of(path: Path, result: Path, folder: Path) -> Path | None:
    """Find the coordinates of a micrograph in the same sub-folder as its results, or in the folder.

    `result` is that of `micrographs_below`.
    """
    return find_coordinates(path, folder / result.parent) or find_coordinates(path, folder)


def _needed_file(path: Path, result: Path, folder: Path) -> Path:
    file = coordinates_of(path, result, folder)
    if file is None:
        name = micrograph_name(path)
        raise MicrographError(
            f"{folder}: no coordinates for {path.name}: neither {name}.csv nor {name}_gt.csv,"
            f" {name}.box or {name}.star"
        )
    return file


def pick_file_steps(job: PickJob, model: PickerModel | Path) -> Steps[Outcome]:
    """Pick one micrograph with a model or its file; nothing is raised for one that fails.

    One whose coordinates exist is left as it is, so that interrupted work can be resumed.
    """
    if (kept := kept_outcome(job)) is not None:
        return kept
    try:
        micrograph = read_micrograph(job.path)
        if job.pixel_size is not None:
            micrograph = replace(micrograph, pixel_size=job.pixel_size)
        if job.needs_pixel_size and micrograph.pixel_size is None:
            raise MicrographError(
                f"{job.path}: states no pixel size, and the diameter is in Å: give --pixel-size"
            )
        loaded = model if isinstance(model, PickerModel) else PickerModel.load(model)
        found = yield from pick_steps(micrograph, loaded, job.selection, job.device)
        if job.threshold is not None:
            found = found.above(job.threshold)
        job.out.parent.mkdir(parents=True, exist_ok=True)
        write_coordinates(found, job.out, micrograph=job.path.name, overwrite=job.overwrite)
    except (CinrError, OSError, MemoryError) as error:
        return Outcome(job.path, error=one_line(error))
    return Outcome(job.path, job.out, len(found), None, found.box, found.pixel_size)


def kept_outcome(job: PickJob) -> Outcome | None:
    """Return the result of a job that need not be done; None if it has to be."""
    return Outcome(job.path, job.out) if job.out.exists() and not job.overwrite else None


def pick_files_steps(
    jobs: Sequence[PickJob], model: PickerModel, report: Callable[[Outcome], object] | None = None
) -> Steps[list[Outcome]]:
    """Pick micrographs one after the other; `report` is called with each result."""
    clock, outcomes = Clock(), []
    for number, job in enumerate(jobs):
        now = partial(Progress, job.out.stem, number, len(jobs))
        yield now(clock.seconds)
        outcome = yield from reported_steps(pick_file_steps(job, model), now(clock.seconds))
        outcomes.append(outcome)
        if report is not None:
            report(outcome)
    yield Progress("done", len(jobs), len(jobs), clock.seconds)
    return outcomes
