"""Open question 2: low densities, by density band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...models.paper.auto_settings import chosen
from ...progress import Clock
from ...quality.quality_report import Band
from ..cases import Case, case_steps
from ..entries import Chart, Claim, Entry, Part, by_variant, done, maps_text, middle, spread
from ..measured import Measured
from ..plots import MARK, add_legend, style
from ..study_settings import StudySettings
from ..tasks import Tasks, other_task, paper_task
from .headline import RATIO

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

THRESHOLD = 0.0  # the source keeps what is positive
PAPER, GRID = "paper", "paper, grid of latents"
_NODES, _LATENTS = 8, 8  # vectors along each axis, and numbers of each
_QUICK_NODES, _QUICK_LATENTS = 3, 2
_NRMSE = 0.02  # that field and inr are asked for
_ASKED = 0.1  # mean relative error that the question asks for
_LOW = 0.1  # share of the largest density below which densities are low


def tasks(case: Case, settings: StudySettings) -> Tasks:
    """Yield the tasks of one map, above a contour of 0."""
    low = yield from case_steps(case.map, THRESHOLD, Clock())
    own = chosen(settings.own, low.traits, settings.trained, rules=settings.rules)
    yield paper_task(PAPER, (low,), own, settings)
    nodes, latents = (_QUICK_NODES, _QUICK_LATENTS) if settings.quick else (_NODES, _LATENTS)
    grid = replace(settings.own, latent_grid=nodes, latent_size=latents)
    own = chosen(grid, low.traits, settings.trained, rules=settings.rules)
    yield paper_task(GRID, (low,), own, settings)
    for name in ("field", "inr"):
        yield other_task(name, low, settings, _NRMSE)
    yield other_task("field", low, settings, ratio=settings.ratio)


def band_errors(rows: Sequence[tuple[Entry, Measured]]) -> list[tuple[Band, list[float]]]:
    """Return the mean relative errors of each band over maps."""
    found: dict[tuple[float, float], tuple[Band, list[float]]] = {}
    for _, measured in rows:
        for band in (band for member in measured.members for band in member.bands):
            known = found.setdefault((band.low, band.high), (band, []))
            known[1].append(band.mean_relative_error)
    return [found[ends] for ends in sorted(found)]


def claims(entries: Sequence[Entry]) -> list[Claim]:
    """Say how large the errors of low densities are, and in which bands they are below 10 %."""
    found = []
    for variant, rows in by_variant(entries).items():
        errors = band_errors(rows)
        low = [value for band, values in errors if band.high <= _LOW for value in values]
        good = [
            f"{band.low:g} to {band.high:g}"
            for band, values in errors
            if (middle(values) or 0) < _ASKED
        ]
        ratios = [m.ratio for _, m in rows]
        text = (
            f"{spread(low, '{:.0%}')} below {_LOW:g} of the largest density, at"
            f" {spread(ratios, '{:.1f}')} : 1; below 10 % in the bands {', '.join(good) or 'none'}"
        )
        every = len(good) == len(errors) and (middle(ratios) or 0) > 4
        over = f"{maps_text(entry.name for entry, _ in rows)}, densities above 0"
        published = (
            "above 1000 %" if variant == PAPER else "open question 2: below 10 %, above 4 : 1"
        )
        found.append(Claim(f"low densities, {variant}", published, text, over, every))
    plain = done(entries, PAPER)
    if plain:
        shares = [_share_above(m, _LOW) for _, m in plain]
        text = f"{spread(shares, '{:.1%}')} at {spread(m.ratio for _, m in plain)} : 1"
        title = "densities above 0.1 of the largest, of all that are positive"
        found.append(Claim(title, f"88.25 % within 20 % at {RATIO} : 1", text, "the same"))
    return found


def _share_above(measured: Measured, low: float) -> float:
    """Return the share within 20 % of the voxels of the bands above a density."""
    bands = [b for member in measured.members for b in member.bands if b.low >= low]
    return sum(b.within_20_percent * b.voxels for b in bands) / max(sum(b.voxels for b in bands), 1)


def charts(entries: Sequence[Entry]) -> list[Chart]:
    """Return the errors by density band."""
    found = by_variant(entries)

    def draw(figure: FigureBase) -> None:
        axes = figure.add_subplot()
        for number, (variant, rows) in enumerate(found.items()):
            errors = [(b, middle(values)) for b, values in band_errors(rows)]
            centres = [(band.low + band.high) / 2 for band, _ in errors]
            values = [100 * max(value or 0.0, 1e-4) for _, value in errors]
            axes.plot(centres, values, label=variant, **style(number))
        axes.axhline(100 * _ASKED, color=MARK, linestyle=":")
        axes.set(title="Error by density", xlabel="density, share of the largest", yscale="log")
        axes.set_ylabel("mean relative error (%)")
        add_legend(figure)

    caption = "Mean relative error by density band, median of the maps; the line is 10 %."
    return [(caption, draw)] if found else []


PART = Part(
    "bands",
    "Open question 2: low densities",
    "All voxels with a positive density, noise included. The grid of latents has"
    f" {_NODES}³ vectors of {_LATENTS} numbers; field and inr are asked for an NRMSE of {_NRMSE};"
    " field also for the smallest error at the ratio of the model paper.",
    tasks,
    claims,
    charts,
)
