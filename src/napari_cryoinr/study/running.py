"""Go through the parts of a study, map by map, and write what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CinrError, SettingsError, one_line
from ..maps.map_reading import read_map
from ..progress import Clock, Progress, Steps, changed_steps, drain
from ..support.signatures import parameters_of
from ..workers.reused_child import ReusedChild
from .cases import Case, case_steps
from .entries import Entry
from .measured import Measured
from .measuring import task_steps
from .pages import FILES, write_results
from .parts import ALL, headline
from .stored_rows import StoredRows, check_folder
from .study_settings import PARTS, StudySettings
from .tasks import Task

_Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Study:
    """What a study came to."""

    entries: tuple[Entry, ...]  # of all parts, in the order of the work
    failed: tuple[tuple[str, str], ...] = ()  # maps that could not be used, and why
    stored: int = 0  # entries that were not measured again


@dataclass(eq=False)
class _Run:
    """A study that is going on."""

    settings: StudySettings
    rows: StoredRows
    child: ReusedChild
    report: Callable[[Entry], object] | None
    total: int  # maps
    clock: Clock = field(default_factory=Clock)
    entries: list[Entry] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    stored: int = 0
    number: int = 0  # of the map, from 0

    def part_steps(self, part: str, tasks: Iterator[Any]) -> Steps[None]:
        """Do the tasks of a part for a map."""
        answer: Measured | None = None
        generator: Any = tasks
        try:
            while True:
                item = generator.send(answer)
                answer = None
                if isinstance(item, Progress):
                    yield self._shown(item, part)
                else:
                    answer = yield from self.task_steps(part, item)
        except StopIteration:
            return
        finally:
            generator.close()

    def task_steps(self, part: str, task: Task) -> Steps[Measured | None]:
        """Do a task, unless its row is there; None if it fails."""
        error = ""
        measured = self.rows.get(task)
        self.stored += measured is not None
        if measured is None:
            call = partial(task_steps, task)
            steps = self.child.run_steps(call, task.title)
            title = f"{part}: {task.title}"
            try:
                measured = yield from changed_steps(
                    steps, lambda record: self._shown(record, title)
                )
            except (CinrError, OSError, MemoryError) as failed:
                error = one_line(failed)
            else:
                self.rows.add(task, measured)
        entry = Entry.of(part, task, measured, error)
        self.entries.append(entry)
        if self.report is not None:
            self.report(entry)
        return measured

    def _shown(self, record: Progress, title: str) -> Progress:
        return replace(
            record,
            phase=f"{title}: {record.words}",
            share=self.number / max(self.total, 1),
            bytes_so_far=0,
        )


def study_steps(
    paths: Sequence[_Path],
    folder: _Path,
    settings: StudySettings | None = None,
    *,
    parts: Sequence[str] = PARTS,
    report: Callable[[Entry], object] | None = None,
) -> Steps[Study]:
    """`study` as a generator of progress; closing it keeps every row that was finished.

    The parameters are those of `study`.

    Returns
    -------
    Study
        What was found; `drain` returns it.
    """
    chosen = settings or StudySettings()
    unknown = [part for part in parts if part not in ALL]
    if unknown:
        raise SettingsError(f"part {unknown[0]!r}: must be one of {', '.join(ALL)}")
    if not paths:
        raise SettingsError("no map was given; give at least one")
    out = Path(folder).expanduser()
    check_folder(out, FILES)
    names = [name for name in ALL if name in parts]
    with ReusedChild() as child:
        run = _Run(chosen, StoredRows(out), child, report, len(paths))
        first: list[Case] = []
        for run.number, path in enumerate(paths):
            yield Progress("reading", run.number, len(paths), run.clock.seconds)
            try:
                case = yield from case_steps(read_map(path), chosen.threshold, run.clock)
            except (CinrError, OSError, MemoryError) as error:
                run.failed.append((Path(path).name, one_line(error)))
                continue
            for name in names:
                try:
                    yield from run.part_steps(name, ALL[name].tasks(case, chosen))
                except (CinrError, OSError, MemoryError) as error:
                    run.failed.append((f"{Path(path).name}, {name}", one_line(error)))
            if len(first) < chosen.together:
                first.append(case)
                if len(first) == chosen.together and "headline" in names:
                    yield from run.task_steps("headline", headline.together(first, chosen))
            if run.number < len(paths) - 1:
                write_results(out, chosen, names, run.entries, run.failed)
        found = Study(tuple(run.entries), tuple(run.failed), run.stored)
    write_results(out, chosen, names, run.entries, run.failed)
    return found


@parameters_of(study_steps)
def study(*given: Any, **options: Any) -> Study:
    """Measure what the source of the model `paper` claims, and what it leaves open, on any maps.

    Rows are stored in the folder as soon as they are measured; a study that was stopped goes on
    where it was. The folder gets a table of each part as CSV, all of them as JSON, plots, and a
    page, `study.html`. A map that cannot be used does not stop the others.

    Parameters
    ----------
    paths : sequence of path
        Map files.
    folder : path
        Where rows and results go, made if need be. It may hold an earlier study.
    settings : StudySettings, optional
        What is measured, and how long networks are trained.
    parts : sequence of str
        Of `PARTS`; by default all.
    report : callable, optional
        Called with each `Entry` as soon as it is there.

    Returns
    -------
    Study

    Raises
    ------
    SettingsError
        For an unknown part, or no maps.
    OutputError
        If the folder cannot be one, or has files that are of no study.
    """
    return drain(study_steps(*given, **options))
