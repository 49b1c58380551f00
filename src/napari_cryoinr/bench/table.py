"""The rows as text, as Markdown, and in one number."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from .bench_rows import Encoding, Row
from .error_measures import REGIMES
from .peers import codecs_version

# Title and width of each column.
COLUMNS = (
    ("asked", 8),
    ("reached", 8),
    ("bytes", 11),
    ("x:1", 8),
    ("best peer", 12),
    ("its bytes", 11),
    ("our/best", 8),
    ("enc s", 7),
    ("dec s", 7),
    ("its enc", 7),
    ("its dec", 7),
    ("MB", 7),
    ("its MB", 7),
)
_UNITS = {"contour": "NRMSE", "whole": "PSNR, dB", "lossless": "largest error"}


def cells(row: Row) -> tuple[str, ...]:
    """The cells of one row, in the order of `COLUMNS`."""
    best, ours = row.best, row.ours
    return (
        _error(row.case.asked),
        _error(ours.error),
        f"{ours.bytes:,}",
        f"{row.ratio:.2f}",
        "none" if best is None else best.codec,
        "-" if best is None else f"{best.bytes:,}",
        "-" if row.against_best is None else f"{row.against_best:.3f}",
        _seconds(ours.encode_s),
        _seconds(ours.decode_s),
        "-" if best is None else _seconds(best.encode_s),
        "-" if best is None else _seconds(best.decode_s),
        _megabytes(ours),
        "-" if best is None else _megabytes(best),
    )


def head() -> str:
    """The line of titles."""
    return _line([title for title, _ in COLUMNS])


def line(row: Row) -> str:
    """One row as a line below `head`."""
    return _line(cells(row))


def unit(regime: str) -> str:
    """What the errors of a regime are."""
    return _UNITS[regime]


def geometric_means(rows: Sequence[Row]) -> dict[str, tuple[float, int]]:
    """By regime: the geometric mean of our bytes over those of the best peer, and of how many."""
    means = {}
    for regime in REGIMES:
        ratios = [r.against_best for r in rows if r.case.regime == regime and r.against_best]
        if ratios:
            means[regime] = math.exp(sum(map(math.log, ratios)) / len(ratios)), len(ratios)
    return means


def mean_lines(rows: Sequence[Row]) -> list[str]:
    """The geometric means as text; nothing where there is a single row."""
    return [
        f"{regime}: geometric mean of our/best {mean:.3f} over {count} rows"
        for regime, (mean, count) in geometric_means(rows).items()
        if count > 1
    ]


def markdown(rows: Sequence[Row], title: str) -> str:
    """A page with one table for all maps."""
    names = ["map", "error", "contour", *(name for name, _ in COLUMNS)]
    lines = [f"# {title}", "", f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for row in rows:
        contour = "-" if row.case.threshold is None else f"{row.case.threshold:.4g}"
        values = [row.map, unit(row.case.regime), contour, *cells(row)]
        lines.append(f"| {' | '.join(values)} |")
    means = mean_lines(rows)
    return "\n".join(lines + ([""] if means else []) + means) + "\n"


def to_json(rows: Sequence[Row]) -> dict[str, Any]:
    """All rows, their means and the versions that they were measured with, as plain data."""
    from .. import __version__

    return {
        "versions": {
            "napari-cryoinr": __version__,
            "imagecodecs": codecs_version(),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
        },
        "geometric_means": {name: mean for name, (mean, _) in geometric_means(rows).items()},
        "rows": [row.to_dict() for row in rows],
    }


def _line(values: Sequence[str]) -> str:
    return "  ".join(f"{v:>{w}}" for v, (_, w) in zip(values, COLUMNS, strict=True)).rstrip()


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g}" if seconds < 0.1 else f"{seconds:.2f}"


def _megabytes(encoding: Encoding) -> str:
    return "-" if encoding.memory is None else f"{encoding.memory / 1e6:.1f}"
