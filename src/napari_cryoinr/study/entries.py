"""What the tables, plots and claims of a study are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from .measured import Measured
from .tasks import Task

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase


@dataclass(frozen=True)
class Entry:
    """A task without its maps, and what was measured, or why nothing was."""

    part: str
    variant: str
    name: str  # of the map, or of all in the archive
    original: str  # of the map before it was low-passed
    resolution: float  # Å
    filtered: bool  # whether it was low-passed for the study
    raw_bytes: int
    settings: dict[str, Any]  # of the model paper, which differ from the source's
    measured: Measured | None
    error: str = ""

    @classmethod
    def of(cls, part: str, task: Task, measured: Measured | None, error: str = "") -> Entry:
        """Return the entry of a task."""
        first = task.cases[0]
        return cls(
            part,
            task.variant,
            task.name,
            task.name.removesuffix(f" at {first.resolution:g} Å"),
            max(case.resolution for case in task.cases),
            first.filtered,
            sum(case.map.raw_bytes for case in task.cases),
            task.paper,
            measured,
            error,
        )


@dataclass(frozen=True)
class Claim:
    """What the source says or asks, beside what was measured."""

    claim: str
    published: str
    measured: str
    over: str  # what it was measured over
    holds: bool | None = None  # None where it is no yes or no


Chart = tuple[str, Callable[["FigureBase"], None]]
"""A caption, and what draws the chart on a figure."""


@dataclass(frozen=True)
class Part:
    """One question of the study: what is measured for it, and what is made of that."""

    name: str
    title: str
    about: str  # a sentence or two above the table
    # tasks of one case; `tasks_of_all` those that need several
    tasks: Callable[..., Any]
    claims: Callable[[Sequence[Entry]], list[Claim]]
    charts: Callable[[Sequence[Entry]], list[Chart]]


def done(entries: Iterable[Entry], *variants: str) -> list[tuple[Entry, Measured]]:
    """Return the entries of these variants, of all without any, that were measured."""
    return [
        (entry, entry.measured)
        for entry in entries
        if entry.measured is not None and (not variants or entry.variant in variants)
    ]


def by_variant(entries: Iterable[Entry]) -> dict[str, list[tuple[Entry, Measured]]]:
    """Return what was measured by variant, in the order in which they come up."""
    found: dict[str, list[tuple[Entry, Measured]]] = {}
    for entry, measured in done(entries):
        found.setdefault(entry.variant, []).append((entry, measured))
    return found


def middle(values: Iterable[float]) -> float | None:
    """Return the median; None of nothing."""
    known = list(values)
    return median(known) if known else None


def spread(values: Iterable[float], form: str = "{:.2f}") -> str:
    """Return the median and the ends of some values as text."""
    known = sorted(values)
    if not known:
        return "-"
    if len(known) == 1:
        return form.format(known[0])
    ends = f"{form.format(known[0])} to {form.format(known[-1])}"
    return f"{form.format(median(known))} ({ends})"


def maps_text(names: Iterable[str]) -> str:
    """Say over how many maps something was measured."""
    count = len(dict.fromkeys(names))
    return "1 map" if count == 1 else f"{count} maps"
