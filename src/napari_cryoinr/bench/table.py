"""The rows as text, as Markdown, and in one number."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np

from .bench_rows import Encoding, Row
from .cases import REGIMES
from .peers import codecs_version

TITLES = (
    *("asked", "reached", "bytes", "x:1", "best peer", "its bytes", "our/best"),
    *("enc s", "dec s", "its enc", "its dec", "MB", "its MB"),
)
_WIDTHS = (8, 8, 11, 8, 16, 11, 8, 7, 7, 7, 7, 7, 7)  # characters of the columns


def cells(row: Row) -> list[str]:
    """Return the cells of one row, in the order of `TITLES`."""
    ours, best = row.ours, row.best
    asked = "-" if row.case.asked is None else f"{row.case.asked:.4g}"
    size = [asked, f"{ours.error:.4g}", f"{ours.bytes:,}", f"{row.ratio:.2f}"]
    ours_took = _costs(ours)
    if best is None:
        peer, its = ["none", "-", "-"], ["-"] * 3
    else:
        peer, its = [best.codec, f"{best.bytes:,}", f"{row.against_best:.3f}"], _costs(best)
    return [*size, *peer, *ours_took[:2], *its[:2], ours_took[2], its[2]]


def line(row: Row | None = None) -> str:
    """Return a row as one line; without a row, the line of titles above it."""
    values = TITLES if row is None else cells(row)
    return "  ".join(f"{v:>{w}}" for v, w in zip(values, _WIDTHS, strict=True)).rstrip()


def geometric_means(rows: Sequence[Row]) -> dict[str, tuple[float, int]]:
    """Return, by regime, the geometric mean of our bytes over the best peer's, and of how many."""
    ratios = {
        regime: [r.against_best for r in rows if r.case.regime == regime and r.against_best]
        for regime in REGIMES
    }
    return {regime: (geometric_mean(some), len(some)) for regime, some in ratios.items() if some}


def mean_lines(rows: Sequence[Row]) -> list[str]:
    """Return the geometric means as text; nothing where there is a single row."""
    return [
        f"{regime}: geometric mean of our/best {mean:.3f} over {count} rows"
        for regime, (mean, count) in geometric_means(rows).items()
        if count > 1
    ]


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, and an empty one."""
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""]


def markdown(rows: Sequence[Row], title: str) -> str:
    """Return a page with one table for all maps, and what each codec was given and promised."""
    body = []
    for row in rows:
        smallest = ", ".join(f"{peer.codec} {peer.bytes:,}" for peer in row.peers)
        overlap = "-" if row.overlap is None else f"{row.overlap:.3f}"
        body.append([row.map, row.case.measured, *cells(row), overlap, smallest])
    table = markdown_table(["map", "measured", *TITLES, "our IoU", "each peer, given"], body)
    notes = [REGIMES[name].note for name in dict.fromkeys(row.case.regime for row in rows)]
    if any(row.overlap is not None for row in rows):
        notes.append("Our IoU: voxels above the threshold, intersection over union.")
    text = [f"# {title}", "", *table, *mean_lines(rows), *(f"\n{note}" for note in notes)]
    return "\n".join(text).rstrip() + "\n"


def versions() -> dict[str, str]:
    """Return the versions that something was measured with."""
    from .. import __version__

    return {
        "napari-cryoinr": __version__,
        "imagecodecs": codecs_version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def to_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Return all rows, their means and the versions of what was measured, as plain data."""
    return {
        "versions": versions(),
        "geometric_means": {name: mean for name, (mean, _) in geometric_means(rows).items()},
        "rows": [row.to_dict() for row in rows],
    }


def _costs(encoding: Encoding) -> list[str]:
    """Seconds of encoding and of decoding, megabytes."""
    times = encoding.encode_s, encoding.decode_s
    memory = "-" if encoding.memory is None else f"{encoding.memory / 1e6:.1f}"
    return [*(f"{s:.2g}" if s < 0.1 else f"{s:.2f}" for s in times), memory]
