"""Compressing map files, each into a file of its own, in child processes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..archive import Archive, open_archive
from ..codec import compression, streaming
from ..codec.making import made_with
from ..errors import CinrError, DamagedArchive, MapWarning, OutputError, one_line
from ..maps.density_map import DensityMap
from ..maps.map_reading import read_map, stored_bytes
from ..progress import Clock, Progress, Steps
from ..quality.thumbnails import thumbnail_png
from ..support.atomic_files import temporary_folder
from ..support.checksums import VoxelDigest
from .compression_tasks import place, store_map_steps
from .map_jobs import MapJob, MapResult
from .parent_process import ChildEnded, reporting_no_room
from .reused_child import ReusedChild

# -- in the parent


def has_tile_tasks(job: MapJob) -> bool:
    """Return whether a job is divided into tasks that several workers can do."""
    try:
        divided = _by_parts(job) and job.settings.model_name != "lossless"
        return divided and streaming.is_large(stored_bytes(job.source))
    except CinrError:
        return False  # what is wrong with it is said when it is read


def _by_parts(job: MapJob) -> bool:
    """Return whether a map need not be in memory as a whole."""
    alone = job.read is None and job.mask is None and job.half_maps is None
    return alone and streaming.can_stream(job.settings)


def compress_file_steps(job: MapJob, retries: int, child: ReusedChild) -> Steps[MapResult]:
    """Do a job in a child process; closing the generator kills the child.

    A map that is in no file is read in this process. Why a job could not be done is in the result:
    nothing is raised for that. If the child dies, as when the system has no memory left, the job is
    done again, up to `retries` times.
    """
    clock = Clock()
    if job.read is None:
        return (yield from _tried_steps(job, retries, child, clock))
    try:
        with temporary_folder() as folder:
            stored = yield from store_map_steps(job.read(), folder / "map")
            job = replace(job, read=stored.load)
            return (yield from _tried_steps(job, retries, child, clock))
    except (CinrError, OSError, MemoryError) as error:
        return failed(job, one_line(error), clock.seconds)


def _tried_steps(job: MapJob, retries: int, child: ReusedChild, clock: Clock) -> Steps[MapResult]:
    tries, problem = 0, ""
    call, name = partial(compress_file_task, job), job.target.name
    while not problem:
        tries += 1
        try:
            result = yield from child.run_steps(call, job.name, out=name, made=_place)
        except ChildEnded as error:
            if tries > retries:
                problem = one_line(error) + (f"; tried {tries} times" if tries > 1 else "")
        except (CinrError, OSError, MemoryError) as error:
            problem = one_line(error)
        else:
            return replace(result, seconds=clock.seconds)
    return failed(job, problem, clock.seconds)


def failed(job: MapJob, problem: str, seconds: float = 0.0) -> MapResult:
    """Return the result of a job that could not be done."""
    for path in (job.source, job.target):
        problem = problem.replace(str(path), path.name)
    for name in (job.name, job.source.name):
        problem = problem.removeprefix(f"{name}: ")
    return MapResult(job.name, job.source, job.target, seconds=seconds, error=problem)


def _place(made: Path, result: MapResult) -> None:
    if not result.resumed:
        result.target.parent.mkdir(parents=True, exist_ok=True)
        place(made, result.target)


# -- in the child


def compress_file_task(job: MapJob, out: Path) -> Steps[MapResult]:
    """Compress a map file into the file `out`, unless its target is kept."""
    yield Progress("reading", 0, 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MapWarning)
        if job.read is not None:
            original = job.read()
        else:
            original = read_map(job.source, strict=job.strict, lazy=_by_parts(job))
        mask = None if job.mask is None else read_map(job.mask)
        halves = None
        if job.half_maps is not None:
            halves = read_map(job.half_maps[0]), read_map(job.half_maps[1])
    said = tuple(str(w.message) for w in caught if issubclass(w.category, MapWarning))
    kept = None
    if job.resume and job.target.exists():
        kept = yield from _kept_steps(job, original)
    if kept is None:
        with reporting_no_room(out.parent.parent):
            yield from compression.compress_steps(
                original, out, job.settings, masks=mask, half_maps=halves, run=job.run
            )
    with open_archive(out) if kept is None else kept as archive:
        member = archive[0]
        yield Progress("drawing", 0, 1, share=1.0)
        picture = thumbnail_png(original, member.read, member.contour)
        report = member.quality
        if report is not None:
            report = report.with_size(archive.bytes, archive.raw_bytes)
    return MapResult(
        job.name,
        job.source,
        job.target,
        report,
        resumed=kept is not None,
        warnings=said,
        picture=picture,
    )


def _kept_steps(job: MapJob, original: DensityMap) -> Steps[Archive | None]:
    """Return the target as an archive if it is sound and what the job would make; else None."""
    yield Progress("checking", 0, 1)
    try:
        archive = open_archive(job.target)
    except DamagedArchive:
        return None
    except CinrError as error:
        raise OutputError(
            f"{job.target}: is there and no archive of this version ({error}); remove it, or allow"
            " it to be overwritten (--overwrite; in Python overwrite=True)"
        ) from error
    right = False
    try:
        if _is_like(archive, job, original.name):
            checksum = yield from _checksum_steps(original)
            if archive[0].header.original_checksum == checksum:
                yield from archive[0].check_steps()
                right = True
    except DamagedArchive:
        pass
    finally:
        if not right:
            archive.close()
    return archive if right else None


def _checksum_steps(original: DensityMap) -> Steps[str]:
    digest = VoxelDigest()
    for part in original.slabs():
        yield Progress("checking", 0, 1)
        digest.add(original.data[part])
    return digest.text


def _is_like(archive: Archive, job: MapJob, name: str) -> bool:
    """Return whether an archive says that it was made from a map of this name, as the job asks."""
    if len(archive) != 1:
        return False
    header, report = archive[0].header, archive[0].quality
    halves = report is not None and report.half_map_resolution is not None
    return (
        header.name == name
        and header.given_mask == (job.mask is not None)
        and halves == (job.half_maps is not None)
        and made_with(archive, job.settings)
    )
