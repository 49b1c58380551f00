"""What is kept of a map, and what was asked for, in a few words."""

from __future__ import annotations

from ...quality.quality_report import QualityReport
from ...quality.verdict import KEPT, verdict_of
from ...settings import Settings

_GOALS = {
    "target_fsc": "FSC {:g}",
    "target_nrmse": "NRMSE {:g}",
    "target_psnr": "PSNR {:g} dB",
    "target_ratio": "{:g} : 1",
    "max_error": "error at most {:g}",
    "lossless": "lossless",
}


def density_words(density: float) -> str:
    """Return a density with four digits, and one after the point at least."""
    text = f"{density:.4g}"
    return text if set(text) & set(".en") else f"{text}.0"


def kept_words(report: QualityReport) -> str:
    """Say whether a map is kept, to which resolution and where, such as: kept to 8.8 Å above 4.0.

    The first words are those of the verdict.
    """
    verdict = verdict_of(report)
    if report.keep == "volume":
        where = " in the whole volume"
    elif report.contour is None:
        where = " inside the given mask"
    else:
        where = f" above {density_words(report.contour)}"
    if report.max_error == 0:
        return f"{verdict} exactly{where}"
    if report.keep == "contour":
        return f"{verdict}{where}, error {100 * report.nrmse:.2g} % of the spread there"
    reach = report.resolution or report.nyquist
    if verdict == KEPT:
        return f"{verdict} to {reach:.3g} Å{where}"
    fallen = report.fsc_099
    if fallen is None:
        return f"{verdict}{where}, surface overlap {report.iou[1]:.2f}"
    return f"{verdict}{where}: FSC below 0.99 at {fallen:.3g} Å, short of {reach:.3g} Å"


def settings_words(settings: Settings, model: str | None = None) -> str:
    """Say what was asked for: model, goal, threshold, effort; `model` is the one that was used."""
    words = [model or settings.model_name]
    goal = next(iter(settings.goals), None)
    if goal is not None:
        words.append(_GOALS[goal].format(getattr(settings, goal)))
    if settings.resolution != "auto":
        words.append(f"to {settings.resolution:g} Å")
    threshold = settings.threshold
    if settings.keep == "volume" or threshold == "none":
        words.append("whole volume")
    elif isinstance(threshold, float):
        words.append(f"above {density_words(threshold)}")
    else:
        words.append("automatic threshold" if threshold == "auto" else f"above {threshold}")
    if settings.effort != "auto":
        words.append(settings.effort)
    return ", ".join(words)
