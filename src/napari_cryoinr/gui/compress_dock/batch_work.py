"""What the Batch panel runs: the plan and the runner of `cryoinr batch`; layers too."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...batches.planning import Plan, map_files
from ...batches.running import planned_steps
from ...errors import MapError
from ...progress import Progress, Steps, changed_steps
from ...settings import Settings
from ...support.output_paths import file_stems
from ...workers.map_jobs import BatchProgress, MapJob, MapResult
from ...workers.map_tasks import failed
from ..io.map_layers import MapReader

LEAVE, RESUME, REPLACE = "Left as they are", "Kept where right", "Replaced"
"""What may become of files that exist."""


@dataclass(frozen=True)
class Batch:
    """What is asked for; `report` is called with each result, in the thread that does the work."""

    folder: Path  # of the files
    settings: Settings
    report: Callable[[MapResult], object]
    existing: str = LEAVE
    jobs: int = 1
    scheduler: str | None = None  # of a Dask cluster, for maps in files

    def files_steps(self, source: Path, deep: bool) -> Steps[list[MapResult]]:
        """Compress the maps of a folder, with `deep` those of its sub-folders too."""
        plan = Plan(
            self.settings, resume=self.existing == RESUME, overwrite=self.existing != RESUME
        )
        yield Progress("looking for maps", 0, 1)
        found = map_files(source, deep=deep)
        if not found:
            raise MapError(f"{source}: holds no map (MRC/CCP4)")
        planned = plan.jobs(source if deep else found, self.folder)
        return (yield from self._steps(planned, self.scheduler))

    def layers_steps(self, layers: Sequence[tuple[str, MapReader]]) -> Steps[list[MapResult]]:
        """Compress layers, each given by its name and what reads it in any thread."""
        planned = []
        for (name, read), stem in zip(layers, file_stems([n for n, _ in layers]), strict=True):
            target = Path(os.path.abspath(self.folder)) / f"{stem}.cinr"
            job = MapJob(name, Path(name), target, self.settings, read=read)
            planned.append(replace(job, resume=self.existing == RESUME))
        return (yield from self._steps(planned, None))

    def _steps(self, planned: Sequence[MapJob], scheduler: str | None) -> Steps[list[MapResult]]:
        left = [job for job in planned if self.existing == LEAVE and os.path.lexists(job.target)]
        results = {}
        for job in left:
            results[job.target] = failed(job, f"{job.target.name} exists already; left as it is")
            self.report(results[job.target])
        wanted = [job for job in planned if job.target not in results]
        jobs = self.jobs if scheduler is None else 1
        steps = planned_steps(wanted, jobs, scheduler, report=self.report)
        for made in (yield from changed_steps(steps, _said)):
            results[made.target] = made
        return [results[job.target] for job in planned]


def _said(record: Progress) -> Progress:
    """Return a record whose phase says what the workers do."""
    if not isinstance(record, BatchProgress) or not record.running:
        return record
    first, *others = record.running
    more = f" and {len(others)} more" if others else ""
    return replace(record, phase=f"{first.name}: {first.record.words}{more}")
