"""The verdict of a quality report: one of three words, by rules, and a line that says why.

Fourier shells up to the resolution, unless only the voxels above a contour are kept: all correlate
at least 0.99 or, where the map's half-maps are known, the error in each has at most a tenth of the
power of their noise (kept); some fall below 0.5 at less than half of the resolution's frequency
(lost).
Voxels above the contour, where only those are kept: NRMSE at most 0.1 (kept), at least 0.7 (lost).
Surface at the contour, unless the whole volume is kept: overlap at least 0.9 (kept), below 0.5
(lost).

What is lost by one rule is lost, what is kept by all that apply is kept, and the rest is kept in
part. Without any error it is kept. The numbers are those that archives store, with few digits, so
that a report says the same before and after.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .quality_report import QualityReport

KEPT, IN_PART, LOST = "kept", "kept in part", "lost"
VERDICTS = (KEPT, IN_PART, LOST)
"""The three words, from good to bad."""

KEPT_FSC, LOST_FSC, LOST_FREQUENCY = 0.99, 0.5, 0.5
KEPT_NOISE = 0.1  # of the power of the half-maps' noise
KEPT_NRMSE, LOST_NRMSE = 0.1, 0.7  # a hundredth and half of the variance
KEPT_OVERLAP, LOST_OVERLAP = 0.9, 0.5


def verdict_of(report: QualityReport) -> str:
    """Return kept, kept in part or lost."""
    report = report.stored()
    if not report.kept_voxels:
        return LOST
    if report.max_error == 0:
        return KEPT
    found = [_of_density(report) if report.keep == "contour" else _of_shells(report)]
    if report.keep != "volume":
        found.append(_of_surface(report))
    return max(found, key=VERDICTS.index)


def verdict_line(report: QualityReport) -> str:
    """Return the verdict with what it follows from and the size of the file."""
    size = _size(report)
    word, report = verdict_of(report).capitalize(), report.stored()
    where = report.where
    if not report.kept_voxels:
        return f"{word}: no voxel is {where}, nothing was compared there{size}"
    if report.max_error == 0:
        line = f"{word} exactly {where}"
    elif report.keep == "contour":
        line = f"{word} {where}: NRMSE {_short_error(report.nrmse)} there"
    else:
        line = _shell_line(report, word)
    line += f", surface overlap {report.iou[1]:.2f}"
    if report.keep != "contour" or report.level != report.contour:
        line += f" at {report.level:.4g}"
    if _of_surface(report) == LOST:
        line += " (another surface)"
    return line + size


def size_text(size: int) -> str:
    """Return a number of bytes for people, such as 1.7 kB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def _of_shells(report: QualityReport) -> str:
    if report.lowest_fsc is not None and report.lowest_fsc >= KEPT_FSC:
        return KEPT
    if report.error_of_noise is not None and report.error_of_noise <= KEPT_NOISE:
        return KEPT
    fallen = report.fsc_05 or 0.0
    return LOST if fallen * LOST_FREQUENCY > _reach(report) else IN_PART


def _of_density(report: QualityReport) -> str:
    if report.nrmse <= KEPT_NRMSE:
        return KEPT
    return LOST if report.nrmse >= LOST_NRMSE else IN_PART


def _of_surface(report: QualityReport) -> str:
    overlap = report.iou[1]
    return KEPT if overlap >= KEPT_OVERLAP else LOST if overlap < LOST_OVERLAP else IN_PART


def _reach(report: QualityReport) -> float:
    return report.resolution or report.nyquist


def _shell_line(report: QualityReport, word: str) -> str:
    shells, reach = _of_shells(report), f"{_reach(report):.3g} Å"
    if shells == KEPT and report.error_of_noise is not None:
        # Noise is what lowers the correlation of such shells, not the error.
        below = f"error in every Fourier shell at most {report.error_of_noise:.2g} of the noise"
        return f"{word} to {reach} {report.shells_where}: {below}"
    if shells == KEPT:
        least = math.floor(1000 * (report.lowest_fsc or 0.0) + 1e-6) / 1000
        every = f"every Fourier shell correlates at least {least:.3f}"
        if word == LOST.capitalize():
            return f"{word} {report.shells_where}: {every} to {reach}"
        return f"{word} to {reach} {report.shells_where}: {every}"
    level, at = (0.5, report.fsc_05) if shells == LOST else (0.99, report.fsc_099)
    fallen = f"Fourier shells fall below {level:g} at {at or report.nyquist:.3g} Å"
    return f"{word} {report.shells_where}: {fallen}, short of {reach}"


def _size(report: QualityReport) -> str:
    if report.bytes is None or report.ratio is None:
        return ""
    ratio = f"{report.ratio:,.0f}" if report.ratio >= 100 else f"{report.ratio:.3g}"
    return f", {size_text(report.bytes)} ({ratio}:1)"


def _short_error(error: float) -> str:
    """Two digits of a relative error, without an exponent where it is no tiny one."""
    return f"{error:.2f}" if error >= 0.1 else f"{error:.3f}" if error >= 0.001 else f"{error:.1g}"
