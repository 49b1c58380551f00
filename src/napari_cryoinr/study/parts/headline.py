"""The headline: 88.25 % of the points within 20 % at 4.24:1, by each map and by three together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...models.paper.auto_settings import Traits, chosen, sized_widths
from ...models.paper.paper_settings import PaperSettings
from ..cases import Case
from ..entries import Chart, Claim, Entry, Part, done, maps_text, spread
from ..plots import MARK, add_legend, style
from ..study_settings import StudySettings
from ..tasks import SHARE, Task, Tasks, paper_task

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

AUTO, FIXED = "auto", "fixed"
TOGETHER = "together"
RATIO = 4.24  # the source's
_NEAR = 0.995  # of the ratio: the widths are whole numbers


def auto_settings(cases: Sequence[Case], settings: StudySettings) -> PaperSettings:
    """Return what the rules choose for maps in one archive."""
    traits = Traits.of_all([case.traits for case in cases])
    return chosen(settings.own, traits, settings.trained, rules=settings.rules)


def fixed_settings(case: Case, settings: StudySettings) -> PaperSettings:
    """Return the source's numbers, with the widths that the ratio leaves."""
    own = replace(settings.own, auto=False, max_steps=settings.steps)
    if own.sized:
        return own
    return replace(own, widths=sized_widths(own, case.traits, rules=settings.rules))


def tasks(case: Case, settings: StudySettings) -> Tasks:
    """Yield the tasks of one map."""
    yield paper_task(AUTO, (case,), auto_settings([case], settings), settings)
    yield paper_task(FIXED, (case,), fixed_settings(case, settings), settings)


def together(cases: Sequence[Case], settings: StudySettings) -> Task:
    """Return the task of several maps in one archive."""
    return paper_task(TOGETHER, tuple(cases), auto_settings(cases, settings), settings)


def claims(entries: Sequence[Entry]) -> list[Claim]:
    """Say on how many maps the headline is reached."""
    found = []
    published = f"{RATIO} : 1 with {SHARE:.2%} within 20 %"
    titles = {
        AUTO: "the headline, each map alone, settings by its traits",
        FIXED: "the headline, each map alone, the source's settings and a network of that ratio",
        TOGETHER: "the headline, maps in one archive with one network",
    }
    for variant, title in titles.items():
        rows = done(entries, variant)
        if not rows:
            continue
        reached = [reaches(m.ratio, m.within) for _, m in rows]
        ratios = spread((m.ratio for _, m in rows), "{:.2f} : 1")
        shares = spread((m.within for _, m in rows), "{:.1%}")
        if variant == TOGETHER:
            parts = ", ".join(f"{x.name} {x.within:.1%}" for _, m in rows for x in m.members)
            text = f"{ratios}; within 20 %: {shares} ({parts})"
        else:
            text = f"reached on {sum(reached)} of {len(rows)}; {ratios}; within 20 %: {shares}"
        over = maps_text(entry.name for entry, _ in rows) if variant != TOGETHER else "one archive"
        found.append(Claim(title, published, text, f"{over}, above the contour", all(reached)))
    return found


def reaches(ratio: float, within: float) -> bool:
    """Return whether a file is as small, and as good, as the source reports."""
    return ratio >= _NEAR * RATIO and within >= SHARE


def charts(entries: Sequence[Entry]) -> list[Chart]:
    """Return the share within 20 % against the ratio."""
    caption = (
        "Share of the points above the contour within 20 %, against the ratio. What the source"
        " reports is where the lines cross."
    )

    def draw(figure: FigureBase) -> None:
        axes = figure.add_subplot()
        for number, variant in enumerate((AUTO, FIXED, TOGETHER)):
            rows = done(entries, variant)
            if rows:
                ratios, shares = zip(*((m.ratio, 100 * m.within) for _, m in rows), strict=True)
                axes.plot(ratios, shares, linestyle="", label=variant, **style(number))
        axes.axhline(100 * SHARE, color=MARK, linestyle=":")
        axes.axvline(RATIO, color=MARK, linestyle=":")
        axes.set(title="The headline", xlabel="ratio", ylabel="within 20 % (%)")
        add_legend(figure)

    return [(caption, draw)] if done(entries) else []


PART = Part(
    "headline",
    "The headline",
    "One network for each map, and one for several, of the size that the ratio leaves. “auto” has"
    " settings by the traits of the map, “fixed” those of the source.",
    tasks,
    claims,
    charts,
)
