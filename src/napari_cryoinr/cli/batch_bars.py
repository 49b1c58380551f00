"""Progress of a batch on a terminal: a bar for the whole, and one for each worker."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ..progress import Progress
from .common_options import escaped


@contextlib.contextmanager
def batch_bars() -> Iterator[Callable[[Progress], None]]:
    """Show the bars; yield what shows a `BatchProgress` on them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from ..workers.map_jobs import BatchProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        whole = bar.add_task("all maps", total=1, details="")
        of_worker: dict[str, TaskID] = {}

        def report(record: Progress) -> None:
            details = f"{record.step} of {record.steps}, {record.phase}"
            bar.update(whole, completed=record.share or 0, details=details)
            if not isinstance(record, BatchProgress):
                return
            busy = {one.worker: one for one in record.running}
            for worker in busy.keys() - of_worker.keys():
                name = escape(escaped(worker))
                of_worker[worker] = bar.add_task(f"worker {name}", total=1, details="")
            for worker, task in of_worker.items():
                shown, share = "", 0.0
                if worker in busy:
                    one = busy[worker]
                    shown, share = f"{one.name}: {one.record.phase}", one.record.share or 0.0
                bar.update(task, completed=share, details=escaped(shown))

        yield report
