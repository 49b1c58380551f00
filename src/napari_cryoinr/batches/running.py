"""Batches: plan, run here or on a cluster, write the summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import OutputError, SettingsError
from ..progress import Steps, drain
from ..settings import Settings
from ..support.signatures import parameters_of
from ..workers.map_jobs import MapJob, MapResult
from .local_running import local_steps
from .planning import Paths, Plan
from .summary import CSV_NAME, HTML_NAME, write_summary

_Path = str | os.PathLike[str]


def batch_steps(
    inputs: Paths,
    folder: _Path,
    settings: Settings | None = None,
    *,
    jobs: int = 1,
    scheduler: _Path | None = None,
    threads: int | None = None,
    retries: int = 1,
    masks: Sequence[_Path] = (),
    half_maps: Sequence[tuple[_Path, _Path]] = (),
    strict: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[MapResult], object] | None = None,
) -> Steps[list[MapResult]]:
    """`batch` as a generator of progress; closing it ends all work, and keeps files that are done.

    The parameters are those of `batch`.

    Returns
    -------
    list of MapResult
        One for each map; `drain` returns it. The records are `BatchProgress`.
    """
    for name, value, low in (("jobs", jobs, 1), ("threads", threads, 1), ("retries", retries, 0)):
        if value is not None and value < low:
            raise SettingsError(f"{name} = {value}: must be at least {low}")
    if scheduler is not None and jobs != 1:
        raise SettingsError(
            f"jobs = {jobs} and a scheduler: the workers of the cluster say how many maps are"
            " compressed at a time; leave jobs out"
        )
    out, chosen = Path(folder).expanduser(), settings or Settings()
    plan = Plan(
        chosen,
        [Path(path) for path in masks],
        [(Path(one), Path(other)) for one, other in half_maps],
        strict,
        threads,
        resume,
        overwrite,
    )
    planned = plan.jobs(inputs, out)
    plan.check_summaries([out / CSV_NAME, out / HTML_NAME], planned)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{out}: is a file; give a folder") from None
    results = yield from planned_steps(planned, jobs, scheduler, threads, retries, report)
    write_summary(out, results, chosen)
    return results


def planned_steps(
    planned: Sequence[MapJob],
    jobs: int = 1,
    scheduler: _Path | None = None,
    threads: int | None = None,
    retries: int = 1,
    report: Callable[[MapResult], object] | None = None,
) -> Steps[list[MapResult]]:
    """Do the jobs of a plan, here or on a cluster; see `batch`."""
    if scheduler is None:
        return (yield from local_steps(planned, jobs, retries, threads, report))
    from ..cluster.dask_running import dask_steps

    return (yield from dask_steps(planned, os.fspath(scheduler), retries, report))


@parameters_of(batch_steps)
def batch(*given: Any, **options: Any) -> list[MapResult]:
    """Compress many map files, each into a `.cinr` file of its own, and write a summary.

    A map that cannot be compressed does not stop the others: its result says why. The folder gets
    `summary.csv` and `summary.html` too, with a row for each map.

    Parameters
    ----------
    inputs : path, or sequence of them
        Map files; folders, whose maps are found by their names, with sub-folders; and patterns
        such as ``maps/*.mrc``.
    folder : path
        Where the files go, made if need be. The sub-folders of a folder that was given are kept.
    settings : Settings, optional
        For all maps.
    jobs : int
        How many maps are compressed at a time on this machine, each in a child process. The files
        do not depend on it.
    scheduler : str or path, optional
        Address or file of the scheduler of a Dask cluster whose workers do the work instead. They
        need this package, and must reach inputs and folder by the same paths. Needs Dask, which
        ``napari-cryoinr[cluster]`` installs.
    threads : int, optional
        Of each job; by default as many as its machine has processors. Files of trained models may
        depend on it.
    retries : int
        How often a map is done again whose worker process died.
    masks : sequence of path
        Soft masks in place of those round the structures: one for all maps, or one for each.
    half_maps : sequence of pairs of path
        Half-maps, a pair for each map, as for `compress`.
    strict : bool
        Refuse maps whose header is wrong in any way.
    resume : bool
        Keep files that are there, are sound, and were made from the same map with the same
        settings; make the others.
    overwrite : bool
        Replace files that exist.
    report : callable, optional
        Called with each `MapResult` as soon as it is known.

    Returns
    -------
    list of MapResult
        One for each map, in the order of the inputs, folders by name.

    Raises
    ------
    MapError, SettingsError, OutputError
        Before anything starts: for inputs that do not exist, settings that cannot be used, maps
        that would become one file, and files that exist.
    CinrError
        If the scheduler cannot be reached.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> for seed in (1, 2):
    ...     cryoinr.write_map(cryoinr.synthetic_map(16, seed=seed), f"map{seed}.mrc")
    >>> settings = cryoinr.Settings(lossless=True)
    >>> results = cryoinr.batch("map*.mrc", "compressed", settings)
    >>> [(result.name, result.target.name, result.error) for result in results]
    [('map1.mrc', 'map1.cinr', ''), ('map2.mrc', 'map2.cinr', '')]
    """
    return drain(batch_steps(*given, **options))
