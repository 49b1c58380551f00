"""Open question 3: the ratio over many files and resolutions, against other codecs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...progress import Clock
from ..cases import Case, low_passed_steps
from ..entries import Chart, Claim, Entry, Part, by_variant, done, maps_text, middle, spread
from ..peer_measuring import available
from ..plots import add_legend, style
from ..study_settings import StudySettings
from ..tasks import SHARE, Task, Tasks, other_task, paper_task
from .headline import RATIO, auto_settings, reaches

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

PAPER = "paper"


def tasks(case: Case, settings: StudySettings) -> Tasks:
    """Yield the tasks of one map, as it is and low-passed."""
    yield from _tasks_of(case, settings)
    for resolution in settings.low_passes:
        filtered = yield from low_passed_steps(case, resolution, Clock())
        if filtered is not None:
            yield from _tasks_of(filtered, settings)


def _tasks_of(case: Case, settings: StudySettings) -> Tasks:
    yield paper_task(PAPER, (case,), auto_settings([case], settings), settings)
    for name in ("field", "inr"):
        yield other_task(name, case, settings)
    for name in available():
        yield Task(name, (case,), codec=name, tuned=True)


def claims(entries: Sequence[Entry]) -> list[Claim]:
    """Say what each codec comes to, and how the ratio falls with resolution and size."""
    found = []
    for variant, rows in by_variant(entries).items():
        ratios = [m.ratio for _, m in rows]
        text = f"{spread(ratios)} : 1"
        holds = None
        published = "open question 3"
        if variant == PAPER:
            shares = spread((m.within for _, m in rows), "{:.1%}")
            good = sum(reaches(m.ratio, m.within) for _, m in rows)
            text += f"; within 20 %: {shares}; {SHARE:.2%} at {RATIO} : 1 in {good} of {len(rows)}"
            holds = good == len(rows)
        elif variant == "gzip":
            published = "about 2 : 1"
        trends = _trends(rows) if variant != PAPER else ""  # its ratio is asked for
        if trends:
            text += f"; {trends}"
        names = maps_text(entry.original for entry, _ in rows)
        over = f"{names}, cases: {len(rows)}"
        found.append(
            Claim(f"ratio over files and resolutions: {variant}", published, text, over, holds)
        )
    return found


def _trends(rows: Sequence[tuple[Entry, object]]) -> str:
    """Say by which powers of resolution and size the ratio changes; nothing of too few cases."""
    points = [(e.resolution, e.raw_bytes, m.ratio) for e, m in done(e for e, _ in rows)]
    resolution, size, ratio = np.log(np.array(points)).T
    if len(points) < 4 or np.ptp(resolution) < 1e-6:
        return ""
    columns = [np.ones_like(resolution), resolution]
    if np.ptp(size) > 1e-6:
        columns.append(size)
    powers = np.linalg.lstsq(np.column_stack(columns), ratio, rcond=None)[0]
    text = f"grows as resolution (Å) to the power {powers[1]:.2f}"
    return text + (f" and as size to the power {powers[2]:.2f}" if len(columns) > 2 else "")


def charts(entries: Sequence[Entry]) -> list[Chart]:
    """Return the ratio against resolution, and against size."""
    found = by_variant(entries)

    def draw_resolution(figure: FigureBase) -> None:
        axes = figure.add_subplot()
        for number, (variant, rows) in enumerate(found.items()):
            values: dict[float, list[float]] = {}
            for entry, measured in rows:
                if entry.filtered:
                    values.setdefault(entry.resolution, []).append(measured.ratio)
            ends = sorted(values)
            medians = [middle(values[end]) or 0 for end in ends]
            axes.plot(ends, medians, label=variant, **style(number))
        axes.set(title="Ratio by resolution", xlabel="low-passed to (Å)", ylabel="ratio")
        axes.set_yscale("log")
        add_legend(figure)

    def draw_size(figure: FigureBase) -> None:
        axes = figure.add_subplot()
        for number, (variant, rows) in enumerate(found.items()):
            points = [(e.raw_bytes / 1e6, m.ratio) for e, m in rows if not e.filtered]
            if points:
                axes.plot(*zip(*points, strict=True), linestyle="", label=variant, **style(number))
        axes.set(title="Ratio by size", xlabel="voxels as float32 (MB)", ylabel="ratio")
        axes.set(xscale="log", yscale="log")
        add_legend(figure)

    if not found:
        return []
    charts: list[Chart] = [("Ratio against the size of the map, as it is.", draw_size)]
    if any(entry.filtered for entry, _ in done(entries)):
        caption = "Ratio against the resolution that maps were low-passed to, median of the maps."
        charts.append((caption, draw_resolution))
    return charts


PART = Part(
    "scaling",
    "Open question 3: many files, 5 to 20 Å, other codecs",
    "Each map as it is and low-passed. field, inr and the codecs that lose something are tuned"
    f" until {SHARE:.2%} of the points above the contour are within 20 %; gzip, bzip2 and zstd lose"
    " nothing. JPEG (8 bits) and JPEG 2000 (16 bits) are given slices. Codecs that lose something"
    " are given the map as it is, with zeros below the contour, and with the contour there; the"
    " smallest counts.",
    tasks,
    claims,
    charts,
)
