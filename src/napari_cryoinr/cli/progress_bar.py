"""Progress on the command line: a bar on a terminal, quiet lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from ..progress import Progress, Steps, drain
from .common_options import echo

T = TypeVar("T")
_LINE_SECONDS = 5.0


def show(steps: Steps[T], quiet: bool = False) -> T:
    """Drain a generator of progress and show how it goes, on stderr."""
    if quiet:
        return drain(steps)
    if sys.stderr.isatty():
        return _with_bar(steps)
    return drain(steps, _lines())


def _lines() -> Callable[[Progress], None]:
    """Return what prints a line every few seconds."""
    last = time.monotonic()

    def report(record: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            echo(f"{record.phase} {record.step}/{record.steps}{_details(record)}", err=True)

    return report


def _with_bar(steps: Steps[T]) -> T:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description:20}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[details]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1, details="")

        phase = ""

        def report(record: Progress) -> None:
            nonlocal phase
            if record.phase != phase:
                phase = record.phase
                bar.reset(task, total=record.steps, description=phase, details="")
            bar.update(task, completed=record.step, total=record.steps, details=_details(record))

        return drain(steps, report)


def _details(record: Progress) -> str:
    parts = []
    if record.loss is not None:
        parts.append(f"loss {record.loss:.3g}")
    if record.validation_loss is not None:
        parts.append(f"validation {record.validation_loss:.3g}")
    if record.bytes_so_far:
        parts.append(f"{record.bytes_so_far:,} bytes")
    return ("  " + ", ".join(parts)) if parts else ""
