"""Progress on the command line: a bar on a terminal, quiet lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..progress import Progress, Steps, drain
from .common_options import echo
from .interrupts import Interrupts

T = TypeVar("T")
_LINE_SECONDS = 5.0


Bars = contextlib.AbstractContextManager[Callable[[Progress], None]]


def show(
    steps: Steps[T],
    quiet: bool = False,
    may_finish: bool = False,
    bars: Callable[[], Bars] | None = None,
) -> T:
    """Drain a generator of progress and show how it goes, on stderr.

    With `may_finish` the first Ctrl-C during a training ends that early, with what it has. `bars`
    show a record on a terminal in place of the usual bar.
    """
    with contextlib.ExitStack() as stack:
        report = None
        if not quiet:
            report = _reporter(stack, bars or _bar)
        if not may_finish:
            return drain(steps, report)
        interrupts = stack.enter_context(Interrupts())
        return drain(steps, interrupts.watching(report), interrupts.enough)


def _reporter(stack: contextlib.ExitStack, bars: Callable[[], Bars]) -> Callable[[Progress], None]:
    """Return what shows a record: on a bar, where there is a terminal and rich is installed."""
    if sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            return stack.enter_context(bars())
    return _lines()


def _lines() -> Callable[[Progress], None]:
    """Return what prints a line every few seconds."""
    last = time.monotonic()

    def report(record: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            echo(f"{record.words} {record.step}/{record.steps}{_details(record)}", err=True)

    return report


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """Show a bar; yield what shows a record on it."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description:32}"),
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
                bar.reset(task, total=record.steps, description=record.words, details="")
            bar.update(task, completed=record.step, total=record.steps, details=_details(record))

        yield report


def _details(record: Progress) -> str:
    parts = []
    if record.loss is not None:
        parts.append(f"loss {record.loss:.3g}")
    if record.validation_loss is not None:
        parts.append(f"validation {record.validation_loss:.3g}")
    if record.bytes_so_far:
        parts.append(f"{record.bytes_so_far:,} bytes")
    return ("  " + ", ".join(parts)) if parts else ""
