"""Which maps a batch compresses, and into which files; all is checked before anything starts."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ..codec.compression import SUFFIX
from ..errors import MapError, OutputError, SettingsError
from ..maps.density_map import COMPRESSIONS, MAP_SUFFIXES
from ..maps.map_reading import map_name
from ..settings import Settings
from ..support.output_paths import check_output, folded
from ..workers.map_jobs import MapJob

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_ENDINGS = tuple(one + packed for one in MAP_SUFFIXES for packed in ("", *COMPRESSIONS))


@dataclass(frozen=True)
class Plan:
    """What a batch does.

    Existing files stop it, unless it is to `resume`, which keeps those that are sound and were made
    from the same map with the same settings, or to `overwrite` them.
    """

    settings: Settings
    masks: Sequence[Path] = ()  # none, one for all maps, or one for each
    half_maps: Sequence[tuple[Path, Path]] = ()  # none, or a pair for each map
    strict: bool = False
    threads: int | None = None
    resume: bool = False
    overwrite: bool = False

    def jobs(self, inputs: Paths, folder: Path) -> list[MapJob]:
        """Return a job for each map of files, folders and patterns.

        Raises
        ------
        MapError
            If there is none, or an input does not exist.
        OutputError
            If two maps would become one file, or a file exists.
        SettingsError
            For numbers of masks or half-maps that do not fit, or settings that contradict.
        """
        if self.resume and self.overwrite:
            raise SettingsError("resume and overwrite contradict each other: give one of them")
        found = find_maps(inputs)
        if len(self.masks) not in (0, 1, len(found)):
            raise SettingsError(
                f"{len(self.masks)} masks for {len(found)} maps: give one, or as many"
            )
        if len(self.half_maps) not in (0, len(found)):
            raise SettingsError(
                f"{len(self.half_maps)} pairs of half-maps for {len(found)} maps: give one for each"
            )
        masks = [_absolute(path) for path in self.masks]
        masks = masks * len(found) if len(masks) == 1 else masks
        halves = [(_absolute(one), _absolute(other)) for one, other in self.half_maps]
        jobs = []
        for number, (relative, source) in enumerate(found):
            target = _absolute(folder) / relative.with_name(map_name(source) + SUFFIX)
            mask = masks[number] if masks else None
            pair = halves[number] if halves else None
            job = MapJob(relative.as_posix(), source, target, self.settings, mask, pair)
            jobs.append(replace(job, strict=self.strict, resume=self.resume, threads=self.threads))
        _check_different(jobs)
        self._check_free(folder, [job.target for job in jobs], [job.source for job in jobs])
        return jobs

    def check_summaries(self, paths: Sequence[Path], jobs: Sequence[MapJob]) -> None:
        """Raise `OutputError` if files for a summary are there, or are maps of the batch."""
        self._check_free(paths[0].parent, paths, [job.source for job in jobs])

    def _check_free(self, folder: Path, targets: Sequence[Path], sources: Sequence[Path]) -> None:
        there = [path for path in targets if os.path.lexists(path)]
        for path in there:
            check_output(path, inputs=sources, overwrite=True)
        if there and not (self.resume or self.overwrite):
            which = (
                there[0].name if len(there) == 1 else f"{there[0].name} and {len(there) - 1} more"
            )
            raise OutputError(
                f"{folder}: {which} exist already; keep what is sound and do the rest (--resume;"
                " in Python resume=True), or allow all to be overwritten (--overwrite; in Python"
                " overwrite=True)"
            )


def map_files(folder: Path, *, deep: bool = True) -> list[Path]:
    """Return the files of a folder that are maps by their name, sorted; hidden ones do not count.

    With `deep`, those of its sub-folders too.
    """
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        maps = (n for n in names if n.lower().endswith(_ENDINGS) and not n.startswith("."))
        found += [Path(where, name) for name in sorted(maps)]
    return [path for path in found if path.is_file()]


def find_maps(inputs: Paths) -> list[tuple[PurePath, Path]]:
    """Return the maps of files, folders and patterns, each once.

    Returns
    -------
    list of (pathlib.PurePath, pathlib.Path)
        For each map the path below the folder that was given, or its name where a file was; and
        its absolute path.

    Raises
    ------
    MapError
        If there is none, or an input does not exist.
    """
    given = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    found: dict[str, tuple[PurePath, Path]] = {}
    for path in _expanded(given):
        if path.is_dir():
            maps = [(file.relative_to(path), file) for file in map_files(path)]
            if not maps:
                raise MapError(
                    f"{path}: holds no map; their names end in {', '.join(MAP_SUFFIXES)}"
                )
        else:
            maps = [(Path(path.name), path)]
        for relative, file in maps:
            found.setdefault(os.path.realpath(file), (relative, _absolute(file)))
    if not found:
        raise MapError("no map was given; give files or folders")
    return list(found.values())


def _expanded(given: Sequence[str | os.PathLike[str]]) -> Iterator[Path]:
    """Yield the paths that patterns stand for, and the others as they are."""
    for path in (Path(one).expanduser() for one in given):
        if path.exists():
            yield path
            continue
        matching = sorted(glob.glob(str(path), recursive=True))
        if not matching:
            raise MapError(f"{path}: no such file or folder")
        yield from map(Path, matching)


def _check_different(jobs: Sequence[MapJob]) -> None:
    made: dict[str, MapJob] = {}
    for job in jobs:
        other = made.setdefault(folded(str(job.target)), job)
        if other is not job:
            raise OutputError(
                f"{other.source} and {job.source} would both become {job.target.name}; rename one,"
                " or give the folder that holds both"
            )


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
