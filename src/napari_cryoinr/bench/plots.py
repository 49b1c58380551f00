"""Rate-distortion curves: error against bits per voxel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..support.atomic_files import replacing
from .bench_rows import OURS, Row
from .cases import LOSSY, REGIMES, Case

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SUFFIXES = (".png", ".svg")
_WIDTH, _HEIGHT, _DPI = 5.2, 3.8, 120  # inches of a panel
_COLUMNS = 3
# Okabe and Ito's colours, which colour-blind readers can distinguish; shapes for black prints.
_STYLES = {
    OURS: ("#000000", "o"),
    "sperr": ("#0072b2", "s"),
    "sz3": ("#d55e00", "^"),
    "zfp": ("#009e73", "D"),
}
_OTHER = ("#cc79a7", "v")


def write_plot(path: Path, rows: Sequence[Row]) -> None:
    """Write the curves as a PNG or SVG picture; the same rows make the same file.

    There is a panel for each map and what is measured of it; lossless rows have no curve.

    Raises
    ------
    SettingsError
        If no row has a curve.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels: dict[tuple[str, Case], list[Row]] = {}
    for row in rows:
        if row.case.regime in LOSSY:
            panels.setdefault((row.map, replace(row.case, asked=None)), []).append(row)
    if not panels:
        raise SettingsError("there is nothing to plot: no row has an error; leave --plot out")
    columns = min(_COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = Figure((columns * _WIDTH, lines * _HEIGHT), layout="constrained")
    for number, ((name, case), members) in enumerate(panels.items()):
        _draw(figure.add_subplot(lines, columns, number + 1), name, case, members)
    kind = path.suffix.lower()[1:]
    # Without a date and random names, the same rows make the same file; text stays text.
    metadata = {"Date": None} if kind == "svg" else None
    svg = {"svg.fonttype": "none", "svg.hashsalt": "cryoinr"}
    with replacing(path) as temporary, rc_context(svg):
        figure.savefig(temporary, format=kind, dpi=_DPI, metadata=metadata)


def _draw(axes: Axes, name: str, case: Case, rows: Sequence[Row]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        voxels = row.raw_bytes / 4
        for encoding in (row.ours, *row.peers):
            codec = encoding.codec.split()[0]
            curves.setdefault(codec, []).append((8 * encoding.bytes / voxels, encoding.error))
    for codec, points in curves.items():
        colour, marker = _STYLES.get(codec, _OTHER)
        bits, errors = zip(*sorted(points), strict=True)
        axes.plot(bits, errors, color=colour, marker=marker, markersize=4.5, label=codec)
    axes.set_xscale("log")
    logarithmic: list[Axis] = [axes.xaxis]
    if case.regime == "contour":
        axes.set_yscale("log")
        logarithmic.append(axes.yaxis)
    for axis in logarithmic:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{name}: {case.measured}", fontsize=9)
    axes.set_xlabel("bits per voxel")
    axes.set_ylabel(REGIMES[case.regime].unit)
    axes.grid(True, which="both", linewidth=0.3)
    axes.legend(fontsize=8)
