"""Open question 4: what each part of the model is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...progress import Clock
from ..cases import Case, case_steps
from ..entries import Chart, Claim, Entry, Part, by_variant, done, maps_text, middle, spread
from ..plots import add_legend
from ..study_settings import StudySettings
from ..tasks import Tasks, paper_task
from .headline import fixed_settings

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

BASE = "the source's settings"
PLAIN = "no encoding, no weights"
# What is changed of the source's settings.
VARIANTS: dict[str, dict[str, Any]] = {
    BASE: {},
    PLAIN: {"frequencies": 0, "loss_exponent": 0.0, "loss_factor": 1.0},
    "no encoding": {"frequencies": 0},
    "no weights": {"loss_exponent": 0.0, "loss_factor": 1.0},
    "frequencies 2^0 to 2^5": {"frequencies": 6},
    "frequencies 2^0 to 2^12": {"frequencies": 13},
    "no shortcuts": {"residual": "none"},
    "shortcut in every second layer": {"residual": "alternate"},
    "learned shortcuts": {"projection": "learned"},
    "first weights of PyTorch": {"initial": "uniform"},
    "exponent 0": {"loss_exponent": 0.0},
    "exponent 1": {"loss_exponent": 1.0},
    "percentile 50": {"loss_percentile": 50.0},
    "percentile 99": {"loss_percentile": 99.0},
    "factor 1": {"loss_factor": 1.0},
    "factor 10": {"loss_factor": 10.0},
    "latent of 0": {"latent_size": 0},
    "latent of 256": {"latent_size": 256},
    "weights in float32": {"weights": "float32"},
    "exponent 0, no shortcuts, rate 0.004": {
        "loss_exponent": 0.0,
        "residual": "none",
        "learning_rate": 4e-3,
    },
}
THRESHOLDS = 0.0, 0.05, 0.1  # shares of the largest density
_PATTERNS = BASE, "shortcut in every second layer", "no shortcuts"
_COLLAPSED = 0.5  # of the original's range


def tasks(case: Case, settings: StudySettings) -> Tasks:
    """Yield the tasks of one map; all have the widths and steps of the first."""
    base = fixed_settings(case, settings)
    for variant, changes in VARIANTS.items():
        yield paper_task(variant, (case,), replace(base, **changes), settings)
    largest = float(case.map.data.max())
    for share in THRESHOLDS:
        low = yield from case_steps(case.map, share * largest, Clock())
        yield paper_task(f"threshold {share:g}", (low,), base, settings)


def claims(entries: Sequence[Entry]) -> list[Claim]:
    """Say what each variant costs or gains against the source's settings."""
    found = []
    rows = by_variant(entries)
    base = {entry.name: measured for entry, measured in rows.get(BASE, [])}
    for variant, own in rows.items():
        over = f"{maps_text(entry.name for entry, _ in own)}, equal steps"
        errors = spread((m.error for _, m in own), "{:.1%}")
        shares = spread((m.within for _, m in own), "{:.1%}")
        text = f"mean relative error {errors}, within 20 % {shares}"
        pairs = [(m.error, base[e.name].error) for e, m in own if e.name in base]
        if pairs and variant != BASE and not variant.startswith("threshold"):
            change = middle(error / (before or 1e-12) for error, before in pairs) or 0.0
            text += f"; error × {change:.2f}"
        published, holds = "open question 4", None
        if variant in (PLAIN, BASE):
            ranges = [member.output_range for _, m in own for member in m.members]
            text += f"; range of the output {spread(ranges)} of the original's"
            if variant == PLAIN:
                published = "a narrow output range and a high error"
                holds = (middle(ranges) or 0) < _COLLAPSED
        found.append(Claim(f"ablation: {variant}", published, text, over, holds))
    return found


def charts(entries: Sequence[Entry]) -> list[Chart]:
    """Return the errors of all variants, and the convergence with the residual patterns."""
    found = by_variant(entries)

    def draw_errors(figure: FigureBase) -> None:
        axes = figure.add_subplot()
        names = list(found)
        errors = [100 * (middle(m.error for _, m in found[name]) or 0.0) for name in names]
        axes.barh(range(len(names)), errors, color="#1f5fa8")
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.invert_yaxis()
        axes.set(title="Ablations", xlabel="mean relative error (%), median of the maps")
        axes.set_xscale("log")

    def draw_convergence(figure: FigureBase) -> None:
        axes = figure.add_subplot()
        name = "no map"
        for variant, line in zip(_PATTERNS, ("-", "--", ":"), strict=True):
            for entry, measured in found.get(variant, [])[:1]:
                name = entry.name
                axes.plot(measured.steps, measured.losses, line, label=variant)
        axes.set(title=f"Convergence, {name}", xlabel="training step", ylabel="loss", yscale="log")
        add_legend(figure)

    if not done(entries):
        return []
    return [
        ("Error of each variant after equal steps.", draw_errors),
        ("Loss during training with the three residual patterns, first map.", draw_convergence),
    ]


PART = Part(
    "ablations",
    "Open question 4: ablations",
    "The source's settings with one thing changed, and all of the same number of steps. Thresholds"
    " are shares of the largest density, and change what is counted.",
    tasks,
    claims,
    charts,
)
